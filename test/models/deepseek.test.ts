/** DeepSeek's generations with random weights against float64 arithmetic and llama.cpp, and their forms against each other. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { WeightSource } from '../../src/graph/weights.ts';
import { openGguf } from '../../src/io/gguf/reader.ts';
import { type TensorToWrite, writeGguf } from '../../src/io/gguf/writer.ts';
import { typedMetadata } from '../commands/models.ts';
import { fixture, nmse, readNda, scratch } from '../fixtures.ts';
import { sharedData } from '../shared-data.ts';
import { tensorOf } from '../tiny-gguf.ts';
import { inPieces, topOfRows, withDecoder } from './decoders.ts';

const N_VOCAB = 288;

/** Float32 arithmetic against float64 gives about 1e-13 to 2e-12. */
const EXACT = 1e-9;

/** Sums of another order. */
const SAME = 1e-11;

/** llama.cpp rounds activations to int8, and where it rounds the latent row depends on the form. */
const IN_BLOCKS = 5e-3;

type Form = 'absorb' | 'expand';

interface Model {
  readonly name: string;
  /** V1 has plain attention only. */
  readonly forms: readonly Form[];
  /** The form in which llama.cpp runs this layout. */
  readonly form: Form;
  /** Rows in which rounding to int8 made llama.cpp choose other experts than float64 does (its summary.json). */
  readonly flipped: readonly number[];
}

const latent = (name: string, form: Form, ...flipped: number[]): Model => ({
  name,
  form,
  forms: ['absorb', 'expand'],
  flipped,
});

const models: readonly Model[] = [
  { name: 'v1-f16', form: 'absorb', forms: ['absorb'], flipped: [] },
  { name: 'v1-q8_0', form: 'absorb', forms: ['absorb'], flipped: [] },
  { name: 'v1-q4_0', form: 'absorb', forms: ['absorb'], flipped: [1] },
  latent('v2lite-f16', 'expand'),
  latent('v2lite-q8_0', 'expand'),
  latent('v2lite-q4_0', 'expand', 15),
  latent('v2lite-mla-q8_0', 'absorb'),
  latent('v2-f16', 'expand'),
  latent('v2-q8_0', 'expand', 20),
  latent('v2-q4_0', 'expand'),
  latent('v2-mla-q8_0', 'absorb', 20),
  latent('v3-f16', 'expand'),
  latent('v3-q8_0', 'expand'),
  latent('v3-q4_0', 'expand', 6),
  latent('v3-mla-f16', 'absorb'),
  latent('v3-mla-q8_0', 'absorb', 17),
  latent('v3-groups-q8_0', 'expand'),
  latent('v3-groups-mla-q8_0', 'absorb', 5),
];

const root = fileURLToPath(new URL('../fixtures/deepseek/', import.meta.url));

/** A reference, from the repository or, where it is too much for it, from what lies beside. */
const reference = (file: string): string | undefined =>
  existsSync(`${root}${file}.br`) || existsSync(root + file)
    ? fixture(`deepseek/${file}`)
    : sharedData(`deepseek/${file}`, `the model of ${file}`);

const idsOf = (name: string): number[] => JSON.parse(readFileSync(reference(`${name}.ids.json`) ?? '', 'utf8')).ids;
const logitsOf = (name: string, kind: 'exact' | 'logits'): Float32Array =>
  readNda(reference(`${name}.${kind}.bin`) ?? '').values;
const graphOf = (form: Form): string => (form === 'absorb' ? 'decoder' : 'expanded');

/** Rows of logits without those left out. */
const without = (logits: Float32Array, rows: readonly number[]): Float32Array =>
  logits.filter((_, i) => !rows.includes(Math.floor(i / N_VOCAB)));

const present = models.filter(({ name }) => reference(`${name}.gguf`) !== undefined);

describe.each(present)('$name', ({ name, form, forms, flipped }) => {
  const path = reference(`${name}.gguf`) ?? '';
  const ids = idsOf(name);
  const exact = logitsOf(name, 'exact');
  const ways = forms.flatMap((f) => [true, false].map((fused) => ({ form: f, fused })));

  it.each(ways)(
    'gives the logits of float64 arithmetic ($form, fused kernels $fused), however it is fed',
    async (way) => {
      const arithmetic = { compute: 'f32', fused: way.fused, graph: graphOf(way.form) } as const;
      await withDecoder(path, arithmetic, async (decoder) => {
        const atOnce = await inPieces(decoder, ids, [24]);
        expect(nmse(atOnce, exact)).toBeLessThanOrEqual(EXACT);
        expect(topOfRows(atOnce, N_VOCAB)).toEqual(topOfRows(exact, N_VOCAB));
        const oneByOne = await inPieces(decoder, ids, new Array<number>(24).fill(1));
        expect(nmse(oneByOne, atOnce)).toBeLessThanOrEqual(SAME);
        const inChunks = await inPieces(decoder, ids, [10, 7, 1, 1, 5]);
        expect(nmse(inChunks, atOnce)).toBeLessThanOrEqual(SAME);
      });
    },
  );

  it('gives the logits of llama.cpp in the form that it takes, as near as rounding to int8 allows', async () => {
    const arithmetic = { compute: 'block', fused: true, graph: graphOf(form) } as const;
    const logits = await withDecoder(path, arithmetic, (decoder) => inPieces(decoder, ids, [24]));
    const theirs = logitsOf(name, 'logits');
    expect(nmse(without(logits, flipped), without(theirs, flipped))).toBeLessThanOrEqual(IN_BLOCKS);
  });
});

/** A copy of a reference model with other tensors. */
const rewritten = async (
  name: string,
  base: string,
  change: (file: WeightSource) => Promise<readonly TensorToWrite[]>,
): Promise<string> => {
  const file = await openGguf(reference(`${base}.gguf`) ?? '');
  try {
    const path = join(scratch, `${name}.gguf`);
    await writeGguf(path, { metadata: typedMetadata(file.metadata), tensors: await change(file) });
    return path;
  } finally {
    await file.close();
  }
};

/** The sizes of the tiny models' heads. */
const [N_HEAD, NOPE, VALUE, RANK] = [4, 32, 16, 32];

/** Keys' and values' parts of `attn_kv_b` in two tensors, keys turned over, as today's converter writes them. */
const apart = (nAxes: 2 | 3) => async (file: WeightSource) => {
  const out: TensorToWrite[] = [];
  for (const tensor of file.tensors.values()) {
    const [, layer] = /^(.*)attn_kv_b\.weight$/.exec(tensor.name) ?? [];
    if (layer === undefined) {
      out.push(tensor);
      continue;
    }
    const joint = await tensor.decode();
    const at = (head: number, row: number, i: number) => joint[(head * (NOPE + VALUE) + row) * RANK + i] ?? Number.NaN;
    const k = (i: number) => at(Math.floor(i / (RANK * NOPE)), i % NOPE, Math.floor(i / NOPE) % RANK);
    const v = (i: number) => at(Math.floor(i / (VALUE * RANK)), NOPE + (Math.floor(i / RANK) % VALUE), i % RANK);
    const shape = (height: number, width: number) => (nAxes === 3 ? [N_HEAD, height, width] : [N_HEAD * height, width]);
    out.push(tensorOf(`${layer}attn_k_b.weight`, 'f32', shape(RANK, NOPE), k));
    out.push(tensorOf(`${layer}attn_v_b.weight`, 'f32', shape(VALUE, RANK), v));
    if (nAxes === 2) out.push(tensor);
  }
  return out;
};

/** Each expert's gate and up one below the other in one tensor, in the stored type. */
const merged = async (file: WeightSource) => {
  const out: TensorToWrite[] = [];
  for (const tensor of file.tensors.values()) {
    const [, layer] = /^(.*)ffn_gate_exps\.weight$/.exec(tensor.name) ?? [];
    const up = layer === undefined ? undefined : file.tensors.get(`${layer}ffn_up_exps.weight`);
    if (!up) {
      if (!tensor.name.endsWith('ffn_up_exps.weight')) out.push(tensor);
      continue;
    }
    const [nExpert = 0, nFf = 0, nEmbd = 0] = tensor.shape;
    const parts: Uint8Array[] = [];
    for (let e = 0; e < nExpert; e++) {
      const rows = { from: e * nFf, to: (e + 1) * nFf };
      parts.push(await tensor.read(rows), await up.read(rows));
    }
    const shape = [nExpert, 2 * nFf, nEmbd];
    out.push({
      name: `${layer}ffn_gate_up_exps.weight`,
      type: tensor.type,
      shape,
      read: async () => Buffer.concat(parts),
    });
  }
  return out;
};

const layouts = [
  { layout: 'keys and values in two tensors', change: apart(3) },
  { layout: 'all three tensors, with two axes', change: apart(2) },
  { layout: 'gates and ups of experts in one tensor', change: merged },
] as const;

describe.each(['v2lite-q8_0', 'v3-groups-q8_0'])('%s written again', (base) => {
  it.each(layouts)('with $layout gives the same logits', async ({ layout, change }) => {
    const path = await rewritten(`${base} ${layout}`, base, change);
    for (const graph of ['decoder', 'expanded']) {
      const arithmetic = { compute: 'f32', fused: true, graph } as const;
      const logits = await withDecoder(path, arithmetic, (decoder) => inPieces(decoder, idsOf(base), [24]));
      expect(nmse(logits, logitsOf(base, 'exact')), graph).toBeLessThanOrEqual(EXACT);
    }
  });
});

describe('stories260K with its feed-forward layers cut into experts', () => {
  const path = sharedData('deepseek/stories260K-moe.gguf', 'the trained model with experts');
  const greedy = sharedData('llama/stories260K.greedy.json', 'the trained model with experts');
  const caseOf = (i: number): { readonly prompt_ids: number[]; readonly ids: number[] } =>
    JSON.parse(readFileSync(greedy ?? '', 'utf8')).cases[i];
  it.skipIf(!path || !greedy).each([0, 1, 2])(
    'goes on from prompt %i with the 200 tokens of the dense model',
    async (i) => {
      const c = caseOf(i);
      await withDecoder(path ?? '', { compute: 'block', fused: true }, async (decoder) => {
        const written: number[] = [];
        let [tokens, pos] = [c.prompt_ids, 0];
        while (written.length < c.ids.length) {
          const logits = await decoder.last(tokens, pos);
          pos += tokens.length;
          tokens = topOfRows(logits, decoder.nVocab);
          written.push(...tokens);
        }
        expect(written).toEqual(c.ids);
      });
    },
  );
});
