/** Bars with their spread as a picture. vega is read when a picture is asked for, and draws without a browser. */
import type { Mark, Spec } from 'vega';

export interface Bar {
  /** What is counted: bars of one unit share a scale. */
  readonly unit: string;
  readonly label: string;
  /** Bars of one series have one colour. */
  readonly series: string;
  readonly mean: number;
  readonly stddev: number;
}

const WIDTH = 640;
const STEP = 26;
/** Between the bars of two units. */
const GAP = 60;

/** An SVG picture: one group of horizontal bars for each unit. */
export const barsSvg = async (bars: readonly Bar[], title: string): Promise<string> => {
  const { parse, View } = await import('vega');
  const view = new View(parse(specOf(bars, title)), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
};

const specOf = (bars: readonly Bar[], title: string): Spec => {
  const units = [...new Set(bars.map(({ unit }) => unit))];
  return {
    $schema: 'https://vega.github.io/schema/vega/v6.json',
    width: WIDTH,
    padding: 12,
    background: 'white',
    title: { text: title, anchor: 'start' },
    layout: { columns: 1, padding: GAP, bounds: 'full', align: 'all' },
    scales: [
      { name: 'colour', type: 'ordinal', domain: [...new Set(bars.map(({ series }) => series))], range: 'category' },
    ],
    legends: [{ fill: 'colour', orient: 'top', direction: 'horizontal', columns: 2 }],
    marks: units.map((unit) =>
      groupOf(
        unit,
        bars.filter((bar) => bar.unit === unit),
      ),
    ),
  };
};

const groupOf = (unit: string, bars: readonly Bar[]): Mark => {
  // Labels may be alike; places are not.
  const values = bars.map((bar, i) => ({
    ...bar,
    place: i,
    low: Math.max(0, bar.mean - bar.stddev),
    high: bar.mean + bar.stddev,
  }));
  const at = { scale: 'y', field: 'place' } as const;
  return {
    type: 'group',
    encode: { update: { width: { value: WIDTH }, height: { value: STEP * bars.length } } },
    data: [{ name: 'bars', values }],
    scales: [
      { name: 'x', type: 'linear', domain: { data: 'bars', field: 'high' }, range: [0, WIDTH], nice: true, zero: true },
      {
        name: 'y',
        type: 'band',
        domain: values.map(({ place }) => place),
        range: [0, STEP * bars.length],
        padding: 0.2,
      },
      {
        name: 'label',
        type: 'ordinal',
        domain: values.map(({ place }) => place),
        range: values.map(({ label }) => label),
      },
    ],
    axes: [
      { orient: 'bottom', scale: 'x', title: unit, grid: true },
      { orient: 'left', scale: 'y', encode: { labels: { update: { text: { scale: 'label', field: 'value' } } } } },
    ],
    marks: [
      {
        type: 'rect',
        from: { data: 'bars' },
        encode: {
          enter: {
            y: at,
            height: { scale: 'y', band: 1 },
            x: { scale: 'x', value: 0 },
            x2: { scale: 'x', field: 'mean' },
            fill: { scale: 'colour', field: 'series' },
          },
        },
      },
      {
        type: 'rule',
        from: { data: 'bars' },
        encode: {
          enter: {
            y: { ...at, band: 0.5 },
            x: { scale: 'x', field: 'low' },
            x2: { scale: 'x', field: 'high' },
            stroke: { value: 'black' },
            strokeWidth: { value: 1.5 },
          },
        },
      },
      {
        type: 'text',
        from: { data: 'bars' },
        encode: {
          enter: {
            y: { ...at, band: 0.5 },
            x: { scale: 'x', field: 'high', offset: 5 },
            baseline: { value: 'middle' },
            text: { signal: "format(datum.mean, '.4~r')" },
          },
        },
      },
    ],
  };
};
