/** What kinds of operations there are to the eye, and each one's formula. */

/** The colour of a box. */
export type Kind =
  | 'leaf'
  | 'weight'
  | 'state'
  | 'product'
  | 'attention'
  | 'norm'
  | 'position'
  | 'choice'
  | 'pointwise'
  | 'move'
  | 'block';

const kinds: Readonly<Record<Exclude<Kind, 'block'>, readonly string[]>> = {
  leaf: ['input'],
  weight: ['weight', 'initializer', 'constant'],
  state: ['state', 'append'],
  product: [
    'linear',
    'expert_linear',
    'head_linear',
    'conv',
    'lstm',
    'MatMul',
    'FusedMatMul',
    'MatMulNBits',
    'Gemm',
    'Conv',
    'FusedConv',
    'FusedGemm',
    'NhwcFusedConv',
    'QMoE',
    'MoE',
    'LSTM',
  ],
  attention: ['attend', 'attend_causal', 'attend_weights', 'GroupQueryAttention', 'MultiHeadAttention', 'Attention'],
  norm: [
    'rms_norm',
    'layer_norm',
    'LayerNormalization',
    'SimplifiedLayerNormalization',
    'SkipSimplifiedLayerNormalization',
    'SkipLayerNormalization',
  ],
  position: ['rope', 'rope_table', 'resize_grid', 'RotaryEmbedding', 'Resize'],
  choice: [
    'rows',
    'pick',
    'top_k',
    'take',
    'limit_groups',
    'Gather',
    'GatherBlockQuantized',
    'GatherElements',
    'GatherND',
    'TopK',
    'ScatterND',
    'ScatterElements',
    'NonZero',
    'Where',
    'If',
  ],
  pointwise: [
    'add',
    'mul',
    'div',
    'bias',
    'adapter',
    'silu',
    'gelu',
    'relu',
    'sigmoid',
    'softmax',
    'scale',
    'sum',
    'sum_rows',
    'mean_rows',
  ],
  move: [
    'split_heads',
    'merge_heads',
    'repeat_heads',
    'flatten',
    'unflatten',
    'list',
    'group',
    'repeat_rows',
    'slice',
    'concat',
    'prepend',
    'transpose',
    'reflect',
    'sequence',
    'Reshape',
    'Transpose',
    'Slice',
    'Split',
    'Concat',
    'Expand',
    'Squeeze',
    'Unsqueeze',
    'Shape',
    'Cast',
    'Identity',
    'Pad',
  ],
};

const byOperation: ReadonlyMap<string, Kind> = new Map(
  Object.entries(kinds).flatMap(([kind, names]) => names.map((name) => [name, kind as Kind] as const)),
);

/** The kind of one of our operations or one of ONNX's. */
export const kindOf = (op: string): Kind => byOperation.get(op) ?? 'pointwise';

/** As ggml's pictures write them: X, Y are matrices. */
const symbols: Readonly<Record<string, string>> = {
  linear: 'X*Y',
  expert_linear: 'X[i]*Y',
  head_linear: 'X[h]*Y',
  conv: 'conv(x)',
  bias: 'x+b',
  adapter: 'x+BA',
  add: 'x+y',
  mul: 'x*y',
  div: 'x/y',
  scale: 'x*v',
  sum: 'Σx',
  sum_rows: 'Σx_k',
  mean_rows: 'Σx/n',
  rms_norm: 'rms_norm(x)',
  layer_norm: 'norm(x)',
  softmax: 'soft_max(x)',
  attend: 'softmax(QKᵀ)V',
  attend_causal: 'softmax(QKᵀ+mask)V',
  attend_weights: 'softmax(QKᵀ)',
  rows: 'get_rows(x)',
  pick: 'get_rows(x)',
  take: 'x[i]',
  top_k: 'top_k(x)',
  split_heads: 'heads(x)',
  merge_heads: 'merge(x)',
  transpose: 'transpose(x)',
  append: 'cache ← x',
};

/** What an operation computes; ONNX's own names, and leaves, stand for themselves. */
export const symbolOf = (op: string): string => {
  const symbol = symbols[op];
  if (symbol !== undefined) return symbol;
  const isOurs = /^[a-z_]+$/.test(op);
  return isOurs && !['input', 'weight', 'state', 'rope_table'].includes(op) ? `${op}(x)` : op;
};

/** Whether a box of this kind computes nothing: it comes from outside, from the file, or from earlier runs. */
export const isSource = ({ kind, nOp }: { readonly kind: Kind; readonly nOp: number }): boolean =>
  kind === 'leaf' || kind === 'weight' || (kind === 'state' && nOp === 0);
