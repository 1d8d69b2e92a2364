/** From what a user names to graphs: a file's header or a shape, a part, and the sizes of its dimensions. */
import { UserError } from '../../errors.ts';
import { GraphBuilder } from '../../graph/builder.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Sizes } from '../../graph/tensor.ts';
import type { WeightSource } from '../../graph/weights.ts';
import { inventModel } from '../../io/invented.ts';
import { openModelFile } from '../../io/model-file.ts';
import { anyModel } from '../../models/index.ts';
import { archOf } from '../family.ts';
import { type ModelWish, modelPath, openHeader } from '../model-source.ts';
import { runSizes } from '../run-sizes.ts';
import { noticeUnless } from '../terminal.ts';

/** What is asked for, as the flags say it. */
export interface GraphWish extends ModelWish {
  readonly arch: string | undefined;
  readonly shape: string | undefined;
  readonly type: string;
  readonly part: string | undefined;
  readonly mla: 'absorb' | 'expand';
  readonly tokens: number | undefined;
  readonly past: number | undefined;
  readonly seqs: number | undefined;
}

/** A part of a model with the sizes that are known of its dimensions. */
export interface ChosenGraph {
  readonly arch: string;
  /** As the user calls it: 'prefill'. */
  readonly part: string;
  readonly graph: Graph;
  /** Of every dimension, or of none but those that the part itself fixes. */
  readonly sizes: Sizes;
}

/**
 * Opens what is named and hands it to `use` while its file is open.
 * @param reads whether weights are read too: then a model of the hub is downloaded
 */
export const withSource = async <R>(
  wish: ModelWish & Pick<GraphWish, 'arch' | 'shape' | 'type'>,
  use: (source: WeightSource) => Promise<R>,
  reads: 'header' | 'weights' = 'header',
): Promise<R> => {
  const { model, arch } = wish;
  if (model !== undefined && arch !== undefined)
    throw new UserError('usage', '-m and --arch: a graph is of a file, or of a shape');
  if (arch !== undefined) return use(inventModel(arch, wish.shape, wish.type));
  if (wish.shape !== undefined) throw new UserError('usage', '--shape changes what --arch names, not a file');
  const notice = noticeUnless(wish.quiet ?? false);
  const file = await (reads === 'weights'
    ? openModelFile(await modelPath(wish, 'any', notice))
    : openHeader(wish, 'any', notice));
  try {
    return await use(file);
  } finally {
    await file.close();
  }
};

/** The names that `--part` takes for a model with these graphs. */
export const partsOf = (graphs: readonly string[]): readonly string[] =>
  graphs.includes('decoder') ? [...graphs, 'prefill', 'decode'] : graphs;

/** The part's graph. Throws a UserError that names the parts there are. */
export const chooseGraph = (source: WeightSource, wish: GraphWish): ChosenGraph => {
  const arch = archOf(source.metadata);
  const model = anyModel(arch);
  const parts = partsOf(model.graphs);
  const part = wish.part ?? (parts.includes('decoder') ? 'decoder' : (parts[0] as string));
  const form = wish.mla === 'expand' && model.graphs.includes('expanded') ? 'expanded' : 'decoder';
  const names = part.split('+').map((name) => {
    if (!parts.includes(name))
      throw new UserError('usage', `${arch} has no part '${name}'`, `its parts are ${parts.join(', ')}`);
    return name === 'prefill' || name === 'decode' || name === 'decoder' ? form : name;
  });
  const { graphs } = model.open(source);
  const g = new GraphBuilder(names.join('+'));
  for (const name of names) {
    const build = graphs[name];
    if (!build) throw new Error(`${arch} has no graph '${name}'`);
    build(g);
  }
  const graph = g.build();
  return { arch, part, graph, sizes: sizesOf(graph, part, wish) };
};

const sizesOf = (graph: Graph, part: string, { tokens, past, seqs }: GraphWish): Sizes => {
  const isDecode = part === 'decode';
  if (tokens === undefined && past === undefined && seqs === undefined) return isDecode ? { T: 1 } : {};
  return runSizes(graph, { tokens: tokens ?? 1, past: past ?? 0, seqs: seqs ?? 1 });
};
