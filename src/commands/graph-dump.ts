/** `grafo graph-dump`: the graph of a model, from its header alone, in many forms. */

import { UserError } from '../errors.ts';
import { folded, onlyLayers, onlyOperations, repeatsCollapsed, withoutWeights } from '../graph/print/filter.ts';
import type { View } from '../graph/print/view.ts';
import { command } from './command.ts';
import { measured } from './graph-measures.ts';
import { chooseGraph, withSource } from './graph-model.ts';
import type { GraphFlags } from './graph-options.ts';
import { graphOptions } from './graph-options.ts';
import { formatOf, pictured, writeOutput } from './graph-output.ts';
import { onnxOf, viewAtStage } from './graph-stage.ts';
import { valuesText, valueTokens } from './graph-values.ts';

export const graphDumpCommand = command({
  name: 'graph-dump',
  describe: "show a model's graph: as text, picture or ONNX, from the file's header alone",
  options: graphOptions,
  examples: [
    ['grafo graph-dump -m model.gguf', 'every operation, one a line'],
    ['grafo graph-dump -m model.gguf --collapse-repeats --depth module -o model.svg', 'a picture of the blocks'],
    ['grafo graph-dump -m model.gguf --layer 0 -o layer.png', 'every operation of the first layer'],
    ['grafo graph-dump -m model.gguf --cost --tokens 512', 'what a prompt and a token cost, by block'],
    ['grafo graph-dump -m model.gguf --values -p "Once"', 'every tensor of a run, to be compared with llama.cpp'],
    ['grafo graph-dump --arch deepseek-v3 --part decode --past 4095 --format json', 'without a file'],
  ],
  async run(flags) {
    const format = formatOf(flags.format, flags.output);
    const measure = flags.cost ? 'cost' : flags.memory ? 'memory' : undefined;
    if (measure !== undefined && format !== 'text' && format !== 'json')
      throw new UserError('usage', `--${measure} is text or json, not ${format}`);
    await withSource(flags, async (source) => {
      if (measure !== undefined) return writeOutput(flags.output, measured(source, measure, { ...flags, format }));
      const chosen = chooseGraph(source, flags);
      if (flags.values)
        return writeOutput(flags.output, await valuesText(chosen, valueTokens(source, flags.ids, flags.prompt)));
      if (format === 'onnx') return writeOutput(flags.output, await onnxOf(chosen, flags));
      const view = filtered(await viewAtStage(chosen, flags), flags);
      return writeOutput(flags.output, await pictured(view, format, `${chosen.arch} ${chosen.part}`, flags));
    });
    return 0;
  },
});

/** The filters in the order in which they make sense together: layers, operations, weights, boxes, repeats. */
const filtered = (view: View, flags: GraphFlags): View => {
  const range = flags.layer === undefined ? flags.layers : { from: flags.layer, to: flags.layer };
  let seen = range ? onlyLayers(view, range.from, range.to) : view;
  if (flags.op !== undefined) seen = onlyOperations(seen, flags.op);
  if (!flags.weights) seen = withoutWeights(seen);
  if (flags.depth !== undefined && flags.depth !== Number.POSITIVE_INFINITY) seen = folded(seen, flags.depth);
  return flags['collapse-repeats'] ? repeatsCollapsed(seen) : seen;
};
