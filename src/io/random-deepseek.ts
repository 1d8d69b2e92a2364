/** The shape of a DeepSeek-V2 model as random weights, complete enough for llama.cpp to load. */
import { fillerVocabulary, mixed, type RandomModel, type RandomTensor } from './random.ts';

/** The sizes of a model of architecture `deepseek2` without a query rank. */
export interface Deepseek2Shape {
  readonly nLayer: number;
  /** Layers at the beginning that have no experts. */
  readonly nLayerDense: number;
  readonly nEmbd: number;
  readonly nHead: number;
  readonly nNope: number;
  readonly nRot: number;
  readonly nValue: number;
  readonly kvLoraRank: number;
  readonly nFf: number;
  readonly nFfExpert: number;
  readonly nExpert: number;
  readonly nExpertUsed: number;
  readonly nShared: number;
  readonly nVocab: number;
  readonly nCtx: number;
  /** Of the matrices, or the mixture of their types: 'q4_0', 'q4_k_m'; norms and routers are f32. */
  readonly type: string;
}

/** DeepSeek-V2-Lite without its type. */
export const v2Lite: Omit<Deepseek2Shape, 'type'> = {
  nLayer: 27,
  nLayerDense: 1,
  nEmbd: 2048,
  nHead: 16,
  nNope: 128,
  nRot: 64,
  nValue: 128,
  kvLoraRank: 512,
  nFf: 10944,
  nFfExpert: 1408,
  nExpert: 64,
  nExpertUsed: 6,
  nShared: 2,
  nVocab: 102400,
  nCtx: 8192,
};

/** The same cut to 4 of its layers. */
export const v2LiteCut: Omit<Deepseek2Shape, 'type'> = { ...v2Lite, nLayer: 4 };

/** Metadata and tensors as llama.cpp's converter writes them today, keys and values in two tensors. */
export const deepseek2Shape = (s: Deepseek2Shape): RandomModel => {
  const tensor = (name: string, ...shape: number[]): RandomTensor => ({ name, shape, type: s.type });
  const exact = (name: string, ...shape: number[]): RandomTensor => ({ name, shape, type: 'f32' });
  const layer = (il: number): RandomTensor[] => {
    const at = `blk.${il}.`;
    return [
      exact(`${at}attn_norm.weight`, s.nEmbd),
      tensor(`${at}attn_q.weight`, s.nHead * (s.nNope + s.nRot), s.nEmbd),
      tensor(`${at}attn_kv_a_mqa.weight`, s.kvLoraRank + s.nRot, s.nEmbd),
      exact(`${at}attn_kv_a_norm.weight`, s.kvLoraRank),
      tensor(`${at}attn_k_b.weight`, s.nHead, s.kvLoraRank, s.nNope),
      tensor(`${at}attn_v_b.weight`, s.nHead, s.nValue, s.kvLoraRank),
      tensor(`${at}attn_output.weight`, s.nEmbd, s.nHead * s.nValue),
      exact(`${at}ffn_norm.weight`, s.nEmbd),
      ...(il < s.nLayerDense ? gated(at, '', s.nFf) : experts(at)),
    ];
  };
  const gated = (at: string, suffix: string, nFf: number): RandomTensor[] => [
    tensor(`${at}ffn_gate${suffix}.weight`, nFf, s.nEmbd),
    tensor(`${at}ffn_up${suffix}.weight`, nFf, s.nEmbd),
    tensor(`${at}ffn_down${suffix}.weight`, s.nEmbd, nFf),
  ];
  const experts = (at: string): RandomTensor[] => [
    exact(`${at}ffn_gate_inp.weight`, s.nExpert, s.nEmbd),
    tensor(`${at}ffn_gate_exps.weight`, s.nExpert, s.nFfExpert, s.nEmbd),
    tensor(`${at}ffn_up_exps.weight`, s.nExpert, s.nFfExpert, s.nEmbd),
    tensor(`${at}ffn_down_exps.weight`, s.nExpert, s.nEmbd, s.nFfExpert),
    ...gated(at, '_shexp', s.nShared * s.nFfExpert),
  ];
  const u32 = (value: number) => ({ type: 'u32', value }) as const;
  const f32 = (value: number) => ({ type: 'f32', value }) as const;
  return {
    metadata: {
      'general.architecture': { type: 'string', value: 'deepseek2' },
      'general.name': { type: 'string', value: 'random' },
      'general.quantization_version': u32(2),
      'deepseek2.context_length': u32(s.nCtx),
      'deepseek2.embedding_length': u32(s.nEmbd),
      'deepseek2.block_count': u32(s.nLayer),
      'deepseek2.feed_forward_length': u32(s.nFf),
      'deepseek2.attention.head_count': u32(s.nHead),
      'deepseek2.attention.head_count_kv': u32(1),
      'deepseek2.attention.layer_norm_rms_epsilon': f32(1e-6),
      'deepseek2.attention.q_lora_rank': u32(0),
      'deepseek2.attention.kv_lora_rank': u32(s.kvLoraRank),
      'deepseek2.attention.key_length': u32(s.kvLoraRank + s.nRot),
      'deepseek2.attention.value_length': u32(s.kvLoraRank),
      'deepseek2.attention.key_length_mla': u32(s.nNope + s.nRot),
      'deepseek2.attention.value_length_mla': u32(s.nValue),
      'deepseek2.rope.dimension_count': u32(s.nRot),
      'deepseek2.rope.freq_base': f32(10_000),
      'deepseek2.rope.scaling.type': { type: 'string', value: 'yarn' },
      'deepseek2.rope.scaling.factor': f32(40),
      'deepseek2.rope.scaling.original_context_length': u32(4096),
      'deepseek2.rope.scaling.yarn_log_multiplier': f32(0.0707),
      'deepseek2.leading_dense_block_count': u32(s.nLayerDense),
      'deepseek2.expert_count': u32(s.nExpert),
      'deepseek2.expert_used_count': u32(s.nExpertUsed),
      'deepseek2.expert_shared_count': u32(s.nShared),
      'deepseek2.expert_feed_forward_length': u32(s.nFfExpert),
      'deepseek2.expert_weights_scale': f32(1),
      'deepseek2.expert_weights_norm': { type: 'bool', value: false },
      'deepseek2.expert_gating_func': u32(1),
      'deepseek2.vocab_size': u32(s.nVocab),
      ...fillerVocabulary(s.nVocab),
    },
    tensors: mixed(
      s.type,
      [
        tensor('token_embd.weight', s.nVocab, s.nEmbd),
        ...Array.from({ length: s.nLayer }, (_, il) => layer(il)).flat(),
        exact('output_norm.weight', s.nEmbd),
        tensor('output.weight', s.nVocab, s.nEmbd),
      ],
      s.nExpert,
    ),
  };
};
