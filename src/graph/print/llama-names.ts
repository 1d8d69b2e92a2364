/** What llama.cpp calls the tensors that our text models compute too, so that two dumps can be laid side by side. */
import type { Graph } from '../graph.ts';
import { WEIGHT } from '../ops/leaves.ts';
import type { Tensor } from '../tensor.ts';

export interface LlamaName {
  /** 'ffn_out-3'. */
  readonly name: string;
  /** ggml's operation: 'MUL_MAT'. */
  readonly op: string;
}

/**
 * By the innermost block and what is computed there: a weight's name, or an operation where there is none. Several
 * names are for the first, the second, ... of a layer; '' is for what llama.cpp computes otherwise:
 * - a norm's division and its weight are two tensors there; ours is the second.
 * - it stores rows of keys and values in other orders, pads keys to 32, and shows scores and softmax apart.
 * - heads are views there, here operations of their own.
 * - latent keys and values come from one product there; here the parts of its weight are used apart.
 * - experts' rows are `[nToken, nExpertUsed]` there and a list here, which says the same in another shape.
 */
const names: Readonly<Record<string, readonly string[]>> = {
  'rows:token_embd': ['inp_embd GET_ROWS'],
  'norm:attn_norm': ['attn_norm MUL'],
  'attention:attn_q': ['Qcur MUL_MAT'],
  'attention:rope': ['Qcur ROPE'],
  'keyValue:attn_k': ['Kcur MUL_MAT'],
  'keyValue:rope': ['Kcur ROPE'],
  'keyValue:attn_v': ['Vcur MUL_MAT'],
  'attention:attend_causal': ['kqv MUL_MAT'],
  'attention:merge_heads': ['kqv_merged_cont CONT'],
  'attention:attn_output': ['kqv_out MUL_MAT'],
  'mla:attn_q': ['q MUL_MAT'],
  'mla:attn_q_a': ['q MUL_MAT'],
  'norm:attn_q_a_norm': ['q MUL'],
  'mla:attn_q_b': ['q MUL_MAT'],
  'mla:attn_kv_a_mqa': ['kv_pe_compresseed MUL_MAT'],
  'norm:attn_kv_a_norm': ['kv_compressed MUL'],
  'mla:rope': ['q_pe ROPE', 'k_pe ROPE'],
  'mla:concat': ['q_states CONCAT', 'k_states CONCAT'],
  'mla:attn_kv_b': ['', 'v_states CONT'],
  'mla:attend_causal': ['kqv MUL_MAT'],
  'mla:merge_heads': ['kqv_merged_cont CONT'],
  'mla:attn_output': ['kqv_out MUL_MAT'],
  'residual:add': ['ffn_inp ADD', 'l_out ADD'],
  'norm:ffn_norm': ['ffn_norm MUL'],
  'ffn:ffn_gate': ['ffn_gate MUL_MAT'],
  'ffn:silu': ['ffn_silu UNARY'],
  'ffn:ffn_up': ['ffn_up MUL_MAT'],
  'ffn:mul': ['ffn_gate_par MUL'],
  'ffn:ffn_down': ['ffn_out MUL_MAT'],
  'moe:ffn_gate_inp': ['ffn_moe_logits MUL_MAT'],
  'moe:sigmoid': ['ffn_moe_probs UNARY'],
  'moe:softmax': ['ffn_moe_probs SOFT_MAX'],
  'moe:exp_probs_b': ['ffn_moe_probs_biased ADD'],
  'moe:take': ['ffn_moe_weights GET_ROWS'],
  'moe:sum': ['ffn_moe_weights_sum SUM_ROWS'],
  'moe:div': ['ffn_moe_weights_norm DIV'],
  'moe:scale': ['ffn_moe_weights_scaled SCALE'],
  'moe:ffn_gate_exps': ['ffn_moe_gate MUL_MAT_ID'],
  'moe:silu': ['ffn_moe_silu UNARY'],
  'moe:ffn_up_exps': ['ffn_moe_up MUL_MAT_ID'],
  'moe:mul': ['ffn_moe_gate_par MUL'],
  'moe:ffn_down_exps': ['ffn_moe_down MUL_MAT_ID'],
  'moe:unflatten': ['ffn_moe_out ADD'],
  'moe:add': ['ffn_out ADD'],
  'ffn:ffn_gate_shexp': ['ffn_gate MUL_MAT'],
  'ffn:ffn_up_shexp': ['ffn_up MUL_MAT'],
  'ffn:ffn_down_shexp': ['ffn_shexp MUL_MAT'],
  'norm:output_norm': ['result_norm MUL'],
  'linear:output': ['result_output MUL_MAT'],
  'linear:token_embd': ['result_output MUL_MAT'],
};

/** llama.cpp's names of a text model's tensors, where there are any. */
export const llamaNames = (graph: Graph): ReadonlyMap<Tensor, LlamaName> => {
  const found = new Map<Tensor, LlamaName>();
  const seen = new Map<string, number>();
  for (const node of graph.nodes) {
    if (node.inputs.length === 0) continue;
    const key = keyOf(node);
    const layer = /\.(\d+)$/.exec(node.path[0] ?? '')?.[1];
    const place = `${layer} ${key}`;
    const n = seen.get(place) ?? 0;
    seen.set(place, n + 1);
    const [name, op] = (names[key]?.[n] ?? '').split(' ');
    if (name && op) found.set(node, { name: layer === undefined ? name : `${name}-${layer}`, op });
  }
  return found;
};

const keyOf = ({ path, op, inputs }: Tensor): string => {
  const weight = inputs.find((input) => input.op.name === WEIGHT.name)?.name;
  const label = weight === undefined ? op.name : weight.replace(/^blk\.\d+\./, '').replace(/\.(weight|bias).*$/, '');
  return `${path.at(-1)?.replace(/#\d+$/, '') ?? op.name}:${label}`;
};
