/** What an architecture is: how its header is read, which tensors it has, and which graphs they make. */
import type { GraphBuilder } from '../graph/builder.ts';
import type { Hparams } from '../graph/hparams.ts';
import type { Weights } from '../graph/weights.ts';

export interface ModelDefinition<H, W> {
  /** The file's `general.architecture`. */
  readonly arch: string;
  hparams(meta: Hparams): H;
  weights(w: Weights, h: H): W;
  readonly graphs: Readonly<Record<string, (g: GraphBuilder, m: { readonly h: H; readonly w: W }) => void>>;
}

/** Gives a definition its types by inference. */
export const define = <H, W, D extends ModelDefinition<H, W>>(definition: D & ModelDefinition<H, W>): D => definition;
