/** The types grafo reads: a new one is a record in this folder and a line here. */
import { bf16 } from './bf16.ts';
import { f16 } from './f16.ts';
import { f32 } from './f32.ts';
import { iq1_m, iq1_s } from './iq1.ts';
import { iq2_s, iq2_xs, iq2_xxs } from './iq2.ts';
import { iq3_s, iq3_xxs } from './iq3.ts';
import { iq4_nl, iq4_xs } from './iq4.ts';
import { mxfp4 } from './mxfp4.ts';
import { q2_k } from './q2_k.ts';
import { q3_k } from './q3_k.ts';
import { q4_0 } from './q4_0.ts';
import { q4_1 } from './q4_1.ts';
import { q4_k } from './q4_k.ts';
import { q5_0 } from './q5_0.ts';
import { q5_1 } from './q5_1.ts';
import { q5_k } from './q5_k.ts';
import { q6_k } from './q6_k.ts';
import { q8_0 } from './q8_0.ts';
import type { QuantType } from './quant.ts';
import { tq1_0, tq2_0 } from './tq.ts';

/** Every type grafo reads, in the order messages list them. */
export const quantTypes: readonly QuantType[] = [
  ...[f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0],
  ...[q2_k, q3_k, q4_k, q5_k, q6_k],
  ...[iq1_s, iq1_m, iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s, iq4_nl, iq4_xs],
  ...[mxfp4, tq1_0, tq2_0],
];
