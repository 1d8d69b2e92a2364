/** Results as Markdown: medians of rounds, their range, and how many times as fast grafo is, round by round. */
import { isUnsteady, spreadOf } from '../../dist/commands/bench/statistics.js';

/** The middle of an odd number of values, the upper middle of an even one. */
export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** The rounds that a row is about. */
const roundsOf = ({ rounds }, all) => {
  if (rounds === 'first') return all.slice(0, 1);
  return rounds === 'later' ? all.slice(1) : all;
};

/** One engine's values in a row, one for each round; none where it has none. */
const valuesOf = (row, figures) =>
  roundsOf(row, figures).flatMap((f) => (f[row.figure] === undefined ? [] : [f[row.figure] * (row.times ?? 1)]));

const number = ({ digits }, x) => x.toFixed(digits);

/** `22.7 (22.1–23.0)`. */
const cell = (row, values) => {
  if (values.length === 0) return '–';
  const middle = number(row, median(values));
  const [least, most] = [number(row, Math.min(...values)), number(row, Math.max(...values))];
  return least === most ? middle : `${middle} (${least}–${most})`;
};

/** How many times as fast `own` is as `other`, in pairs of a round. */
const ratio = ({ more }, own, other) => {
  if (own.length === 0 || own.length !== other.length) return [];
  const pairs = own.map((x, i) => (more ? x / other[i] : other[i] / x));
  return `${median(pairs).toFixed(2)} ×`;
};

/**
 * A Markdown table.
 * @param rows `{ title, figure, digits, more?, times?, rounds? }`: `more`: more is better; `rounds` 'first' or 'later'
 * @param contestants `{ name, beside? }`: `beside`: names of those that it is compared with
 */
export const table = (title, rows, contestants, results) => {
  const columns = contestants.filter(({ name }) => results.has(name));
  const lines = rows
    .map((row) => {
      const cells = columns.map(({ name, beside = [] }) => {
        const values = valuesOf(row, results.get(name));
        const ratios = beside.flatMap((own) => ratio(row, valuesOf(row, results.get(own) ?? []), values));
        return [cell(row, values), ...ratios].join(' · ');
      });
      return { title: row.title, cells };
    })
    .filter(({ cells }) => cells.some((text) => text !== '–'))
    .map(({ title, cells }) => `| ${[title, ...cells].join(' | ')} |`);
  const head = `| ${[title, ...columns.map(({ name }) => name)].join(' | ')} |`;
  return `${[head, `|---${'|---'.repeat(columns.length)}|`, ...lines].join('\n')}\n`;
};

/** What makes results doubtful, as `grafo bench` says it. */
export const doubts = (title, rows, results) => {
  const percent = (share) => `${(100 * share).toFixed(0)} %`;
  const unsteady = [...results].flatMap(([name, figures]) =>
    rows.flatMap((row) => {
      const values = valuesOf(row, figures);
      if (row.isStart || values.length < 2) return [];
      const spread = spreadOf(values);
      return isUnsteady(spread) ? [`${name}, ${row.title} by ${percent(spread.stddev / spread.mean)}`] : [];
    }),
  );
  const shares = [...results.values()].flat().flatMap(({ othersShare }) => othersShare ?? []);
  const most = Math.max(0, ...shares);
  return [
    ...(unsteady.length > 0 ? [`${title}: unsteady, rounds differ: ${unsteady.join('; ')}`] : []),
    ...(most > BUSY_SHARE ? [`${title}: busy, others had up to ${percent(most)} of the processor`] : []),
  ];
};

/** So much of the processor in others' hands changes what is measured. */
const BUSY_SHARE = 0.1;

/** How far answers are from a contestant's, as a share of the largest value: the same weights must give the same. */
export const distances = (contestants, results, of) => {
  const [exact] = results.get(of) ?? [];
  if (!exact?.answer) return [];
  const largest = Math.max(...exact.answer.map(Math.abs));
  return contestants.flatMap(({ name }) => {
    const answer = results.get(name)?.[0]?.answer;
    if (name === of || !answer) return [];
    const most = Math.max(...answer.map((x, i) => Math.abs(x - exact.answer[i])));
    return [`${name} ${(most / largest).toExponential(0)}`];
  });
};
