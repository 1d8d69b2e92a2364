/** What is printed of an image: lines as vit.cpp prints them, or forms for programs. */
import type { Classified } from '../../models/classifier.ts';
import type { VitFlags } from './options.ts';

export type Form = 'text' | 'json' | 'jsonl' | 'csv';

export interface ReportOptions {
  readonly form: Form;
  readonly labels: readonly string[];
  /** Classes to name; 0 is all. */
  readonly topk: number;
  /** Least probability of a class that is named. */
  readonly threshold: number;
  readonly logits: boolean;
  readonly embeddings: boolean;
  /** Whether lines of text begin with the image's name. */
  readonly named: boolean;
}

/** How the flags want answers printed. */
export const reportOptionsOf = (flags: VitFlags, labels: readonly string[], nImage: number): ReportOptions => {
  const form = (['json', 'jsonl', 'csv'] as const).find((name) => flags[name]) ?? 'text';
  const { topk, threshold, logits, embeddings } = flags;
  // Of many images one may be left, or be this process's share.
  const isPart = flags['skip-existing'] || flags.shard !== undefined;
  return { form, labels, topk, threshold, logits, embeddings, named: nImage > 1 || isPart };
};

export interface Prediction {
  readonly index: number;
  readonly label: string;
  readonly score: number;
}

/** The classes that are named, the likeliest first. */
export const predictions = ({ probs, logits }: Classified, o: ReportOptions): Prediction[] => {
  const scores = o.logits ? logits : probs;
  const order = [...probs.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
  return order
    .slice(0, o.topk === 0 ? probs.length : o.topk)
    .filter((i) => probs[i]! >= o.threshold)
    .map((index) => ({ index, label: o.labels[index] ?? `LABEL_${index}`, score: digits(scores[index]!) }));
};

/** As many digits as tell a float32 from its neighbours. */
const digits = (x: number): number => Number(x.toPrecision(9));

/** What a program gets of one image. */
export const imageJson = (name: string, answer: Classified, o: ReportOptions) => ({
  file: name,
  ...(o.embeddings ? { embedding: Array.from(answer.embedding, digits) } : { predictions: predictions(answer, o) }),
});

/** The lines of one image; none where all images make one JSON object. */
export const imageLines = (name: string, answer: Classified, o: ReportOptions): string => {
  switch (o.form) {
    case 'text':
      return textLines(name, answer, o);
    case 'jsonl':
      return `${JSON.stringify(imageJson(name, answer, o))}\n`;
    case 'csv':
      return csvLines(name, answer, o);
    case 'json':
      return '';
  }
};

const textLines = (name: string, answer: Classified, o: ReportOptions): string => {
  const before = o.named ? name : '';
  if (o.embeddings) return `${before} > ${Array.from(answer.embedding, digits).join(' ')}\n`;
  return predictions(answer, o)
    .map(({ label, score }) => `${before} > ${label} : ${score.toFixed(2)}\n`)
    .join('');
};

const csvLines = (name: string, answer: Classified, o: ReportOptions): string => {
  if (o.embeddings) return csvLine([name, ...Array.from(answer.embedding, digits)]);
  return predictions(answer, o)
    .map(({ index, label, score }) => csvLine([name, index, label, score]))
    .join('');
};

/** What stands above all lines. */
export const heading = (o: ReportOptions, nEmbd: number): string => {
  if (o.form !== 'csv') return '';
  return csvLine(
    o.embeddings
      ? ['filename', ...Array.from({ length: nEmbd }, (_, i) => `e${i}`)]
      : ['filename', 'index', 'label', o.logits ? 'logit' : 'score'],
  );
};

/** RFC 4180, with line feeds. */
const csvLine = (cells: readonly (string | number)[]): string =>
  `${cells.map((cell) => (/[",\r\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : cell)).join(',')}\n`;
