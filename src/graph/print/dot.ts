/** A view in Graphviz' language, in the look of ggml_graph_dump_dot; ids are names, so two dumps are the same bytes. */
import type { Theme } from './theme.ts';
import { heatColour, themes } from './theme.ts';
import type { Box, View } from './view.ts';

export interface DotOptions {
  readonly theme: Theme;
}

/** Layers, and blocks in them, are clusters. */
export const printDot = (view: View, { theme }: DotOptions = { theme: themes.light }): string => {
  const look = { view, theme, most: Math.max(0, ...view.boxes.map(({ time }) => time?.ms ?? 0)) };
  const tree = treeOf(view.boxes);
  const edges = view.boxes.flatMap((box) =>
    box.inputs.map(
      (source, i) =>
        `  ${quoted(source)} -> ${quoted(box.id)} [ arrowhead = vee; style = solid; label = ${quoted(edgeLabel(box, i))}; ]`,
    ),
  );
  const outputs = view.outputs.flatMap(({ name, id }) => [
    `  ${quoted(`output ${name}`)} [ style = filled; fillcolor = ${quoted(theme.fill.leaf)}; shape = ellipse; label=${quoted(name)}; ]`,
    `  ${quoted(id)} -> ${quoted(`output ${name}`)} [ arrowhead = vee; style = solid; ]`,
  ]);
  return [
    'digraph G {',
    '  newrank = true;',
    '  rankdir = TB;',
    `  graph [ bgcolor = ${quoted(theme.paper)}; fontname = "Courier"; fontcolor = ${quoted(theme.ink)}; fontsize = 12; nodesep = 0.3; ranksep = 0.35; ]`,
    `  node [ fontname = "Courier"; fontsize = 11; color = ${quoted(theme.line)}; fontcolor = ${quoted(theme.ink)}; ]`,
    `  edge [ fontname = "Courier"; fontsize = 8; color = ${quoted(theme.line)}; fontcolor = ${quoted(theme.line)}; arrowsize = 0.7; ]`,
    ...printTree(tree, look, 1),
    ...edges,
    ...outputs,
    '}',
    '',
  ].join('\n');
};

interface Look {
  readonly view: View;
  readonly theme: Theme;
  /** Milliseconds of the box that took the most; 0 where nothing was measured. */
  readonly most: number;
}

/** Boxes by the layers and blocks they stand in. */
interface Tree {
  readonly path: readonly string[];
  readonly boxes: Box[];
  readonly inner: Map<string, Tree>;
}

const treeOf = (boxes: readonly Box[]): Tree => {
  const root: Tree = { path: [], boxes: [], inner: new Map() };
  for (const box of boxes) {
    let at = root;
    // More frames than a layer's and a block's are noise.
    for (const name of box.path.slice(0, MAX_NESTING)) {
      const inner: Tree = at.inner.get(name) ?? { path: [...at.path, name], boxes: [], inner: new Map() };
      at.inner.set(name, inner);
      at = inner;
    }
    at.boxes.push(box);
  }
  return root;
};

const MAX_NESTING = 2;

const printTree = (tree: Tree, look: Look, depth: number): string[] => {
  const { view, theme } = look;
  const indent = '  '.repeat(depth);
  // A frame around a single box says nothing that the box does not.
  if (tree.path.length > 1 && tree.boxes.length === 1 && tree.inner.size === 0)
    return tree.boxes.map((box) => `${indent}${boxLine(box, look)}`);
  const inner = [...tree.inner.values()].flatMap((t) => printTree(t, look, depth + (tree.path.length > 0 ? 1 : 0)));
  if (tree.path.length === 0) return [...tree.boxes.map((box) => `  ${boxLine(box, look)}`), ...inner];
  const name = tree.path.at(-1) ?? '';
  const times = view.repeats.get(name);
  const label = times ? `${name} .. ${times.last}  ×${times.times}` : name;
  const fill = tree.path.length === 1 ? theme.layer : theme.block;
  return [
    `${indent}subgraph ${quoted(`cluster ${tree.path.join('/')}`)} {`,
    `${indent}  label = ${quoted(label)}; labeljust = l; style = "filled,rounded"; fillcolor = ${quoted(fill)}; color = ${quoted(theme.line)};`,
    ...tree.boxes.map((box) => `${indent}  ${boxLine(box, look)}`),
    ...inner,
    `${indent}}`,
  ];
};

/** By difference where two graphs are compared, by time where one was measured, else by kind. */
const fillOf = ({ mark, time, kind }: Box, { theme, most }: Look): string => {
  if (mark) return theme.mark[mark];
  return most > 0 ? heatColour(theme, (time?.ms ?? 0) / most) : theme.fill[kind];
};

const timeText = ({ time }: Box): string =>
  time ? `|${time.ms.toFixed(3)} ms, ${escaped(time.devices.join(', '))}` : '';

const boxLine = (box: Box, look: Look): string => {
  const { view } = look;
  const extents = box.dtype === '' ? '[?]' : `[${[...box.shape].reverse().join(', ')}]`;
  const times = view.repeats.get(box.id)?.times;
  const name = escaped(`${box.id}${times ? ` ×${times}` : ''} (${box.dtype || '?'})`);
  const label =
    box.kind === 'leaf' || box.kind === 'weight'
      ? `<x>${name}|${escaped(extents)}`
      : `${name}|${escaped(extents)}|<x>${escaped(box.symbol)}${timeText(box)}`;
  const shape = box.kind === 'block' ? 'Mrecord' : 'record';
  return `${quoted(box.id)} [ style = filled; fillcolor = ${quoted(fillOf(box, look))}; shape = ${shape}; label=${quoted(label)}; ]`;
};

/** ggml's words, a step away from the line; where there is one input, or a block, the number says nothing. */
const edgeLabel = ({ inputs, kind }: Box, i: number): string =>
  inputs.length > 1 && kind !== 'block' ? `  src ${i}` : '';

/** A text in quotes; a backslash before one of a record's own signs stays as it is. */
const quoted = (text: string): string => `"${text.replace(/"/g, '\\"').replace(/\\(?![{}|<> "n\\])/g, '\\\\')}"`;

/** What has a meaning in a record's label, taken literally. */
const escaped = (text: string): string => text.replace(/[\\{}|<>]/g, '\\$&');
