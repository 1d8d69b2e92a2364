/** Colours of pictures, by kind of operation, for light and dark surroundings. */
import type { Kind } from './kinds.ts';
import type { Box } from './view.ts';

export type ThemeName = 'light' | 'dark';

export interface Theme {
  readonly paper: string;
  readonly ink: string;
  readonly line: string;
  readonly layer: string;
  readonly block: string;
  readonly fill: Readonly<Record<Kind, string>>;
  /** Of what differs between two graphs, instead of its kind's colour. */
  readonly mark: Readonly<Record<NonNullable<Box['mark']>, string>>;
  /** Of what took no time, and of what took the most. */
  readonly heat: readonly [cold: string, hot: string];
}

/** A colour between those of no time and of the most, `share` of the way. */
export const heatColour = ({ heat: [cold, hot] }: Theme, share: number): string => {
  const channel = (colour: string, i: number) => Number.parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
  const mixed = [0, 1, 2].map((i) => Math.round(channel(cold, i) + share * (channel(hot, i) - channel(cold, i))));
  return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
};

/** The colours of pictures, on a light and on a dark page. */
export const themes: Readonly<Record<ThemeName, Theme>> = {
  light: {
    paper: '#ffffff',
    ink: '#1b1f24',
    line: '#6a737d',
    layer: '#f3f5f8',
    block: '#e8ecf1',
    mark: { added: '#7ee29b', removed: '#ff9d9d', changed: '#ffd866' },
    heat: ['#f6f7f9', '#ff7043'],
    fill: {
      leaf: '#ffc0cb',
      weight: '#fde7ec',
      state: '#ffe08a',
      product: '#a8d1ff',
      attention: '#c9b6ff',
      norm: '#b5ead1',
      position: '#ffd3a8',
      choice: '#d7e8a2',
      pointwise: '#ffffff',
      move: '#eceff3',
      block: '#dbe9ff',
    },
  },
  dark: {
    paper: '#0f1318',
    ink: '#e8edf3',
    line: '#8b97a5',
    layer: '#171d24',
    block: '#1f2730',
    mark: { added: '#1a6b35', removed: '#8a2430', changed: '#6e5a00' },
    heat: ['#1b2129', '#b3400f'],
    fill: {
      leaf: '#7a2f45',
      weight: '#48273a',
      state: '#6b5516',
      product: '#1f4f85',
      attention: '#4d3a8f',
      norm: '#1c5f45',
      position: '#7a4a1c',
      choice: '#4a5c17',
      pointwise: '#2a323c',
      move: '#222930',
      block: '#223a5e',
    },
  },
};
