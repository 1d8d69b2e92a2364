/** Pictures of graphs by Graphviz, which comes along as WebAssembly: nothing has to be installed. */
import { Graphviz } from '@hpcc-js/wasm-graphviz';

/** Graphviz measures letters by Courier's widths; these fonts have them and are nicer to read. */
const FONTS = "ui-monospace, 'DejaVu Sans Mono', 'Liberation Mono', Menlo, Courier, monospace";

/** An SVG picture of a graph in Graphviz' language; the title is what screen readers say of it. */
export const drawSvg = async (dot: string, title: string): Promise<string> => {
  const graphviz = await Graphviz.load();
  return graphviz
    .dot(dot, 'svg')
    .replace(/(<svg[^>]*>)/, (start) => `${start}\n<title>${escaped(title)}</title>`)
    .replaceAll('font-family="Courier"', `font-family="${FONTS}"`);
};

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
