/** Makes a model tell which experts its tokens choose. */
import type { GraphBuilder } from '../graph/builder.ts';
import { ROWS, TOP_K } from '../graph/ops/select.ts';
import { unflatten } from '../graph/ops/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { size } from '../graph/tensor.ts';

/** A layer whose choices a run tells. */
export interface WatchedLayer {
  readonly il: number;
  readonly output: string;
  readonly nExpert: number;
  readonly nUsed: number;
}

/** Makes every layer's choice of experts an output of a finished graph, `[B, T, nExpertUsed]`. */
export const watchExperts = (g: GraphBuilder): WatchedLayer[] => {
  const { nodes } = g.build();
  const stream = nodes.find(({ op }) => op === ROWS);
  const choices = nodes.filter(({ op }) => op === TOP_K);
  return choices.map((chosen) => {
    const il = Number(/^blk\.(\d+)\./.exec(chosen.name)?.[1]);
    const output = `experts.${il}`;
    g.output(output, unflatten(g, chosen, stream as Tensor));
    return { il, output, nExpert: size(chosen.inputs[0] as Tensor, -1), nUsed: size(chosen, -1) };
  });
};
