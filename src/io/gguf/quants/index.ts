/** The types grafo reads: a new one is a record in this folder and a line here. */
import { bf16 } from './bf16.ts';
import { f16 } from './f16.ts';
import { f32 } from './f32.ts';
import { q4_0 } from './q4_0.ts';
import { q4_1 } from './q4_1.ts';
import { q5_0 } from './q5_0.ts';
import { q5_1 } from './q5_1.ts';
import { q8_0 } from './q8_0.ts';
import type { QuantType } from './quant.ts';

/** Every type grafo reads, in the order messages list them. */
export const quantTypes: readonly QuantType[] = [f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0];
