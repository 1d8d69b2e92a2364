/** A tensor's values in the layout of llama-eval-callback, so that the two programs' outputs can be compared by line. */

/** A tensor, or an input of one, with extents innermost first as ggml has them. */
export interface NamedExtents {
  readonly name: string;
  readonly extents: readonly number[];
}

export interface ValuesOf extends NamedExtents {
  readonly dtype: string;
  /** ggml's word for the operation. */
  readonly op: string;
  readonly inputs: readonly NamedExtents[];
  /** In the order of memory. */
  readonly values: ArrayLike<number | bigint>;
}

/** First and last values of each axis that are shown. */
const EDGE = 3;

/** A node's values in the layout of llama.cpp's eval-callback: the corners of each matrix, and the sum. */
export const printValues = ({ name, dtype, op, inputs, extents, values }: ValuesOf): string => {
  const [first, second] = inputs.map((x) => `${x.name}{${four(x.extents).join(', ')}}`);
  // The brace behind the second source is in the original.
  const sources = `${first ?? ''}, ${second ?? ''}}`;
  const head = `ggml_debug: ${name.padStart(24)} = (${dtype}) ${op.padStart(10)}(${sources}) = {${four(extents).join(', ')}}`;
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Number(values[i]);
  return `${head}\n${matrices(four(extents), values).join('\n')}\n${pad(37)}sum = ${sum.toFixed(6)}\n`;
};

const four = (extents: readonly number[]): readonly [number, number, number, number] => {
  const [a = 1, b = 1, c = 1, ...rest] = extents;
  return [a, b, c, rest.reduce((x, y) => x * y, 1)];
};

const pad = (n: number): string => ' '.repeat(n);

/** Indices of an axis that are shown, with undefined where some are left out. */
const shown = (extent: number): readonly (number | undefined)[] =>
  extent <= 2 * EDGE
    ? Array.from({ length: extent }, (_, i) => i)
    : [0, 1, 2, undefined, extent - 3, extent - 2, extent - 1];

const matrices = (
  [ne0, ne1, ne2, ne3]: readonly [number, number, number, number],
  values: ArrayLike<number | bigint>,
): string[] => {
  const lines: string[] = [];
  for (let i3 = 0; i3 < ne3; i3++) {
    lines.push(`${pad(37)}[`);
    for (const i2 of shown(ne2)) {
      if (i2 === undefined) {
        lines.push(`${pad(38)}..., `);
        continue;
      }
      lines.push(`${pad(38)}[`);
      for (const i1 of shown(ne1)) {
        const at = ((i3 * ne2 + i2) * ne1 + (i1 ?? 0)) * ne0;
        const row = shown(ne0).map((i0) =>
          i0 === undefined
            ? '...'
            : Number(values[at + i0])
                .toFixed(4)
                .padStart(12),
        );
        lines.push(i1 === undefined ? `${pad(39)}..., ` : `${pad(39)}[${row.join(', ')}],`);
      }
      lines.push(`${pad(38)}],`);
    }
    lines.push(`${pad(37)}]`);
  }
  return lines;
};
