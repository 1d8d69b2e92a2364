/** Whole and broken numbers between two bounds, as GBNF. */

/** Digits that a double holds exactly. */
const MAX_DIGITS = 15;

export interface Bounds {
  /** -Infinity: none. */
  readonly least: number;
  /** Infinity: none. */
  readonly most: number;
}

/** A whole number from `least` to `most`; undefined where there is none. */
export const integerBetween = ({ least, most }: Bounds): string | undefined => {
  const options = [
    // -0 is no way to write a number that may not be negative.
    ...negatives({ least, most }, (digits) => `"-" ${digits}`),
    ...magnitudes(Math.max(0, least), most),
  ];
  return alternatives(options);
};

/**
 * A number from `least` to `most`; undefined where the notation has none. Broken numbers are those between two whole
 * numbers of the range.
 */
export const numberBetween = ({ least, most }: Bounds): string | undefined => {
  const whole = integerBetween({ least, most });
  const fraction = '"." [0-9]{1,15}';
  const above = alternatives(magnitudes(Math.max(0, least), most - 1));
  const below = alternatives(magnitudes(Math.max(0, -most), -least - 1));
  return alternatives([
    ...(whole === undefined ? [] : [whole]),
    ...(above === undefined ? [] : [`${above} ${fraction}`]),
    ...(below === undefined ? [] : [`"-" ${below} ${fraction}`]),
  ]);
};

const negatives = ({ least, most }: Bounds, sign: (digits: string) => string): string[] => {
  const digits = alternatives(magnitudes(Math.max(1, -most), -least));
  return digits === undefined ? [] : [sign(digits)];
};

const alternatives = (options: readonly string[]): string | undefined => {
  if (options.length < 2) return options[0];
  return `(${options.join(' | ')})`;
};

/** Whole numbers without sign, `from` 0 or more, one option for each number of digits. */
const magnitudes = (from: number, to: number): string[] => {
  if (from > to) return [];
  const options: string[] = [];
  for (let n = String(from).length; n <= MAX_DIGITS; n++) {
    const low = Math.max(from, n === 1 ? 0 : 10 ** (n - 1));
    const high = Math.min(to, 10 ** n - 1);
    if (low > high) break;
    // No bound lies above: any number of further digits.
    if (to === Number.POSITIVE_INFINITY && low === 10 ** (n - 1) && n > 1) {
      return [...options, `[1-9] [0-9]{${n - 1},${MAX_DIGITS - 1}}`];
    }
    options.push(sameLength(String(low), String(high)));
  }
  return options;
};

/** Digits from `low` to `high`, which have as many. */
const sameLength = (low: string, high: string): string => {
  if (low === high) return `"${low}"`;
  const [first, last] = [Number(low[0]), Number(high[0])];
  const rest = low.length - 1;
  const any = rest === 0 ? '' : rest === 1 ? ' [0-9]' : ` [0-9]{${rest}}`;
  const digit = (from: number, to: number) => (from === to ? `"${from}"` : `[${from}-${to}]`);
  if (/^.0*$/.test(low) && /^.9*$/.test(high)) return `${digit(first, last)}${any}`;
  if (first === last) return `"${first}" (${sameLength(low.slice(1), high.slice(1))})`;
  const isLowWhole = /^.0*$/.test(low);
  const isHighWhole = /^.9*$/.test(high);
  const [from, to] = [isLowWhole ? first : first + 1, isHighWhole ? last : last - 1];
  return [
    ...(isLowWhole ? [] : [`"${first}" (${sameLength(low.slice(1), '9'.repeat(rest))})`]),
    ...(from > to ? [] : [`${digit(from, to)}${any}`]),
    ...(isHighWhole ? [] : [`"${last}" (${sameLength('0'.repeat(rest), high.slice(1))})`]),
  ].join(' | ');
};
