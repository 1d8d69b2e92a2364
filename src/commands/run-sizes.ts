/** Sizes of a graph's dimensions in a run. */
import type { Graph } from '../graph/graph.ts';
import { allSizes } from '../graph/graph.ts';
import type { Sizes } from '../graph/tensor.ts';

/** Sizes of all dimensions in a run of so many tokens of so many sequences after so many others. */
export const runSizes = (
  graph: Graph,
  { tokens, past, seqs }: { readonly tokens: number; readonly past: number; readonly seqs: number },
): Sizes => {
  const nKv = past + tokens;
  return allSizes(graph, { B: seqs, W: seqs, T: tokens, nKv, nCtx: nKv, nOut: seqs });
};
