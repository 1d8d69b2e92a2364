/** Published models, built from what their headers say: every weight is used once, and they add up to the size on record. */
import { describe, expect, it } from 'vitest';
import { buildDecoder } from '../../src/commands/text/open.ts';
import { WEIGHT } from '../../src/graph/ops/leaves.ts';
import type { MetadataValue, StoredTensor, WeightRef, WeightSource } from '../../src/graph/weights.ts';

/** As the configuration of the original model has it. */
interface Published {
  readonly arch: 'llama' | 'qwen2' | 'qwen3';
  readonly nVocab: number;
  readonly nEmbd: number;
  readonly nLayer: number;
  readonly nHead: number;
  readonly nHeadKv: number;
  readonly nFf: number;
  readonly headDim?: number;
  readonly nExpert?: number;
  readonly isTied?: boolean;
}

const neverRead = async (): Promise<never> => {
  throw new Error('a graph is built from the header alone');
};

const stored = (name: string, ...shape: number[]): [string, StoredTensor] => [
  name,
  { name, type: 'f16', shape, byteLength: 2 * shape.reduce((a, b) => a * b), read: neverRead, decode: neverRead },
];

/** The header of such a file, as llama.cpp's converter writes it, without any bytes of weights. */
const header = (p: Published): WeightSource => {
  const headDim = p.headDim ?? p.nEmbd / p.nHead;
  const [nQ, nKv] = [p.nHead * headDim, p.nHeadKv * headDim];
  const layer = (blk: string) => [
    stored(`${blk}.attn_norm.weight`, p.nEmbd),
    stored(`${blk}.attn_q.weight`, nQ, p.nEmbd),
    stored(`${blk}.attn_k.weight`, nKv, p.nEmbd),
    stored(`${blk}.attn_v.weight`, nKv, p.nEmbd),
    stored(`${blk}.attn_output.weight`, p.nEmbd, nQ),
    ...(p.arch === 'qwen2'
      ? [stored(`${blk}.attn_q.bias`, nQ), stored(`${blk}.attn_k.bias`, nKv), stored(`${blk}.attn_v.bias`, nKv)]
      : []),
    ...(p.arch === 'qwen3'
      ? [stored(`${blk}.attn_q_norm.weight`, headDim), stored(`${blk}.attn_k_norm.weight`, headDim)]
      : []),
    stored(`${blk}.ffn_norm.weight`, p.nEmbd),
    ...(p.nExpert === undefined
      ? [
          stored(`${blk}.ffn_gate.weight`, p.nFf, p.nEmbd),
          stored(`${blk}.ffn_up.weight`, p.nFf, p.nEmbd),
          stored(`${blk}.ffn_down.weight`, p.nEmbd, p.nFf),
        ]
      : [
          stored(`${blk}.ffn_gate_inp.weight`, p.nExpert, p.nEmbd),
          stored(`${blk}.ffn_gate_exps.weight`, p.nExpert, p.nFf, p.nEmbd),
          stored(`${blk}.ffn_up_exps.weight`, p.nExpert, p.nFf, p.nEmbd),
          stored(`${blk}.ffn_down_exps.weight`, p.nExpert, p.nEmbd, p.nFf),
        ]),
  ];
  const keys: Readonly<Record<string, MetadataValue>> = {
    vocab_size: p.nVocab,
    context_length: 2048,
    embedding_length: p.nEmbd,
    block_count: p.nLayer,
    feed_forward_length: p.nFf,
    'attention.head_count': p.nHead,
    'attention.head_count_kv': p.nHeadKv,
    'attention.layer_norm_rms_epsilon': 1e-5,
    ...(p.headDim !== undefined && { 'attention.key_length': p.headDim, 'attention.value_length': p.headDim }),
    ...(p.nExpert !== undefined && { expert_count: p.nExpert, expert_used_count: 2 }),
  };
  return {
    metadata: new Map<string, MetadataValue>([
      ['general.architecture', p.arch],
      ...Object.entries(keys).map(([key, value]): [string, MetadataValue] => [`${p.arch}.${key}`, value]),
    ]),
    tensors: new Map([
      stored('token_embd.weight', p.nVocab, p.nEmbd),
      ...Array.from({ length: p.nLayer }, (_, il) => layer(`blk.${il}`)).flat(),
      stored('output_norm.weight', p.nEmbd),
      ...(p.isTied ? [] : [stored('output.weight', p.nVocab, p.nEmbd)]),
    ]),
  };
};

const llama = { arch: 'llama', nVocab: 32000 } as const;

/** Sizes are those that the publishers' own files add up to. */
const models: readonly [name: string, nParameter: number, published: Published][] = [
  ['Llama 2 7B', 6_738_415_616, { ...llama, nEmbd: 4096, nLayer: 32, nHead: 32, nHeadKv: 32, nFf: 11008 }],
  ['TinyLlama 1.1B', 1_100_048_384, { ...llama, nEmbd: 2048, nLayer: 22, nHead: 32, nHeadKv: 4, nFf: 5632 }],
  [
    'Llama 3 8B',
    8_030_261_248,
    { arch: 'llama', nVocab: 128256, nEmbd: 4096, nLayer: 32, nHead: 32, nHeadKv: 8, nFf: 14336 },
  ],
  ['Mistral 7B', 7_241_732_096, { ...llama, nEmbd: 4096, nLayer: 32, nHead: 32, nHeadKv: 8, nFf: 14336 }],
  [
    'Mixtral 8x7B',
    46_702_792_704,
    { ...llama, nEmbd: 4096, nLayer: 32, nHead: 32, nHeadKv: 8, nFf: 14336, nExpert: 8 },
  ],
  [
    'Qwen2 0.5B',
    494_032_768,
    { arch: 'qwen2', nVocab: 151936, nEmbd: 896, nLayer: 24, nHead: 14, nHeadKv: 2, nFf: 4864, isTied: true },
  ],
  [
    'Qwen3 0.6B',
    596_049_920,
    {
      arch: 'qwen3',
      nVocab: 151936,
      nEmbd: 1024,
      nLayer: 28,
      nHead: 16,
      nHeadKv: 8,
      nFf: 3072,
      headDim: 128,
      isTied: true,
    },
  ],
];

describe('a graph built from the header of', () => {
  it.each(models)('%s has its %d parameters', (_, nParameter, published) => {
    const { graph } = buildDecoder(header(published));
    const used = new Map<string, readonly number[]>();
    for (const node of graph.nodes) {
      if (node.op.name !== WEIGHT.name) continue;
      const { tensor } = node.attrs as WeightRef;
      used.set(tensor.name, tensor.shape);
    }
    expect([...used.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b), 0)).toBe(nParameter);
  });
});
