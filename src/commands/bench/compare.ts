/** Results beside earlier ones: how much each changed, and whether that can be chance. */
import { UserError } from '../../errors.ts';
import { readText } from '../../io/plain-file.ts';
import type { BenchRecord } from './record.ts';
import { welchTest } from './statistics.ts';

/** What of an earlier record is compared; anything else may be missing, as in files of other versions. */
export type Earlier = Pick<BenchRecord, 'avg_ts' | 'samples_ts'> & Partial<BenchRecord>;

/** What makes two records results of the same measurement. */
const sameness = [
  'model_filename',
  'model_type',
  'backends',
  'device',
  'n_threads',
  'n_batch',
  'n_ubatch',
  'type_k',
  'flash_attn',
  'compute',
  'test',
] as const;

const keyOf = (record: Partial<BenchRecord>): string => JSON.stringify(sameness.map((field) => record[field] ?? null));

/**
 * Earlier results: JSON lines, or a JSON list.
 * @throws UserError 'file' for what cannot be read or is neither
 */
export const readEarlier = async (path: string): Promise<readonly Earlier[]> => {
  const text = await readText(path);
  try {
    const whole = text.trimStart();
    const parsed: unknown = whole.startsWith('[')
      ? JSON.parse(whole)
      : whole.split('\n').flatMap((line) => (line.trim() === '' ? [] : [JSON.parse(line)]));
    if (Array.isArray(parsed) && parsed.every(isEarlier)) return parsed;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new UserError('file', `'${path}' has no results of grafo bench`, 'write one with -o jsonl');
};

const isEarlier = (value: unknown): value is Earlier => {
  if (typeof value !== 'object' || value === null) return false;
  const { avg_ts, samples_ts } = value as Partial<Record<keyof BenchRecord, unknown>>;
  return typeof avg_ts === 'number' && Array.isArray(samples_ts) && samples_ts.every((x) => typeof x === 'number');
};

export type Verdict = 'faster' | 'slower' | 'same' | 'regression' | 'new';

export interface Comparison<R extends Earlier = BenchRecord> {
  readonly record: R;
  readonly base?: number;
  /** Percent; above 0: faster. */
  readonly change?: number;
  /** How likely such a change is where there is none; absent where either side was measured once. */
  readonly p?: number;
  readonly verdict: Verdict;
}

/** Chance is ruled out below this. */
const SIGNIFICANT = 0.05;

/**
 * Each result beside the last earlier one of the same measurement. A regression is more than `threshold` percent slower
 * and no chance; of what was measured once nobody can tell, so there the change alone counts.
 */
export const compared = <R extends Earlier>(
  records: readonly R[],
  earlier: readonly Earlier[],
  threshold: number,
): readonly Comparison<R>[] => {
  const last = new Map(earlier.map((e) => [keyOf(e), e]));
  return records.map((record) => {
    const before = last.get(keyOf(record));
    const [base, now] = [before?.avg_ts ?? null, record.avg_ts];
    if (!before || base === null || now === null) return { record, verdict: 'new' };
    const change = 100 * (now / base - 1);
    const p = welchTest(before.samples_ts, record.samples_ts);
    return { record, base, change, ...(p !== undefined && { p }), verdict: verdictOf(change, p, threshold) };
  });
};

const verdictOf = (change: number, p: number | undefined, threshold: number): Verdict => {
  if (p !== undefined && p >= SIGNIFICANT) return 'same';
  if (change < -threshold) return 'regression';
  if (p === undefined || change === 0) return 'same';
  return change > 0 ? 'faster' : 'slower';
};

/** Whether anything became slower than is let pass. */
export const hasRegression = (all: readonly Comparison[]): boolean =>
  all.some(({ verdict }) => verdict === 'regression');

/** A Markdown table. */
export const comparisonTable = (all: readonly Comparison[]): string => {
  const rows = all.map(({ record, base, change, p, verdict }) => [
    record.model_type,
    record.device,
    record.test,
    base?.toFixed(2) ?? '',
    (record.avg_ts ?? 0).toFixed(2),
    change === undefined ? '' : `${change >= 0 ? '+' : ''}${change.toFixed(1)} %`,
    p === undefined ? '' : p.toFixed(3),
    verdict,
  ]);
  const head = ['model', 'device', 'test', 'before', 'now', 'change', 'p', 'verdict'];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
};
