/** What a graph costs, as a table: floating-point operations, bytes, parameters, and how many of the first a byte pays for. */
import type { View } from './view.ts';

/** One row of the table; a row that stands for several alike layers has their number and the cost of one. */
export interface CostRow {
  readonly name: string;
  readonly op: string;
  readonly times: number;
  readonly flops: number;
  readonly bytes: number;
  readonly parameters: number;
}

/** What a machine does in a second. */
export interface Machine {
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** A row for each box that costs something or has weights. All sizes of the view must be known. */
export const costRows = (view: View): readonly CostRow[] =>
  view.boxes
    .map((box) => {
      if (!box.cost) throw new Error(`'${box.id}' has no sizes`);
      const layer = [box.id, ...box.path].find((name) => view.repeats.has(name));
      const times = layer === undefined ? 1 : (view.repeats.get(layer)?.times ?? 1);
      return { name: box.id, op: box.op, times, ...box.cost, parameters: box.nParameter };
    })
    .filter(({ flops, bytes, parameters }) => flops + bytes + parameters > 0);

/** All rows together. */
export const costTotal = (rows: readonly CostRow[]): CostRow => {
  const sum = (what: 'flops' | 'bytes' | 'parameters') => rows.reduce((n, row) => n + row.times * row[what], 0);
  return { name: 'total', op: '', times: 1, flops: sum('flops'), bytes: sum('bytes'), parameters: sum('parameters') };
};

/** The least time that arithmetic and memory allow, in seconds. */
export const timeBound = ({ flops, bytes }: Pick<CostRow, 'flops' | 'bytes'>, m: Machine): number =>
  Math.max(flops / m.flopsPerSecond, bytes / m.bytesPerSecond);

/** The table, its columns aligned; with a machine also the least time each row takes there. */
export const printCost = (view: View, title: string, machine?: Machine): string => {
  const rows = costRows(view);
  const cells = (row: CostRow) => [
    row.times > 1 ? `${row.name} x${row.times}` : row.name,
    row.op,
    quantity(row.flops),
    quantity(row.bytes),
    quantity(row.parameters),
    row.bytes > 0 ? (row.flops / row.bytes).toFixed(2) : '',
    ...(machine ? [`${(1e3 * timeBound(row, machine)).toFixed(3)}`] : []),
  ];
  const head = ['name', 'op', 'FLOPs', 'bytes', 'parameters', 'FLOPs/byte', ...(machine ? ['ms at least'] : [])];
  const bound = rows.reduce((sum, row) => sum + row.times * (machine ? timeBound(row, machine) : 0), 0);
  const total = cells(costTotal(rows));
  if (machine) total[total.length - 1] = (1e3 * bound).toFixed(3);
  return `${title}\n${aligned([head, ...rows.map(cells), total])}`;
};

/** Columns as wide as their widest cell, the first two flush left. */
export const aligned = (table: readonly (readonly string[])[]): string => {
  const widths = (table[0] ?? []).map((_, i) => Math.max(...table.map((row) => (row[i] ?? '').length)));
  const pad = (cell: string, i: number) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0));
  return table.map((row) => `${row.map(pad).join('  ').trimEnd()}\n`).join('');
};

const STEPS = ['', 'k', 'M', 'G', 'T', 'P'];

/** `1.234 G`, by thousands; whole numbers below that. */
export const quantity = (n: number): string => {
  const step = n < 1000 ? 0 : Math.min(STEPS.length - 1, Math.floor(Math.log10(n) / 3));
  return step === 0 ? String(Math.round(n)) : `${(n / 1000 ** step).toFixed(3)} ${STEPS[step]}`;
};
