/** Pictures of graphs by Graphviz, which comes along as WebAssembly: nothing has to be installed. */
import { Graphviz } from '@hpcc-js/wasm-graphviz';

/** Graphviz measures letters by Courier's widths; these fonts have them and are nicer to read. */
const FONTS = "ui-monospace, 'DejaVu Sans Mono', 'Liberation Mono', Menlo, Courier, monospace";

/** An SVG picture of a graph in Graphviz' language. */
export const drawSvg = async (dot: string): Promise<string> => {
  const graphviz = await Graphviz.load();
  return graphviz.dot(dot, 'svg').replaceAll('font-family="Courier"', `font-family="${FONTS}"`);
};
