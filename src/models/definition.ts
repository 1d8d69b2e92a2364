/** What an architecture is: how its header is read, which tensors it has, and which graphs they make. */
import { UserError } from '../errors.ts';
import type { GraphBuilder } from '../graph/builder.ts';
import { Hparams } from '../graph/hparams.ts';
import type { WeightSource } from '../graph/weights.ts';
import { Weights } from '../graph/weights.ts';

export interface ModelDefinition<H, W> {
  /** The file's `general.architecture`. */
  readonly arch: string;
  hparams(meta: Hparams): H;
  weights(w: Weights, h: H): W;
  readonly graphs: Readonly<Record<string, (g: GraphBuilder, m: { readonly h: H; readonly w: W }) => void>>;
}

/** Gives a definition its types by inference. */
export const define = <H, W, D extends ModelDefinition<H, W>>(definition: D & ModelDefinition<H, W>): D => definition;

/**
 * Hyperparameters and weights of a source, from its header alone.
 * @param share whether the definition is of all of the source, so that a tensor it does not use is an error
 * @throws UserError 'model' where the source does not fit the definition
 */
export const readModel = <H, W>(
  definition: ModelDefinition<H, W>,
  source: WeightSource,
  share: 'all' | 'part' = 'all',
): { h: H; w: W } => {
  const { arch } = definition;
  const h = definition.hparams(new Hparams(source.metadata, arch));
  const weights = new Weights(source);
  const w = definition.weights(weights, h);
  const [unused] = share === 'all' ? weights.unusedAdapters() : [];
  if (unused)
    throw new UserError(
      'model',
      `architecture '${arch}' has no place for an adapter of '${unused.name}' ('${unused.from}')`,
    );
  const unclaimed = share === 'all' ? weights.unclaimed() : [];
  if (unclaimed.length > 0) {
    const names = unclaimed.slice(0, 3).join("', '") + (unclaimed.length > 3 ? "', ..." : "'");
    throw new UserError(
      'model',
      `architecture '${arch}' does not use ${unclaimed.length} of the file's tensors: '${names}`,
    );
  }
  return { h, w };
};
