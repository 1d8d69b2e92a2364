/** `--diff A B` and `--compare A B ...`: graphs beside each other. */
import { existsSync } from 'node:fs';
import { UserError } from '../../errors.ts';
import { GraphBuilder } from '../../graph/builder.ts';
import type { ComparedModel, Comparison } from '../../graph/print/compare.ts';
import {
  compareModels,
  printComparison,
  printComparisonHtml,
  printComparisonMarkdown,
} from '../../graph/print/compare.ts';
import { isHubReference } from '../../io/hub/reference.ts';
import { isInvented } from '../../io/invented.ts';
import { anyModel } from '../../models/index.ts';
import { archOf } from '../family.ts';
import type { GraphWish } from './model.ts';
import { withSource } from './model.ts';
import type { GraphFlags } from './options.ts';

/** A file, or the name of an architecture or shape, as words that stand for models. */
const namedModel = (word: string): Pick<GraphWish, 'model' | 'arch'> | undefined => {
  if (existsSync(word) || isHubReference(word)) return { model: word, arch: undefined };
  return isInvented(word) ? { model: undefined, arch: word } : undefined;
};

/**
 * The flags as a word of `--diff` changes them: a file or shape, a part of the model that the flags name, or settings
 * like `mla=expand,fa=off`.
 * @throws UserError 'usage' for what is none of these
 */
export const flagsWith = (flags: GraphFlags, word: string): GraphFlags => {
  const model = namedModel(word);
  if (model) return { ...flags, shape: undefined, ...model };
  if (!word.includes('=')) return { ...flags, part: word };
  return word.split(',').reduce((changed, setting) => {
    const [, key = '', value = ''] = /^([^=]+)=(.*)$/.exec(setting) ?? [];
    return withSetting(changed, key, value);
  }, flags);
};

const withSetting = (flags: GraphFlags, key: string, value: string): GraphFlags => {
  const wrong = (expected: string) => new UserError('usage', `--diff: '${key}=${value}' is not ${expected}`);
  const choice = <T extends string>(...choices: readonly T[]): T => {
    const found = choices.find((c) => c === value);
    if (found === undefined) throw wrong(`one of ${choices.join(', ')}`);
    return found;
  };
  const whole = (): number => {
    const n = Number(value);
    if (!Number.isSafeInteger(n) || n < 0) throw wrong('a whole number');
    return n;
  };
  switch (key) {
    case 'part':
      return { ...flags, part: value };
    case 'mla':
      return { ...flags, mla: choice('absorb', 'expand') };
    case 'fa':
      return { ...flags, 'flash-attn': choice('on', 'off') };
    case 'stage':
      return { ...flags, stage: choice('graph', 'onnx', 'optimized') };
    case 'compute':
      return { ...flags, compute: choice('f32', 'block') };
    case 'tokens':
    case 'past':
    case 'seqs':
      return { ...flags, [key]: whole() };
    default:
      throw wrong('a setting; they are part, mla, fa, stage, compute, tokens, past, seqs');
  }
};

/** All graphs that it takes to run a model: of two forms of one graph the first. */
const comparedModel = (word: string, type: string): Promise<ComparedModel> => {
  const named = namedModel(word);
  if (!named)
    throw new UserError('usage', `'${word}' is no file and no architecture`, 'try llama vit whisper deepseek');
  return withSource({ ...named, shape: undefined, type }, async (source) => {
    const { graphs } = anyModel(archOf(source.metadata)).open(source);
    const names = Object.keys(graphs).filter((name) => !OTHER_FORMS.has(name));
    const built = names.map((name) => {
      const g = new GraphBuilder(name);
      graphs[name]?.(g);
      return g.build();
    });
    return { name: word, graphs: built };
  });
};

/** The same computation once more, to look inside or in another form. */
const OTHER_FORMS = new Set(['expanded', 'look', 'alignment']);

/** The comparison of these models in a format. */
export const comparison = async (words: readonly string[], format: string, type: string): Promise<string> => {
  if (words.length < 2)
    throw new UserError('usage', '--compare needs two models or more', 'try llama vit whisper deepseek');
  const models: ComparedModel[] = [];
  for (const word of words) models.push(await comparedModel(word, type));
  return printed(compareModels(models), format);
};

const printed = (result: Comparison, format: string): string => {
  switch (format) {
    case 'text':
      return printComparison(result);
    case 'markdown':
      return printComparisonMarkdown(result);
    case 'html':
      return printComparisonHtml(result);
    case 'json':
      return `${JSON.stringify(result, undefined, 1)}\n`;
    default:
      throw new UserError('usage', `--compare is text, markdown, html or json, not ${format}`);
  }
};
