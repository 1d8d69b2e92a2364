/** Experts against plain loops: which are chosen, how they are weighed, and what they say together. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type MoeOptions, moe } from '../src/graph/blocks/moe.ts';
import { GraphBuilder } from '../src/graph/builder.ts';
import type { HostTensor } from '../src/graph/device/engine.ts';
import { openSession } from '../src/graph/device/session.ts';
import { lower } from '../src/graph/lower/lower.ts';
import type { Compute } from '../src/graph/lower/target.ts';
import { limitGroups, topK } from '../src/graph/ops/select.ts';
import { type StoredTensor, type WeightRef, Weights } from '../src/graph/weights.ts';
import { noise, weight as typedWeight } from './cpu.ts';
import { nmse, scratch } from './fixtures.ts';

/** Numbers from 0 to 1, the same in every run: Park & Miller 1988. */
const random = (seed: number) => () => {
  seed = (seed * 48271) % 2147483647;
  return seed / 2147483647;
};

/** A weight of these values. */
const weight = (name: string, shape: readonly number[], values: Float32Array): WeightRef => {
  const width = shape.at(-1) ?? 1;
  const rowsOf = (from = 0, to = values.length / width) => values.slice(from * width, to * width);
  const tensor: StoredTensor = {
    name,
    type: 'f32',
    shape,
    byteLength: values.byteLength,
    read: async (rows) => new Uint8Array(rowsOf(rows?.from, rows?.to).buffer),
    decode: async (rows) => rowsOf(rows?.from, rows?.to),
  };
  return new Weights({ metadata: new Map(), tensors: new Map([[name, tensor]]) }).tensor(name, shape);
};

const cpu = { provider: 'cpu', index: 0, name: 'processor', state: { kind: 'available' } } as const;

/** Runs a graph of one input `x` once on the CPU, with fused kernels or without. */
const run = async (build: (g: GraphBuilder) => void, x: HostTensor, fused: boolean, compute: Compute = 'f32') => {
  const g = new GraphBuilder('test');
  build(g);
  const program = lower(g.build(), { provider: 'cpu', compute, fused }, {});
  const session = await openSession(program, cpu, { threads: 1, cacheFolder: join(scratch, 'cache') });
  try {
    return await session.run({ x });
  } finally {
    await session.close();
  }
};

const f32 = (dims: readonly number[], data: Float32Array): HostTensor => ({ dtype: 'f32', dims, data });

/** The k best of these, the first of equals first. */
const best = (values: readonly number[], k: number): number[] =>
  values
    .map((value, i) => ({ value, i }))
    .sort((a, b) => b.value - a.value || a.i - b.i)
    .slice(0, k)
    .map(({ i }) => i);

interface Groups {
  readonly nGroup: number;
  readonly nGroupUsed: number;
}

/** DeepSeek-V3's choice, section 2.1.2, in plain loops. */
const chosenOf = (scores: readonly number[], nUsed: number, { nGroup, nGroupUsed }: Groups): number[] => {
  const width = scores.length / nGroup;
  const worth = Array.from({ length: nGroup }, (_, group) => {
    const [first = 0, second = 0] = [...scores.slice(group * width, (group + 1) * width)].sort((a, b) => b - a);
    return first + second;
  });
  const open = best(worth, nGroupUsed);
  const limited = scores.map((score, i) => (open.includes(Math.floor(i / width)) ? score : Number.NEGATIVE_INFINITY));
  return best(limited, nUsed);
};

describe('group-limited routing', () => {
  it.each([
    { nExpert: 8, nUsed: 3, nGroup: 4, nGroupUsed: 2 },
    { nExpert: 16, nUsed: 4, nGroup: 4, nGroupUsed: 1 },
    { nExpert: 32, nUsed: 8, nGroup: 8, nGroupUsed: 4 },
    { nExpert: 6, nUsed: 2, nGroup: 6, nGroupUsed: 3 },
  ])(
    'chooses as plain loops do over 1,000 tokens with ties: $nUsed of $nExpert, $nGroupUsed of $nGroup groups',
    async ({ nExpert, nUsed, ...groups }) => {
      // Six values for all: nearly every token has ties within its groups and between them.
      const next = random(nExpert);
      const scores = Float32Array.from({ length: 1000 * nExpert }, () => Math.floor(6 * next()) / 8);
      const build = (g: GraphBuilder) => {
        const x = g.input('x', 'f32', ['nToken', nExpert]);
        g.output('chosen', topK(g, limitGroups(g, x, groups.nGroup, groups.nGroupUsed), nUsed));
      };
      const { chosen } = await run(build, f32([1000, nExpert], scores), true);
      for (let token = 0; token < 1000; token++) {
        const row = [...scores.subarray(token * nExpert, (token + 1) * nExpert)];
        const came = [...(chosen?.data.slice(token * nUsed, (token + 1) * nUsed) ?? [])].map(Number);
        expect(came, `scores ${row}`).toEqual(chosenOf(row, nUsed, groups));
      }
    },
  );
});

const [N_TOKEN, N_EXPERT, N_EMBD, N_FF] = [9, 8, 12, 10];

type Routing = Pick<MoeOptions, 'nExpertUsed' | 'gating' | 'normalise' | 'scale' | 'groups'> & {
  readonly bias?: readonly number[];
};

const plain = { gating: 'softmax', normalise: false, scale: 1 } as const;

const probabilities = (scores: readonly number[], gating: Routing['gating']): number[] => {
  if (gating === 'sigmoid') return scores.map((x) => 1 / (1 + Math.exp(-x)));
  const total = scores.reduce((sum, x) => sum + Math.exp(x), 0);
  return scores.map((x) => Math.exp(x) / total);
};

/** The parts of an expert layer with random weights, and what plain loops say of them. */
const layer = (routing: Routing) => {
  const next = random(routing.nExpertUsed);
  const values = (n: number) => Float32Array.from({ length: n }, () => 2 * next() - 1);
  const [gate, up, down] = [0, 1, 2].map(() => values(N_EXPERT * N_FF * N_EMBD)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const router = values(N_EXPERT * N_EMBD);
  const x = values(N_TOKEN * N_EMBD);
  const product = (w: Float32Array, from: number, row: readonly number[], nOut: number): number[] =>
    Array.from({ length: nOut }, (_, o) => row.reduce((sum, v, i) => sum + v * (w[from + o * row.length + i] ?? 0), 0));
  const expert = (e: number, row: readonly number[]): number[] => {
    const g = product(gate, e * N_FF * N_EMBD, row, N_FF);
    const u = product(up, e * N_FF * N_EMBD, row, N_FF);
    const inner = g.map((v, i) => (v / (1 + Math.exp(-v))) * (u[i] ?? 0));
    return product(down, e * N_EMBD * N_FF, inner, N_EMBD);
  };
  const said = Float32Array.from(
    Array.from({ length: N_TOKEN }, (_, token) => {
      const row = [...x.subarray(token * N_EMBD, (token + 1) * N_EMBD)];
      const p = probabilities(product(router, 0, row, N_EXPERT), routing.gating);
      const biased = p.map((v, i) => v + (routing.bias?.[i] ?? 0));
      const chosen = chosenOf(biased, routing.nExpertUsed, routing.groups ?? { nGroup: 1, nGroupUsed: 1 });
      const total = routing.normalise ? chosen.reduce((sum, e) => sum + (p[e] ?? 0), 0) : 1;
      const out = new Array<number>(N_EMBD).fill(0);
      for (const e of chosen)
        expert(e, row).forEach((v, i) => {
          out[i] = (out[i] ?? 0) + (v * routing.scale * (p[e] ?? 0)) / total;
        });
      return out;
    }).flat(),
  );
  const m: MoeOptions = {
    router: { weight: weight('router.weight', [N_EXPERT, N_EMBD], router) },
    gate: weight('gate', [N_EXPERT, N_FF, N_EMBD], gate),
    up: weight('up', [N_EXPERT, N_FF, N_EMBD], up),
    down: weight('down', [N_EXPERT, N_EMBD, N_FF], down),
    ...routing,
    ...(routing.bias && { selectionBias: weight('bias', [N_EXPERT], Float32Array.from(routing.bias)) }),
  };
  return { m, x, said };
};

describe.each([true, false])('a layer of experts (fused kernels %s)', (fused) => {
  it.each<{ which: string; routing: Routing }>([
    { which: 'one of its experts', routing: { ...plain, nExpertUsed: 1 } },
    { which: 'some of them', routing: { ...plain, nExpertUsed: 3 } },
    { which: 'all of them, a dense sum', routing: { ...plain, nExpertUsed: N_EXPERT } },
    { which: 'weights made to sum to 1', routing: { ...plain, nExpertUsed: 2, normalise: true } },
    {
      which: 'the sigmoid, a bias, groups and a scale',
      routing: {
        gating: 'sigmoid',
        nExpertUsed: 3,
        bias: [0.4, -0.1, 0, 0.2, -0.3, 0.1, 0.3, -0.2],
        groups: { nGroup: 4, nGroupUsed: 2 },
        normalise: true,
        scale: 2.5,
      },
    },
  ])('says what plain loops say with $which', async ({ routing }) => {
    const { m, x, said } = layer(routing);
    const build = (g: GraphBuilder) => g.output('y', moe(g, g.input('x', 'f32', ['B', 'T', N_EMBD]), m));
    for (const nToken of [N_TOKEN, 1]) {
      const tokens = x.subarray(0, nToken * N_EMBD);
      const { y } = await run(build, f32([1, nToken, N_EMBD], tokens), fused);
      expect(nmse(y?.data as Float32Array, said.subarray(0, nToken * N_EMBD))).toBeLessThan(1e-12);
    }
  });
});

it('layers of experts one after the other say with fused kernels what they say without, whoever is chosen', async () => {
  const { m, x } = layer({ ...plain, nExpertUsed: 1, normalise: true });
  const build = (g: GraphBuilder) => {
    let y = g.input('x', 'f32', ['B', 'T', N_EMBD]);
    for (let il = 0; il < 4; il++) y = moe(g, y, m);
    g.output('y', y);
  };
  for (const nToken of [1, 2, 3, 5]) {
    const tokens = f32([1, nToken, N_EMBD], x.subarray(0, nToken * N_EMBD));
    const [apart, fused] = [await run(build, tokens, false), await run(build, tokens, true)];
    expect(nmse(fused.y?.data as Float32Array, apart.y?.data as Float32Array)).toBeLessThan(1e-12);
  }
});

describe('experts of any stored type', () => {
  const [nExpert, width] = [4, 256];
  const next = random(7);
  const x = Float32Array.from({ length: 6 * width }, () => 2 * next() - 1);
  const stored = (name: string, type: string): WeightRef =>
    typedWeight(name, noise([nExpert, width, width], name.length), type);

  it.each(['q4_k', 'q5_k', 'q6_k', 'q4_1', 'q5_0', 'q8_0', 'f16'])(
    'of %s say in blocks what they say in float32',
    async (type) => {
      const m: MoeOptions = {
        ...plain,
        router: { weight: weight('router.weight', [nExpert, width], x.slice(0, nExpert * width)) },
        gate: stored('gate', type),
        up: stored('up', type),
        // Mixtures give the down matrices another type.
        down: stored('down', type === 'q4_k' ? 'q6_k' : type),
        nExpertUsed: 2,
      };
      const build = (g: GraphBuilder) => g.output('y', moe(g, g.input('x', 'f32', ['B', 'T', width]), m));
      // One token: most experts of a branch that runs have no rows.
      const token = f32([1, 1, width], x.subarray(0, width));
      const exact = (await run(build, token, true)).y?.data as Float32Array;
      const rounded = (await run(build, token, true, 'block')).y?.data as Float32Array;
      expect(nmse(rounded, exact)).toBeLessThan(1e-3);
    },
  );
});
