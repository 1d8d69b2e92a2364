/** `grafo graph-dump`: the graph of a model, from its header alone, in many forms. */

import { UserError } from '../errors.ts';
import { deviceId } from '../graph/device/device.ts';
import { diffViews, isEmpty, mergedView, printDiff } from '../graph/print/diff.ts';
import { folded, onlyLayers, onlyOperations, repeatsCollapsed, withoutWeights } from '../graph/print/filter.ts';
import { printProfile, timedView } from '../graph/print/profile.ts';
import type { View } from '../graph/print/view.ts';
import { viewOf } from '../graph/print/view.ts';
import type { WeightSource } from '../graph/weights.ts';
import { command } from './command.ts';
import { comparison, flagsWith } from './graph/compare.ts';
import { inputsFor } from './graph/inputs.ts';
import { measured, measuredParts } from './graph/measures.ts';
import { chooseGraph, withSource } from './graph/model.ts';
import type { Format, GraphFlags } from './graph/options.ts';
import { graphOptions } from './graph/options.ts';
import type { ViewFormat } from './graph/output.ts';
import { formatOf, pictured, writeOutput } from './graph/output.ts';
import { profilePart, profileTitle } from './graph/profile.ts';
import { onnxOf, viewAtStage } from './graph/stage.ts';
import { valuesText } from './graph/values.ts';

/** `grafo graph-dump`. */
export const graphDumpCommand = command({
  options: graphOptions,
  examples: [
    ['grafo graph-dump -m model.gguf', 'every operation, one a line'],
    ['grafo graph-dump -m model.gguf --collapse-repeats --depth module -o model.svg', 'a picture of the blocks'],
    ['grafo graph-dump -m model.gguf --layer 0 -o layer.png', 'every operation of the first layer'],
    ['grafo graph-dump -m model.gguf --cost --tokens 512', 'what a prompt and a token cost, by block'],
    ['grafo graph-dump -m model.gguf --values -p "Once"', 'every tensor of a run, to be compared with llama.cpp'],
    ['grafo graph-dump -m model.gguf --stage onnx --diff fa=on fa=off', 'what fused kernels change'],
    ['grafo graph-dump --compare llama vit whisper deepseek', 'what the models have in common'],
    ['grafo graph-dump -m model.gguf --profile --part decode --past 500', 'where the time of a token goes'],
    ['grafo graph-dump --arch deepseek-v3 --part decode --past 4095 --format json', 'without a file'],
  ],
  operands: 'MODEL',
  async run(flags, words) {
    const format = formatOf(flags.format, flags.output);
    if (flags.compare) {
      await writeOutput(flags.output, await comparison(words, format, flags.type));
      return 0;
    }
    if (flags.diff) return difference(flags, format, words);
    if (words.length > 0) throw new UserError('usage', `'${words[0]}' belongs to no flag`, `-m ${words[0]}?`);
    if (flags.values && flags.arch !== undefined)
      throw new UserError('usage', '--values runs a model', 'give its file with -m');
    if (flags['with-weights'] && format !== 'onnx')
      throw new UserError('usage', `--with-weights is of ONNX, not ${format}`, 'write to a FILE.onnx with -o');
    const measure = flags.cost ? 'cost' : flags.memory ? 'memory' : undefined;
    if (measure !== undefined && format !== 'text' && format !== 'json')
      throw new UserError('usage', `--${measure} is text or json, not ${format}`);
    const work = async (source: WeightSource): Promise<void> => {
      if (flags.profile) return writeOutput(flags.output, await profiles(source, flags, format));
      if (measure !== undefined)
        return writeOutput(flags.output, await measured(source, measure, { ...flags, format }));
      const chosen = chooseGraph(source, flags);
      if (flags.values)
        return writeOutput(flags.output, await valuesText(chosen, await inputsFor(source, chosen.graph, flags)));
      if (format === 'onnx') return writeOutput(flags.output, await onnxOf(chosen, flags));
      const view = filtered(await viewAtStage(chosen, flags), flags);
      return writeOutput(
        flags.output,
        await pictured(view, viewFormat(format), `${chosen.arch} ${chosen.part}`, flags),
      );
    };
    const readsWeights = flags.profile || flags.values || flags['with-weights'] || flags.stage === 'optimized';
    await withSource(flags, work, readsWeights ? 'weights' : 'header');
    return 0;
  },
});

/** The profile of each part that is measured, as text or as one JSON list; a picture shows the first. */
const profiles = async (source: WeightSource, flags: GraphFlags, format: Format): Promise<string | Uint8Array> => {
  const isTable = format === 'text' || format === 'json';
  const texts: string[] = [];
  const values: unknown[] = [];
  for (const chosen of measuredParts(source, flags)) {
    const profile = await profilePart(chosen, flags);
    const title = profileTitle(profile, chosen);
    if (!isTable) {
      const view = filtered(timedView(viewOf(chosen.graph, chosen.sizes), profile.times), flags);
      return pictured(view, viewFormat(format), title, flags);
    }
    texts.push(printProfile(profile.times, title));
    values.push({
      arch: chosen.arch,
      part: chosen.part,
      sizes: chosen.sizes,
      device: deviceId(profile.device),
      nodes: profile.times,
    });
  }
  return format === 'json' ? `${JSON.stringify(values, undefined, 1)}\n` : texts.join('\n');
};

const viewFormat = (format: Format): ViewFormat => {
  if (format === 'onnx' || format === 'markdown') throw new UserError('usage', `this is not written as ${format}`);
  return format;
};

/** Writes how two views differ, as text, JSON or a picture of both in one; 1 if they do. */
const difference = async (flags: GraphFlags, format: Format, words: readonly string[]): Promise<number> => {
  const [a, b, ...rest] = words;
  if (a === undefined || b === undefined || rest.length > 0)
    throw new UserError(
      'usage',
      '--diff takes two: files, parts or settings',
      'as in --diff old.gguf new.gguf, -m model.gguf --diff fa=on fa=off',
    );
  const [before, after] = [await viewFor(flagsWith(flags, a)), await viewFor(flagsWith(flags, b))];
  const diff = diffViews(before, after);
  if (format === 'text') await writeOutput(flags.output, printDiff(diff));
  else if (format === 'json') await writeOutput(flags.output, `${JSON.stringify(diff, undefined, 1)}\n`);
  else
    await writeOutput(
      flags.output,
      await pictured(mergedView(before, after), viewFormat(format), `${a} and ${b}`, flags),
    );
  return isEmpty(diff) ? 0 : 1;
};

const viewFor = (flags: GraphFlags): Promise<View> =>
  withSource(flags, async (source) => filtered(await viewAtStage(chooseGraph(source, flags), flags), flags));

/**
 * The filters in the order in which they make sense together: layers, operations, weights, boxes, repeats.
 * @throws UserError 'usage' where nothing is left of the layers or operations that were asked for
 */
const filtered = (view: View, flags: GraphFlags): View => {
  const range = flags.layer === undefined ? flags.layers : { from: flags.layer, to: flags.layer };
  let seen = range ? onlyLayers(view, range.from, range.to) : view;
  if (range && seen.boxes.length === 0) throw new UserError('usage', `'${view.name}' has no layer ${range.from}`);
  if (flags.op !== undefined) {
    seen = onlyOperations(seen, flags.op);
    if (seen.boxes.length === 0) throw new UserError('usage', `no operation or tensor is like '${flags.op}'`);
  }
  if (!flags.weights) seen = withoutWeights(seen);
  if (flags.depth !== undefined && flags.depth !== Number.POSITIVE_INFINITY) seen = folded(seen, flags.depth);
  return flags['collapse-repeats'] ? repeatsCollapsed(seen) : seen;
};
