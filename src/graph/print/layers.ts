/** Layers, as paths name them. */

const LAYER = /\.(\d+)$/;

/** The layer a path leads through: 'blk.3' of 'blk.3', 'attention'. */
export const layerOf = ({ path }: { readonly path: readonly string[] }): string | undefined =>
  path.find((name) => LAYER.test(name));

/** The number of a layer. */
export const layerNumber = (layer: string): number => Number(LAYER.exec(layer)?.[1]);
