/** A view as text, one box a line, laid out as ggml_graph_print does it. */
import { isSource } from './kinds.ts';
import type { Box, View } from './view.ts';

/**
 * Computations as `ggml_graph_print` has them, number, extents (innermost first) and operation, then what ggml leaves
 * out: the name and what is read; then leaves.
 */
export const printText = (view: View): string => {
  const leaves = view.boxes.filter(isSource);
  const nodes = view.boxes.filter((box) => !isSource(box));
  const namesOf = new Map<string, string[]>();
  for (const { name, id } of view.outputs) namesOf.set(id, [...(namesOf.get(id) ?? []), name]);
  const width = Math.max(...view.boxes.map(({ op }) => op.length), 0);
  const line = (box: Box, i: number) => {
    const outputs = (namesOf.get(box.id) ?? []).map((name) => ` => ${name}`).join('');
    const times = view.repeats.get(box.id)?.times;
    const reads = box.inputs.length > 0 ? ` <- ${box.inputs.join(', ')}` : '';
    const number = String(i).padStart(3);
    return ` - ${number}: ${extents(box)} ${box.op.padStart(width)}  ${box.id}${times ? ` x${times}` : ''}${reads}${outputs}`;
  };
  const runs = [...view.repeats].map(
    ([layer, { times, last }]) => `${layer} .. ${last}: ${times} alike, the first is shown`,
  );
  return [
    `=== GRAPH === ${view.name}`,
    ...runs,
    `n_nodes = ${nodes.length}`,
    ...nodes.map(line),
    `n_leafs = ${leaves.length}`,
    ...leaves.map((box, i) => `${line(box, i)} (${box.dtype || '?'})`),
    '='.repeat(40),
    '',
  ].join('\n');
};

/** Innermost first, as ggml counts: `[    64,     7,     1]`. */
const extents = ({ shape, dtype }: Box): string => {
  if (dtype === '') return '[     ?,     ?,     ?]';
  const inner = [...shape].reverse();
  while (inner.length < 3) inner.push(1);
  return `[${inner.map((dim) => String(dim).padStart(6)).join(',')}]`;
};
