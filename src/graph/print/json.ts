/** A view as JSON, one box a line; docs/graph.schema.json says what stands where. */
import type { View } from './view.ts';

/** Raised when a field changes its meaning or goes away. */
const VERSION = 1;

/** A view as JSON: nodes, edges, clusters. */
export const printJson = (view: View): string => {
  const nodes = view.boxes.map(
    ({ id, op, kind, symbol, dtype, shape, inputs, path, attributes, nOp, nParameter, cost }) =>
      JSON.stringify({
        name: id,
        op,
        kind,
        formula: symbol,
        ...(dtype !== '' && { type: dtype, shape }),
        inputs,
        path,
        ...(Object.keys(attributes).length > 0 && { attributes }),
        ...(kind === 'block' && { operations: nOp }),
        ...(nParameter > 0 && { parameters: nParameter }),
        ...(cost && { flops: cost.flops, bytes: cost.bytes }),
      }),
  );
  const repeats = [...view.repeats].map(([first, { last, times }]) => ({ first, last, times }));
  return [
    '{',
    `"format": "grafo-graph", "version": ${VERSION}, "graph": ${JSON.stringify(view.name)},`,
    `"outputs": ${JSON.stringify(view.outputs.map(({ name, id }) => ({ name, node: id })))},`,
    `"repeats": ${JSON.stringify(repeats)},`,
    '"nodes": [',
    nodes.join(',\n'),
    ']',
    '}',
    '',
  ].join('\n');
};
