/** Which stored form of a weight meets which kernel. The only place that knows both. */
import type { BlockLayout, WeightRef } from '../weights.ts';
import type { Computed, Emitter, Value } from './emitter.ts';
import { denseGroup, halfGroup, int8Group, packedGroup, ROUNDED, roundedGroup } from './initializers.ts';
import { besideSums, blockSums, widened } from './offsets.ts';
import { paired, pairs } from './pairs.ts';
import { accuracyLevel, readsHalves } from './target.ts';

const nOut = (refs: readonly WeightRef[]): number => refs.reduce((n, ref) => n + (ref.shape[0] ?? 0), 0);

/** Whether these weights can be stacked into one product. */
export const stackable = (o: Emitter, refs: readonly WeightRef[]): boolean => {
  const [first] = refs;
  if (runsInInt8(o)) return refs.every(({ shape }) => shape[1] === first?.shape[1]);
  return refs.every(
    ({ tensor, shape }) =>
      shape[1] === first?.shape[1] &&
      tensor.blocks?.bits === first?.tensor.blocks?.bits &&
      tensor.blocks?.blockSize === first?.tensor.blocks?.blockSize &&
      tensor.blocks?.hasOffsets === first?.tensor.blocks?.hasOffsets,
  );
};

/** x `[..., nIn]`, of so many axes, times the transposes of weights `[nOut, nIn]` -> `[..., sum of nOut]`. */
export const product = (o: Emitter, x: Value, refs: readonly WeightRef[], rank: number): Computed => {
  const [ref] = refs;
  if (!ref || !stackable(o, refs)) throw new Error(`cannot stack ${refs.map((r) => r.name).join(', ')}`);
  const key = keyOf(refs);
  if (runsInRoundedBlocks(o, refs)) return roundedBlockProduct(o, x, refs);
  if (runsInInt8(o)) {
    return int8Product(
      o,
      x,
      o.store(`${key} in int8`, () => int8Group(key, refs)),
      rank,
    );
  }
  const { blocks } = ref.tensor;
  if (blocks && runsInBlocks(o, ref)) return blockProduct(o, x, refs, blocks, rank);
  const [dense] = o.store(key, () => denseGroup(key, refs)) as [Computed];
  return denseProduct(o, x, dense);
};

/** Whether all products are of integers. */
const runsInInt8 = (o: Emitter): boolean => o.target.compute === 'int8' && o.has('DynamicQuantizeMatMul');

/** Of few rows the kernel for blocks is the quicker one, which also rounds activations itself. */
const runsInRoundedBlocks = (o: Emitter, refs: readonly WeightRef[]): boolean =>
  runsInInt8(o) && o.target.fewRows === true && refs.every(({ shape }) => (shape[1] ?? 0) % ROUNDED.blockSize === 0);

/** Whether products with this weight take its blocks as they are. */
const runsInBlocks = (o: Emitter, { tensor }: WeightRef): boolean =>
  o.target.compute !== 'f32' && tensor.blocks !== undefined && o.has('MatMulNBits');

/**
 * The kernel rounds a whole input by one scale: one token of large values would leave little of all others. Every row
 * goes through it divided by its own largest value.
 */
const int8Product = (o: Emitter, x: Value, stored: readonly Computed[], rank: number): Computed => {
  // The last axis by its number: of no rows at all, ONNX Runtime 1.30 does not reduce -1.
  const most = o.node('ReduceMax', [o.node('Abs', [x]), o.i64([rank - 1])], { keepdims: 1 });
  const scale = o.node('Max', [most, o.f32([1e-30])]);
  return o.node('Mul', [o.node('DynamicQuantizeMatMul', [o.node('Div', [x, scale]), ...stored]), scale]);
};

const keyOf = (refs: readonly WeightRef[]): string => refs.map((r) => r.name).join('+');

/**
 * x times the transpose of dense weights.
 * @param perm the weights' axes, the last two of them turned
 */
const denseProduct = (o: Emitter, x: Value, dense: Value, perm: readonly number[] = [1, 0]): Computed =>
  o.has('FusedMatMul')
    ? o.node('FusedMatMul', [x, dense], { transB: 1 })
    : o.node('MatMul', [x, o.node('Transpose', [dense], { perm })]);

const blockProduct = (
  o: Emitter,
  x: Value,
  refs: readonly WeightRef[],
  layout: BlockLayout,
  rank: number,
): Computed => {
  const nIn = refs[0]?.shape[1] ?? 0;
  const kernel = (x: Value, [blocks, scales]: readonly Computed[], K: number, blockSize = layout.blockSize) =>
    o.node('MatMulNBits', [x, blocks, scales], {
      K,
      N: nOut(refs),
      bits: layout.bits,
      block_size: blockSize,
      accuracy_level: accuracyLevel(o.target),
    });
  // Where activations are rounded to 8 bits, what has as many bits costs nothing that shows; in float it would.
  const isRounded = accuracyLevel(o.target) > 0;
  // A table whose rows are read, which comes first, is there once: its rows are exact, and so are the output's weights.
  if (isRounded && pairs(layout, nIn) && !o.isStored(inBlocks(refs))) {
    const stored = o.store(`${keyOf(refs)} in pairs`, () => packedGroup(`${keyOf(refs)}.pairs`, refs, 'paired'));
    return kernel(x, stored, nIn, paired(layout).blockSize);
  }
  if (!layout.hasOffsets) return kernel(x, storedBlocks(o, refs), nIn);
  if (isRounded) {
    const stored = o.store(`${keyOf(refs)} widened`, () => packedGroup(`${keyOf(refs)}.widened`, refs, 'widened'));
    return kernel(besideSums(o, x, layout, nIn, rank), stored, widened(layout, nIn));
  }
  const stored = storedBlocks(o, refs);
  const correction = denseProduct(o, blockSums(o, x, layout, nIn, rank), stored[2] as Computed);
  return o.node('Add', [kernel(x, stored, nIn), correction]);
};

/** The product with weights of any type, rounded to 8 bits in blocks. */
const roundedBlockProduct = (o: Emitter, x: Value, refs: readonly WeightRef[]): Computed => {
  const name = `${keyOf(refs)}.rounded`;
  const stored = o.store(name, () => roundedGroup(name, refs));
  const { bits, blockSize } = ROUNDED;
  const K = refs[0]?.shape[1] ?? 0;
  const level = accuracyLevel(o.target);
  return o.node('MatMulNBits', [x, ...stored], {
    K,
    N: nOut(refs),
    bits,
    block_size: blockSize,
    accuracy_level: level,
  });
};

/** Blocks, scales and, in layouts that have them, offsets. */
const storedBlocks = (o: Emitter, refs: readonly WeightRef[]): readonly Computed[] =>
  o.store(inBlocks(refs), () => packedGroup(keyOf(refs), refs, 'apart'));

const inBlocks = (refs: readonly WeightRef[]): string => `${keyOf(refs)} in blocks`;

/** Rows of a table `[n, d]` by ids `[...]` -> `[..., d]`, float32; the table keeps its stored form. */
export const rows = (o: Emitter, table: WeightRef, ids: Value): Computed => {
  const { type, blocks } = table.tensor;
  if (blocks && o.has('GatherBlockQuantized')) return blockRows(o, table, ids, blocks);
  if ((type === 'f16' || type === 'bf16') && readsHalves(o.target, type)) {
    const [halves] = o.store(`${table.name} in halves`, () => halfGroup(`${table.name}.halves`, table, type));
    return o.cast(o.node('Gather', [halves, ids]), 'f32');
  }
  return o.node('Gather', [o.weight(table), ids]);
};

const blockRows = (o: Emitter, table: WeightRef, ids: Value, { bits, blockSize }: BlockLayout): Computed => {
  const [n, d] = table.shape as readonly [number, number];
  const [blocks, scales, offsets] = storedBlocks(o, [table]) as readonly [Computed, Computed, Computed?];
  // The product of a tied output counts the same bytes as `[rows, blocks, bytes]`.
  const asTable = o.view(blocks, `${table.name}.table`, [n, (d * bits) / 8]);
  const picked = o.node('GatherBlockQuantized', [asTable, ids, scales], {
    bits,
    block_size: blockSize,
    gather_axis: 0,
    quantize_axis: 1,
  });
  if (!offsets) return picked;
  const moved = o.node('Unsqueeze', [o.node('Gather', [offsets, ids]), o.i64([-1])]); // [..., nBlock, 1]
  const shape = o.node('Shape', [picked]);
  const inBlocks = o.node('Reshape', [
    picked,
    o.node('Concat', [o.node('Shape', [ids]), o.i64([-1, blockSize])], { axis: 0 }),
  ]);
  return o.node('Reshape', [o.node('Add', [inBlocks, moved]), shape]);
};

/** How each head's own weight is stored, and whether all heads see the same rows. */
export interface HeadForm {
  readonly isTurned: boolean;
  readonly isShared: boolean;
}

/** x `[B, nHead or 1, T, nIn]` times the transposes of weights `[nHead, nOut, nIn]` (or turned) -> `[B, nHead, T, nOut]`. */
export const headProduct = (o: Emitter, x: Value, weight: WeightRef, { isTurned, isShared }: HeadForm): Computed => {
  const [nHead, nOut] = weight.shape as readonly [number, number, number];
  if (isTurned) return o.node('MatMul', [x, o.weight(weight)]);
  if (!runsInBlocks(o, weight)) return denseProduct(o, x, o.weight(weight), [0, 2, 1]);
  const heads = Array.from({ length: nHead }, (_, head) => weight.at(head));
  if (isShared) {
    const all = product(o, o.node('Squeeze', [x, o.i64([1])]), heads, 3); // [B, T, nHead * nOut]
    return o.node('Transpose', [o.node('Reshape', [all, o.i64([0, 0, nHead, nOut])])], { perm: [0, 2, 1, 3] });
  }
  const rows = o.nodeOf('Split', [x, o.i64(heads.map(() => 1))], nHead, { axis: 1 });
  const products = heads.map((head, i) => product(o, rows[i] as Computed, [head], 4));
  return o.node('Concat', products, { axis: 1 });
};
