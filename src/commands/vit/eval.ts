/** Accuracy on a folder that has one folder for each class, and what is taken for what. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import { fileError } from '../../io/gguf/file.ts';
import type { ImageSource } from '../../io/image/decode.ts';
import { filesIn } from '../named-files.ts';
import { imageFiles } from './images.ts';

export interface LabelledImage extends ImageSource {
  /** The class that it is of. */
  readonly truth: number;
}

/**
 * All images in the folders of `dir`, whose names are labels, one of a label's several names, or class numbers.
 * @throws UserError 'usage' for a folder that is no class of the model
 */
export const labelledImages = async (dir: string, labels: readonly string[]): Promise<LabelledImage[]> => {
  const entries = await readdir(dir, { withFileTypes: true }).catch((error: unknown) => {
    throw fileError('read', dir, error);
  });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const images: LabelledImage[] = [];
  for (const name of folders.sort()) {
    const truth = classOf(name, labels);
    if (truth < 0)
      throw new UserError(
        'usage',
        `folder '${join(dir, name)}' is no class of this model`,
        'see --topk 0 for them all',
      );
    for (const path of await filesIn(join(dir, name), imageFiles)) images.push({ name: path, input: path, truth });
  }
  if (images.length === 0) throw new UserError('usage', `'${dir}' has no folders with images`);
  return images;
};

/** The class of this name; -1 if there is none. */
const classOf = (name: string, labels: readonly string[]): number => {
  const plain = (text: string) => text.trim().toLowerCase().replaceAll('_', ' ');
  const whole = labels.findIndex((label) => plain(label) === plain(name));
  if (whole >= 0) return whole;
  const part = labels.findIndex((label) => label.split(',').some((word) => plain(word) === plain(name)));
  if (part >= 0) return part;
  return /^\d+$/.test(name) && Number(name) < labels.length ? Number(name) : -1;
};

/** Counts answers as they come. */
export class Accuracy {
  readonly #labels: readonly string[];
  readonly #classes = new Map<number, { images: number; correct: number }>();
  readonly #confusions = new Map<string, number>();
  #images = 0;
  #top5 = 0;

  constructor(labels: readonly string[]) {
    this.#labels = labels;
  }

  add(truth: number, logits: Float32Array): void {
    const better = logits.filter(
      (logit, i) => logit > logits[truth]! || (logit === logits[truth]! && i < truth),
    ).length;
    const of = this.#classes.get(truth) ?? { images: 0, correct: 0 };
    of.images++;
    this.#images++;
    if (better < 5) this.#top5++;
    if (better === 0) of.correct++;
    else {
      const best = logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
      const pair = `${truth} ${best}`;
      this.#confusions.set(pair, (this.#confusions.get(pair) ?? 0) + 1);
    }
    this.#classes.set(truth, of);
  }

  /** All counts; shares are from 0 to 1. */
  summary() {
    const name = (index: number) => ({ index, label: this.#labels[index] ?? `LABEL_${index}` });
    const classes = [...this.#classes]
      .sort(([a], [b]) => a - b)
      .map(([index, { images, correct }]) => ({ ...name(index), images, correct }));
    const correct = classes.reduce((sum, c) => sum + c.correct, 0);
    const confusions = [...this.#confusions]
      .map(([pair, count]) => {
        const [truth = 0, answer = 0] = pair.split(' ').map(Number);
        return { truth: name(truth), answer: name(answer), count };
      })
      .sort((a, b) => b.count - a.count || a.truth.index - b.truth.index || a.answer.index - b.answer.index);
    const share = (n: number) => (this.#images === 0 ? 0 : n / this.#images);
    return { images: this.#images, top1: share(correct), top5: share(this.#top5), classes, confusions };
  }
}

/** How many of the commonest mistakes are told. */
const CONFUSIONS = 10;

/** The counts for a person. */
export const accuracyText = ({ images, top1, top5, classes, confusions }: ReturnType<Accuracy['summary']>): string => {
  const percent = (share: number) => `${(100 * share).toFixed(2).padStart(6)} %`;
  const width = Math.max(...classes.map(({ label }) => label.length));
  return [
    `top-1 ${percent(top1)}  top-5 ${percent(top5)}  of ${images} images`,
    ...classes.map((c) => `${c.label.padEnd(width)} ${percent(c.correct / c.images)}  of ${c.images}`),
    ...(confusions.length > 0 ? ['most often taken for another:'] : []),
    ...confusions
      .slice(0, CONFUSIONS)
      .map(({ truth, answer, count }) => `${String(count).padStart(5)} x ${truth.label} -> ${answer.label}`),
    '',
  ].join('\n');
};
