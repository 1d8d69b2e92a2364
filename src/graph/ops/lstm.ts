/** Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000): what is carried from step to step. */
import type { GraphBuilder } from '../builder.ts';
import type { Emitter, Value } from '../lower/emitter.ts';
import { expectRank, expectShape, op } from '../op.ts';
import type { Dim, Tensor } from '../tensor.ts';
import { size } from '../tensor.ts';
import type { WeightRef } from '../weights.ts';

/** What a run over a sequence gives: the hidden state after every step, or what the next run begins with. */
type LstmResult = 'steps' | 'hidden' | 'cell';

/**
 * x `[T, B, nIn]` with weights `[4 n, nIn]` and `[4 n, n]`, biases `[4 n]` twice, and states `[1, B, n]` (hidden, cell)
 * -> `[T, B, n]` for all steps, `[1, B, n]` for a state after the last. The gates lie as in PyTorch: input, forget,
 * cell, output. Each result is a node that goes through the sequence anew, for a node has one output.
 */
export const LSTM = op<number, { give: LstmResult }>({
  name: 'lstm',
  infer([x, ofInput, ofHidden, inputBias, hiddenBias, hidden, cell], { give }) {
    if (!x || !ofInput || !ofHidden || !inputBias || !hiddenBias || !hidden || !cell)
      throw new Error('a sequence, two weights, two biases and two states are needed');
    expectRank(x, 3, 'x');
    const n = size(hidden, -1);
    const state = [1, x.shape[1] as Dim, n];
    expectShape(ofInput, [4 * n, size(x, -1)], "the input's weight");
    expectShape(ofHidden, [4 * n, n], "the state's weight");
    for (const bias of [inputBias, hiddenBias]) expectShape(bias, [4 * n], 'bias');
    for (const given of [hidden, cell]) expectShape(given, state, 'state');
    return { dtype: x.dtype, shape: give === 'steps' ? [x.shape[0] as Dim, x.shape[1] as Dim, n] : state };
  },
  lower(o, [x, ofInput, ofHidden, inputBias, hiddenBias, hidden, cell], { give }, types) {
    const [, , , , , state] = types;
    if (!state) throw new Error('no state');
    const n = size(state, -1);
    const first = o.i64([0]);
    const weight = (w: Value | undefined) => o.node('Unsqueeze', [onnxGates(o, w), first]);
    const biases = o.node('Concat', [onnxGates(o, inputBias), onnxGates(o, hiddenBias)], { axis: 0 });
    const inputs = [
      x,
      weight(ofInput),
      weight(ofHidden),
      o.node('Unsqueeze', [biases, first]),
      undefined,
      hidden,
      cell,
    ];
    const [steps, last, lastCell] = o.nodeOf('LSTM', inputs, 3, { hidden_size: n });
    if (give === 'steps') return o.node('Squeeze', [steps, o.i64([1])]); // of its axis of directions
    return give === 'hidden' ? last : lastCell;
  },
  flops: ([x, , ofHidden], y) => 2 * (x?.dims[0] ?? 0) * (x?.dims[1] ?? 0) * 4 * (y.dims[2] ?? 0) * widths(x, ofHidden),
});

const widths = (...of: readonly ({ readonly dims: readonly number[] } | undefined)[]): number =>
  of.reduce((sum, x) => sum + (x?.dims.at(-1) ?? 0), 0);

/** ONNX has the gates in another order: input, output, forget, cell. */
const onnxGates = (o: Emitter, weight: Value | undefined): Value => {
  const [input, forget, cell, output] = o.nodeOf('Split', [weight], 4, { axis: 0, num_outputs: 4 });
  return o.node('Concat', [input, output, forget, cell], { axis: 0 });
};

export interface LstmWeights {
  readonly ofInput: WeightRef;
  readonly ofHidden: WeightRef;
  readonly inputBias: WeightRef;
  readonly hiddenBias: WeightRef;
}

/** All hidden states of a sequence, and the two states to go on from after its last step. */
export const lstm = (g: GraphBuilder, x: Tensor, w: LstmWeights, state: { hidden: Tensor; cell: Tensor }) => {
  const weights = [w.ofInput, w.ofHidden, w.inputBias, w.hiddenBias].map((ref) => g.weight(ref));
  const run = (give: LstmResult) => g.add(LSTM, [x, ...weights, state.hidden, state.cell], { give });
  return { steps: run('steps'), hidden: run('hidden'), cell: run('cell') };
};
