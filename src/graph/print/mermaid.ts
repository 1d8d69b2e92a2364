/** A view as a Mermaid flowchart, which GitHub and GitLab draw in Markdown. */
import { showShape } from '../tensor.ts';
import { layerOf } from './layers.ts';
import { themes } from './theme.ts';
import type { Box, View } from './view.ts';

/** A view as a Mermaid flowchart. */
export const printMermaid = (view: View): string => {
  const ids = new Map(view.boxes.map(({ id }, i) => [id, `n${i}`]));
  const idOf = (id: string): string => ids.get(id) ?? 'unknown';
  const inLayers = new Map<string, Box[]>();
  for (const box of view.boxes) {
    const layer = layerOf(box) ?? '';
    inLayers.set(layer, [...(inLayers.get(layer) ?? []), box]);
  }
  const boxLine = (box: Box) => {
    const times = view.repeats.get(box.id)?.times;
    const lines = [
      `${box.id}${times ? ` ×${times}` : ''}`,
      box.dtype === '' ? box.op : `${box.op} ${box.dtype} ${showShape(box.shape)}`,
    ];
    return `${idOf(box.id)}["${lines.map(entities).join('<br/>')}"]:::${box.kind}`;
  };
  const layers = [...inLayers].flatMap(([layer, boxes], i) => {
    if (layer === '') return boxes.map((box) => `  ${boxLine(box)}`);
    const run = view.repeats.get(layer);
    const title = run ? `${layer} .. ${run.last} ×${run.times}` : layer;
    return [`  subgraph layer${i}["${entities(title)}"]`, ...boxes.map((box) => `    ${boxLine(box)}`), '  end'];
  });
  const kinds = [...new Set(view.boxes.map(({ kind }) => kind))].sort();
  return [
    'flowchart TD',
    ...layers,
    ...view.boxes.flatMap((box) => box.inputs.map((source) => `  ${idOf(source)} --> ${idOf(box.id)}`)),
    ...view.outputs.flatMap(({ name, id }, i) => [`  out${i}(["${entities(name)}"])`, `  ${idOf(id)} --> out${i}`]),
    ...kinds.map(
      (kind) =>
        `  classDef ${kind} fill:${themes.light.fill[kind]},stroke:${themes.light.line},color:${themes.light.ink}`,
    ),
    '',
  ].join('\n');
};

/** What has a meaning in a label, as Mermaid's entities. */
const entities = (text: string): string => text.replace(/[#"<>&]/g, (sign) => `#${sign.codePointAt(0)};`);
