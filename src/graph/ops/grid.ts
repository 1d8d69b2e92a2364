/** Tables with one row for each place of a square grid, brought to another grid. */
import type { GraphBuilder } from '../builder.ts';
import { expectRank, float, op } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { size } from '../tensor.ts';

interface ResizeGridAttrs {
  /** Rows before the grid's, which stay as they are. */
  readonly nPrefix: number;
  /** Side of the grid that the table has, and of that it shall have. */
  readonly from: number;
  readonly to: number;
}

/**
 * Rows `[nPrefix + from², d]` -> `[nPrefix + to², d]` by bicubic interpolation with a = -0.5, smoothed where the grid
 * shrinks: what timm's `resample_abs_pos_embed` and Pillow compute.
 */
export const RESIZE_GRID = op<1, ResizeGridAttrs>({
  name: 'resize_grid',
  infer([table], { nPrefix, from, to }) {
    expectRank(table, 2, 'table');
    if (size(table, 0) !== nPrefix + from ** 2)
      throw new Error(`${size(table, 0)} rows are no ${nPrefix} and a grid of ${from} by ${from}`);
    return { dtype: table.dtype, shape: [nPrefix + to ** 2, size(table, 1)] };
  },
  lower(o, [table], { nPrefix, from, to }, [type]) {
    const d = size(type, 1);
    const rows = (start: number, end: number) => o.node('Slice', [table, o.i64([start]), o.i64([end]), o.i64([0])]);
    const grid = o.node('Reshape', [rows(nPrefix, nPrefix + from ** 2), o.i64([1, from, from, d])]);
    const resized = o.node(
      'Resize',
      [o.node('Transpose', [grid], { perm: [0, 3, 1, 2] }), undefined, undefined, o.i64([1, d, to, to])],
      {
        mode: 'cubic',
        cubic_coeff_a: float(-0.5),
        antialias: 1,
        exclude_outside: 1,
        coordinate_transformation_mode: 'half_pixel',
      },
    );
    const back = o.node('Reshape', [o.node('Transpose', [resized], { perm: [0, 2, 3, 1] }), o.i64([to ** 2, d])]);
    return nPrefix === 0 ? back : o.node('Concat', [rows(0, nPrefix), back], { axis: 0 });
  },
  flops: (_, y) => 32 * y.size,
});

/**
 * A table of positions on a square grid, for a grid of another size: learned positions of images that are not as large
 * as in training.
 */
export const resizeGrid = (g: GraphBuilder, table: Tensor, attrs: ResizeGridAttrs): Tensor =>
  g.add(RESIZE_GRID, [table], attrs);
