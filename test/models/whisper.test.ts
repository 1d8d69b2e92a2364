/** Whisper's four graphs against float64 on the same weights, and against whisper.cpp. */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, HostTensor } from '../../src/graph/device/engine.ts';
import { fixture, nmse } from '../fixtures.ts';
import { sharedData } from '../shared-data.ts';
import type { Graphs } from './speech.ts';
import { melWindow, openGraphs, samplesOf, stacked, textInputs } from './speech.ts';

interface Section {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
}

interface Reference {
  readonly rows: readonly number[];
  readonly cross_rows: readonly number[];
  readonly files: Readonly<Record<string, readonly Section[]>>;
}

const about = JSON.parse(readFileSync(fixture('whisper/whisper-nano.json'), 'utf8')) as {
  readonly tokens: readonly number[];
  readonly models: Readonly<Record<string, Reference>>;
};

/** The first type is in the repository. */
const types = ['q4_0', 'f32', 'f16', 'q4_1', 'q5_0', 'q5_1', 'q8_0'] as const;
const shared = sharedData('whisper', 'Whisper in every type');
const pathOf = (name: string): string =>
  existsSync(new URL(`../fixtures/whisper/${name}.br`, import.meta.url))
    ? fixture(`whisper/${name}`)
    : `${shared}/${name}`;

const jfk = await samplesOf(fixture('audio/jfk.wav'));

/** Everything that the graphs make of the recording's first window, by the names of the references' sections. */
const everything = async (graphs: Graphs, { rows, cross_rows }: Reference) => {
  const { h, engine } = graphs;
  const { embd_conv } = await (await engine('conv')).run({ mel: melWindow(graphs, jfk) });
  const { embd_enc } = await (await engine('encoder')).run({ embd_conv: embd_conv! });
  const heard = await (await engine('cross')).run({ embd_enc: embd_enc! });
  const decoder = await engine('decoder');
  decoder.hold(heard);
  const { logits } = await decoder.run(textInputs([about.tokens], 0));
  const rowsOf = ({ data, dims }: HostTensor, chosen: readonly number[]) =>
    chosen.flatMap((row) => [...(data as Float32Array).subarray(row * dims[2]!, (row + 1) * dims[2]!)]);
  // `[1, nHead, nCtx, d]` as rows of all heads side by side.
  const headsOf = ({ data, dims }: HostTensor, chosen: readonly number[]) => {
    const [, nHead, nCtx, d] = dims as [number, number, number, number];
    const at = (head: number, row: number) => (head * nCtx + row) * d;
    return chosen.flatMap((row) =>
      Array.from({ length: nHead }, (_, head) => [
        ...(data as Float32Array).subarray(at(head, row), at(head, row) + d),
      ]).flat(),
    );
  };
  const layers = Array.from({ length: h.text.nLayer }, (_, il) => il);
  return {
    embd_conv: rowsOf(embd_conv!, rows),
    encoder: rowsOf(embd_enc!, rows),
    cross_k: layers.flatMap((il) => headsOf(heard[`cross_k.${il}`]!, cross_rows)),
    cross_v: layers.flatMap((il) => headsOf(heard[`cross_v.${il}`]!, cross_rows)),
    logits: [...(logits!.data as Float32Array)],
  };
};

describe('what Whisper hears and would say', () => {
  const given = shared ? types : (['q4_0'] as const);
  const cases = given.flatMap((type) => [true, false].map((fused) => ({ type, fused })));
  it.each(cases)(
    'is what float64 computes from $type (fused: $fused), and near whisper.cpp',
    async ({ type, fused }) => {
      const name = `whisper-nano-${type}`;
      const reference = about.models[`${name}.bin`]!;
      const graphs = await openGraphs(pathOf(`${name}.bin`), { fused, nSeq: 1 });
      const ours: Readonly<Record<string, readonly number[]>> = await everything(graphs, reference);
      await graphs.close();
      // whisper.cpp rounds the activations of quantised products to 8 bits.
      const nearness = type === 'f32' || type === 'f16' ? 1e-5 : 5e-4;
      for (const [kind, most] of [
        ['exact', 1e-9],
        ['cpp', nearness],
      ] as const) {
        const bytes = readFileSync(pathOf(`${name}.${kind}.bin`));
        const sections = reference.files[`${name}.${kind}.bin`]!;
        expect(sections.length).toBeGreaterThan(3);
        for (const { name: section, shape, offset } of sections) {
          const size = shape.reduce((a, b) => a * b, 1);
          const expected = new Float32Array(new Uint8Array(bytes.subarray(offset, offset + 4 * size)).buffer);
          expect(nmse(Float32Array.from(ours[section]!), expected), `${section} of ${kind}`).toBeLessThanOrEqual(most);
        }
      }
    },
  );
});

describe.each([true, false])("Whisper's decoder (fused: %s)", (fused) => {
  let graphs: Graphs;
  let decoder: Engine;
  /** Keys and values of two windows. */
  let heard: readonly Record<string, HostTensor>[];
  const start = about.tokens.slice(0, 4);
  const logitsOf = async (texts: readonly (readonly number[])[], pos: number, parents?: readonly number[]) => {
    const nToken = texts[0]!.length;
    const last = texts.map((_, s) => (s + 1) * nToken - 1);
    const { logits } = await decoder.run(textInputs(texts, pos, last), parents && { parents });
    const { data, dims } = logits!;
    return texts.map((_, s) => (data as Float32Array).slice(s * dims[1]!, (s + 1) * dims[1]!));
  };

  beforeAll(async () => {
    graphs = await openGraphs(pathOf('whisper-nano-q4_0.bin'), { fused, nSeq: 4 });
    const [conv, encoder, cross] = [
      await graphs.engine('conv'),
      await graphs.engine('encoder'),
      await graphs.engine('cross'),
    ];
    const hear = async (from: number) => {
      const { embd_conv } = await conv.run({ mel: melWindow(graphs, jfk, from) });
      const { embd_enc } = await encoder.run({ embd_conv: embd_conv! });
      return cross.run({ embd_enc: embd_enc! });
    };
    heard = [await hear(0), await hear(300)];
    decoder = await graphs.engine('decoder');
    decoder.hold(heard[0]!);
  });
  afterAll(() => graphs.close());

  it('gives the same logits in steps as at once', async () => {
    const [whole] = await logitsOf([about.tokens], 0);
    await logitsOf([start], 0);
    const [stepped] = await logitsOf([about.tokens.slice(4)], 4);
    expect(nmse(stepped!, whole!)).toBeLessThan(1e-10);
  });

  it('decodes several texts of one window together as one by one', async () => {
    const next = [5, 99, 260];
    await logitsOf([start], 0);
    const together = await logitsOf(
      next.map((id) => [id]),
      4,
      [0, 0, 0],
    );
    const further = await logitsOf([[7], [8]], 5, [2, 0]);
    for (const [s, id] of next.entries()) {
      const [alone] = await logitsOf([[...start, id]], 0);
      expect(nmse(together[s]!, alone!)).toBeLessThan(1e-10);
    }
    const [first] = await logitsOf([[...start, 260, 7]], 0);
    const [second] = await logitsOf([[...start, 5, 8]], 0);
    expect(nmse(further[0]!, first!)).toBeLessThan(1e-10);
    expect(nmse(further[1]!, second!)).toBeLessThan(1e-10);
  });

  it('decodes two windows together as apart', async () => {
    const names = Object.keys(heard[0]!);
    decoder.hold(Object.fromEntries(names.map((name) => [name, stacked(heard.map((one) => one[name]!))])));
    const together = await logitsOf([start, start], 0);
    for (const [i, one] of heard.entries()) {
      decoder.hold(one);
      const [alone] = await logitsOf([start], 0);
      expect(nmse(together[i]!, alone!)).toBeLessThan(1e-10);
    }
    expect(nmse(together[0]!, together[1]!)).toBeGreaterThan(1e-6);
    decoder.hold(heard[0]!);
  });

  it('refuses more texts than its cache was made for', async () => {
    await expect(logitsOf([[1], [2], [3], [4], [5]], 0)).rejects.toThrow('5 sequences in a session for 4');
  });

  it('says how much each token looks at each moment', async () => {
    const alignment = await graphs.engine('alignment');
    const { outIds: _, ...text } = textInputs([about.tokens], 0);
    const looks = Object.values(await alignment.run({ ...heard[0]!, ...text }));
    expect(looks.map(({ dims }) => dims)).toEqual([[1, 2, about.tokens.length, graphs.h.audio.nCtx]]);
    const row = (looks[0]!.data as Float32Array).subarray(0, graphs.h.audio.nCtx);
    expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
  });
});

it('A shorter audio context hears the first positions only', async () => {
  const graphs = await openGraphs(pathOf('whisper-nano-q4_0.bin'), { fused: true, nSeq: 1, audioCtx: 100 });
  const { embd_conv } = await (await graphs.engine('conv')).run({ mel: melWindow(graphs, jfk) });
  const { embd_enc } = await (await graphs.engine('encoder')).run({ embd_conv: embd_conv! });
  await graphs.close();
  expect(embd_enc!.dims).toEqual([1, 100, 64]);
  expect(Number.isFinite((embd_enc!.data as Float32Array)[0])).toBe(true);
});
