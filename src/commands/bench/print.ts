/** Results as tables for people and programs: Markdown as llama-bench writes it, short lines, CSV, JSON, JSON lines and SQL. */
import type { BenchRecord, FieldKind } from './record.ts';
import { fields } from './record.ts';

/** llama-bench's formats, and a brief one. */
export const formats = ['md', 'brief', 'csv', 'json', 'jsonl', 'sql'] as const;
export type Format = (typeof formats)[number];

/** Text before the first record, for each, and after the last. */
export interface Printer {
  begin(): string;
  row(record: BenchRecord): string;
  end(): string;
}

/** Which columns beyond the usual ones a Markdown table has: what a command line varies or sets. */
export type ExtraColumn = 'n_batch' | 'n_ubatch' | 'type_k' | 'type_v' | 'flash_attn' | 'compute' | 'device';

/** Prints records one by one as they are measured. */
export const createPrinter = (format: Format, extra: ReadonlySet<ExtraColumn>): Printer => {
  switch (format) {
    case 'md':
      return markdown(extra);
    case 'brief':
      return brief();
    case 'csv':
      return csv;
    case 'json':
      return json();
    case 'jsonl':
      return { begin: () => '', row: (record) => `${JSON.stringify(record)}\n`, end: () => '' };
    case 'sql':
      return sql;
  }
};

type Field = keyof BenchRecord;

const isColumn = ([, kind]: readonly [string, FieldKind]): boolean => kind !== 'list';

/** Everything but the lists. */
const columns = Object.entries(fields).filter(isColumn) as readonly (readonly [Field, FieldKind])[];

const quoted = (value: BenchRecord[Field]): string => `"${String(value ?? '').replaceAll('"', '""')}"`;

const csv: Printer = {
  begin: () => `${columns.map(([name]) => name).join(',')}\n`,
  row: (record) => `${columns.map(([name]) => quoted(record[name])).join(',')}\n`,
  end: () => '',
};

const json = (): Printer => {
  let isFirst = true;
  return {
    begin: () => '[\n',
    row(record) {
      const comma = isFirst ? '' : ',\n';
      isFirst = false;
      return comma + JSON.stringify(record, undefined, 2).replace(/^/gm, '  ');
    },
    end: () => (isFirst ? ']\n' : '\n]\n'),
  };
};

const TABLE = 'grafo_bench';

const literal = (value: BenchRecord[Field]): string => {
  if (value === null) return 'NULL';
  return typeof value === 'number' ? String(value) : `'${String(value).replaceAll("'", "''")}'`;
};

const sql: Printer = {
  begin: () =>
    `CREATE TABLE IF NOT EXISTS ${TABLE} (\n${columns.map(([name, kind]) => `  ${name} ${kind.toUpperCase()}`).join(',\n')}\n);\n\n`,
  row: (record) =>
    `INSERT INTO ${TABLE} (${columns.map(([name]) => name).join(', ')}) VALUES (${columns.map(([name]) => literal(record[name])).join(', ')});\n`,
  end: () => '',
};

/** A column of a Markdown table: as wide as llama-bench's, flush left where the width is negative. */
interface Column {
  readonly title: string;
  readonly width: number;
  cell(record: BenchRecord): string;
}

const GIB = 2 ** 30;

const column = (title: string, width: number, cell: (record: BenchRecord) => string | number | null): Column => ({
  title,
  width,
  cell: (record) => String(cell(record) ?? ''),
});

const model: readonly Column[] = [
  column('model', -30, (r) => r.model_type),
  column('size', 10, ({ model_size: n }) =>
    (n ?? 0) < GIB ? `${((n ?? 0) / 2 ** 20).toFixed(2)} MiB` : `${((n ?? 0) / GIB).toFixed(2)} GiB`,
  ),
  column('params', 10, ({ model_n_params: n }) =>
    (n ?? 0) < 1e9 ? `${((n ?? 0) / 1e6).toFixed(2)} M` : `${((n ?? 0) / 1e9).toFixed(2)} B`,
  ),
  column('backend', -10, (r) => r.backends),
];

const ngl = column('ngl', 3, (r) => r.n_gpu_layers);
const threads = column('threads', 7, (r) => r.n_threads);
const test = column('test', 15, (r) => r.test);

const extras: Readonly<Record<ExtraColumn, Column>> = {
  n_batch: column('n_batch', 7, (r) => r.n_batch),
  n_ubatch: column('n_ubatch', 8, (r) => r.n_ubatch),
  type_k: column('type_k', 6, (r) => r.type_k),
  type_v: column('type_v', 6, (r) => r.type_v),
  flash_attn: column(
    'fa',
    3,
    (r) => ({ on: 1, off: 0, auto: -1 })[r.flash_attn as 'on' | 'off' | 'auto'] ?? r.flash_attn,
  ),
  compute: column('compute', -7, (r) => r.compute),
  device: column('dev', -12, (r) => r.device),
};

const plusMinus = (mean: number | null, stddev: number | null): string =>
  `${(mean ?? 0).toFixed(2)} ± ${(stddev ?? 0).toFixed(2)}`;

const rate = (title: string): Column => column(title, 20, (r) => plusMinus(r.avg_ts, r.stddev_ts));
const time = (title: string): Column =>
  column(title, 20, (r) =>
    plusMinus((r.avg_ns ?? 0) / 1e6 / (r.n_unit || 1), (r.stddev_ns ?? 0) / 1e6 / (r.n_unit || 1)),
  );

/** What the last columns say, by what is counted; a table has rows of one kind. */
const figures: Readonly<Record<string, readonly Column[]>> = {
  token: [rate('t/s')],
  image: [rate('images/s'), time('ms/image')],
  speech: [rate('per second'), time('ms each')],
};

/** llama's tables count tokens; a speech model's count windows, tokens and seconds of sound side by side. */
const kindOf = (record: BenchRecord): string => {
  if (record.n_prompt || record.n_gen) return 'token';
  return record.unit === 'image' ? 'image' : 'speech';
};

const padded = (text: string, width: number): string => (width < 0 ? text.padEnd(-width) : text.padStart(width));

const line = (cells: readonly string[]): string => `|${cells.map((cell) => ` ${cell} |`).join('')}\n`;

const markdown = (extra: ReadonlySet<ExtraColumn>): Printer => {
  /** The columns of the table that was begun last. */
  let shown: { readonly key: string; readonly columns: readonly Column[] } | undefined;
  const done: BenchRecord[] = [];
  const tableFor = (record: BenchRecord) => {
    const kind = kindOf(record);
    const isCpu = record.backends === 'CPU';
    const asked = (Object.keys(extras) as ExtraColumn[]).filter((name) => extra.has(name));
    const columns = [
      ...model,
      isCpu ? threads : ngl,
      ...asked.map((name) => extras[name]),
      test,
      ...(figures[kind] ?? []),
    ];
    return { key: `${kind} ${isCpu}`, columns };
  };
  return {
    begin: () => '',
    row(record) {
      done.push(record);
      const table = tableFor(record);
      const isNew = table.key !== shown?.key;
      const heading = [
        shown === undefined ? '' : '\n',
        line(table.columns.map(({ title, width }) => padded(title, width))),
        line(table.columns.map(({ width }) => `${'-'.repeat(Math.abs(width) - 1)}${width < 0 ? '-' : ':'}`)),
      ].join('');
      shown = table;
      return (isNew ? heading : '') + line(table.columns.map(({ cell, width }) => padded(cell(record), width)));
    },
    end: () => (done.length === 0 ? '' : `\n${details(done)}${remarks(done)}${buildLine(done)}`),
  };
};

/** What matters of each test in one line of at most eighty columns, and what makes it doubtful. */
const brief = (): Printer => {
  const done: BenchRecord[] = [];
  return {
    begin: () => '',
    row(record) {
      done.push(record);
      const { model_type: model, backends, test, avg_ts, stddev_ts } = record;
      const what = `${model.padEnd(24)} ${backends.padEnd(6)} ${test.padEnd(13)}`;
      return `${what} ${plusMinus(avg_ts, stddev_ts).padStart(19)} ${figures[kindOf(record)]?.[0]?.title ?? ''}\n`;
    },
    end: () =>
      doubts(done)
        .map((text) => `${text}\n`)
        .join(''),
  };
};

const ms = (n: number | null, digits = 2): string => (n === null ? '' : n.toFixed(digits));
const percent = (share: number | null): string => (share === null ? '' : `${(100 * share).toFixed(0)} %`);
const mib = (bytes: number | null): string => (bytes === null ? '' : (bytes / 2 ** 20).toFixed(0));

const detailColumns: readonly Column[] = [
  column('model', -30, (r) => r.model_type),
  column('test', 15, (r) => r.test),
  column('ttft ms', 8, (r) => ms(r.ttft_ms)),
  column('itl p50', 7, (r) => ms(r.itl_p50_ms)),
  column('p95', 7, (r) => ms(r.itl_p95_ms)),
  column('p99', 7, (r) => ms(r.itl_p99_ms)),
  column('load ms', 8, (r) => ms(r.load_ms, 0)),
  column('warm', 6, (r) => ms(r.load_warm_ms, 0)),
  column('create', 6, (r) => ms(r.create_ms, 0)),
  column('peak MiB', 8, (r) => mib(r.peak_rss_bytes)),
  column('weights', 7, (r) => mib(r.weight_bytes)),
  column('kv', 6, (r) => mib(r.kv_bytes)),
  column('fetched', 8, (r) => r.fetched_bytes_per_run),
  column('bandwidth', 9, (r) => percent(r.bandwidth_use)),
  column('flops', 6, (r) => percent(r.flop_use)),
];

/** What llama-bench does not tell, in a table of its own. */
const details = (records: readonly BenchRecord[]): string => {
  const used = detailColumns.filter(({ cell }) => records.some((record) => cell(record) !== ''));
  return [
    line(used.map(({ title, width }) => padded(title, width))),
    line(used.map(({ width }) => `${'-'.repeat(Math.abs(width) - 1)}${width < 0 ? '-' : ':'}`)),
    ...records.map((record) => line(used.map(({ cell, width }) => padded(cell(record), width)))),
    '\n',
  ].join('');
};

/** What makes results doubtful. */
const doubts = (records: readonly BenchRecord[]): readonly string[] => {
  const unsteady = records.flatMap((r) =>
    r.unsteady ? [`${r.model_type} ${r.test} by ${percent((r.stddev_ts ?? 0) / (r.avg_ts || 1))}`] : [],
  );
  const reasons = distinct(records.flatMap(({ busy }) => (busy === '' ? [] : busy.split('; '))));
  const shares = records.map(({ others_share: share }) => share ?? 0);
  return [
    ...(unsteady.length > 0 ? [`unsteady, runs differ: ${unsteady.join(', ')}`] : []),
    ...(reasons.length > 0
      ? [`busy: ${reasons.join('; ')}; others had up to ${percent(Math.max(...shares))} of the processor`]
      : []),
  ];
};

/** What makes a result doubtful, and what each device can do at most. */
const remarks = (records: readonly BenchRecord[]): string => {
  const apart = distinct(
    records.flatMap((r) => {
      const sampling = r.sample_ms === null ? [] : [`choosing a token ${r.sample_ms.toFixed(3)} ms`];
      const words =
        r.tokenize_ms_per_token === null ? [] : [`tokenising ${(1e3 * r.tokenize_ms_per_token).toFixed(2)} µs a token`];
      const all = [...sampling, ...words];
      return all.length > 0 ? [`not in the times of ${r.model_type}: ${all.join(', ')}`] : [];
    }),
  );
  const roofs = distinct(records.flatMap(roofLine));
  return [...roofs, ...apart, ...doubts(records)].map((text) => `${text}\n`).join('');
};

const roofLine = (r: BenchRecord): readonly string[] => {
  if (r.roof_flops_per_s === null || r.roof_bytes_per_s === null || r.roof_copy_bytes_per_s === null) return [];
  const giga = (n: number) => (n / 1e9).toFixed(1);
  const int8 = r.roof_int8_per_s === null ? '' : `, ${giga(r.roof_int8_per_s)} GOP/s in int8`;
  const flops = `${giga(r.roof_flops_per_s)} GFLOP/s in f32${int8}`;
  return [
    `roofline of ${r.device} with ${r.n_threads} threads: reads ${giga(r.roof_bytes_per_s)} GB/s, copies ${giga(r.roof_copy_bytes_per_s)} GB/s, ${flops}`,
  ];
};

/** Each once; what was measured anew for the same device counts once too. */
const distinct = (lines: readonly string[]): readonly string[] => [...new Set(lines)];

const buildLine = ([first]: readonly BenchRecord[]): string =>
  first
    ? `\nbuild: grafo ${first.grafo_version} (onnxruntime ${first.onnxruntime_version}, node ${first.node_version})\n`
    : '';
