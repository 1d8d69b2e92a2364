/** What makes a function of nodes a block: its nodes remember that they belong together. */
import type { GraphBuilder } from '../builder.ts';

/** The same function; in pictures, costs and comparisons what one call adds is one thing of this name. */
export const block =
  <A extends readonly unknown[], R>(name: string, build: (g: GraphBuilder, ...rest: A) => R) =>
  (g: GraphBuilder, ...rest: A): R =>
    g.block(name, () => build(g, ...rest));
