/** Smaller views of a graph: some layers, some operations, layers or blocks as one box, alike layers as one. */

import { layerNumber, layerOf } from './layers.ts';
import type { Box, View } from './view.ts';

/** The boxes that `keep` wants, and what they read as far as it is no computation of its own. */
const kept = (view: View, keep: (box: Box) => boolean): View => {
  const wanted = new Set(view.boxes.filter(keep).map(({ id }) => id));
  const used = new Set(view.boxes.filter(({ id }) => wanted.has(id)).flatMap(({ inputs }) => inputs));
  const boxes = view.boxes.filter(({ id, inputs }) => wanted.has(id) || (used.has(id) && inputs.length === 0));
  const ids = new Set(boxes.map(({ id }) => id));
  const foreign = view.boxes.filter(({ id }) => used.has(id) && !ids.has(id));
  return {
    ...view,
    boxes: [...foreign.map(asInput), ...boxes],
    outputs: view.outputs.filter(({ id }) => ids.has(id)),
  };
};

/** What comes from a part that is not shown. */
const asInput = (box: Box): Box => ({
  ...box,
  op: 'input',
  kind: 'leaf',
  symbol: 'from outside',
  inputs: [],
  path: [],
  attributes: {},
  nOp: 0,
  nParameter: 0,
});

/** Layers of these numbers alone; what they read from outside becomes an input. */
export const onlyLayers = (view: View, from: number, to: number): View =>
  kept(view, (box) => {
    const layer = layerOf(box);
    return layer !== undefined && layerNumber(layer) >= from && layerNumber(layer) <= to;
  });

/** Operations whose name or whose tensor's name fits the pattern, where * is any text and ? any letter. */
export const onlyOperations = (view: View, glob: string): View => {
  const pattern = new RegExp(
    `^${glob
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  );
  return kept(view, ({ op, id, kind }) => kind !== 'weight' && (pattern.test(op) || pattern.test(id)));
};

/** Boxes of the same first `depth` steps of their paths become one: 1 shows layers, 2 the blocks in them. */
export const folded = (view: View, depth: number): View =>
  foldedWhere(view, (group, path) => {
    const level = group.split('/').length;
    return level < depth && level < path.length;
  });

/** The boxes of each outermost group that is not open become one. A group is a beginning of a path, joined. */
export const foldedWhere = (view: View, isOpen: (group: string, path: readonly string[]) => boolean): View => {
  const groupOf = ({ path, id }: Box): string => {
    for (let n = 1; n <= path.length; n++) {
      const group = path.slice(0, n).join('/');
      if (!isOpen(group, path)) return group;
    }
    return id;
  };
  const groups = new Map<string, Box[]>();
  for (const box of view.boxes) {
    const group = groups.get(groupOf(box));
    if (group) group.push(box);
    else groups.set(groupOf(box), [box]);
  }
  const groupOfId = new Map(view.boxes.map((box) => [box.id, groupOf(box)]));
  const isRead = new Map<string, boolean>();
  for (const box of view.boxes)
    for (const id of box.inputs) if (groupOfId.get(id) !== groupOf(box)) isRead.set(id, true);
  for (const { id } of view.outputs) isRead.set(id, true);
  // A group's box stands where its last member stood, so that everything comes after what it reads.
  const lastOf = new Map(view.boxes.map((box) => [groupOf(box), box.id]));
  const boxes = view.boxes.flatMap((box) => {
    const key = groupOf(box);
    const members = groups.get(key) ?? [];
    if (lastOf.get(key) !== box.id) return [];
    if (key === box.id) return [{ ...box, inputs: box.inputs.map((id) => groupOfId.get(id) ?? id) }];
    return [asOne(key, members, { groupOfId, isRead })];
  });
  const outputs = view.outputs.map(({ name, id }) => ({ name, id: groupOfId.get(id) ?? id }));
  return { ...view, boxes, outputs };
};

interface Folding {
  readonly groupOfId: ReadonlyMap<string, string>;
  readonly isRead: ReadonlyMap<string, boolean>;
}

/** One box for all of a group: its shape is that of the last member that somebody outside reads. */
const asOne = (key: string, members: readonly Box[], { groupOfId, isRead }: Folding): Box => {
  const result = members.findLast(({ id }) => isRead.get(id)) ?? (members.at(-1) as Box);
  const inputs = unique(
    members.flatMap((m) => m.inputs.map((id) => groupOfId.get(id) ?? id)).filter((id) => id !== key),
  );
  const path = key.split('/');
  const computed = members.filter(({ nOp }) => nOp > 0);
  const costs = members.flatMap(({ cost }) => cost ?? []);
  return {
    id: key,
    op: (path.at(-1) ?? key).replace(/#\d+$/, ''),
    kind: 'block',
    symbol: computed.length <= 1 ? (computed[0] ?? result).symbol : `${computed.length} ops`,
    dtype: result.dtype,
    shape: result.shape,
    inputs,
    path: path.slice(0, -1),
    attributes: {},
    nOp: total(members, 'nOp'),
    nParameter: total(members, 'nParameter'),
    ...markOf(members),
    ...timeOf(members),
    ...(costs.length === members.length && { cost: sumOf(costs) }),
  };
};

/** What is all new, or all gone, is marked so; a group in which anything differs has changed. */
const markOf = (members: readonly Box[]): Pick<Box, 'mark'> => {
  const marks = new Set(members.map(({ mark }) => mark));
  const [mark, ...others] = marks;
  if (mark === undefined && others.length === 0) return {};
  return { mark: others.length === 0 && mark !== undefined ? mark : 'changed' };
};

const timeOf = (members: readonly Box[]): Pick<Box, 'time'> => {
  const times = members.flatMap(({ time }) => time ?? []);
  if (times.length === 0) return {};
  const devices = unique(times.flatMap((time) => time.devices)).toSorted();
  return { time: { ms: times.reduce((sum, { ms }) => sum + ms, 0), devices } };
};

const total = (boxes: readonly Box[], what: 'nOp' | 'nParameter'): number => boxes.reduce((n, box) => n + box[what], 0);

const sumOf = (costs: readonly { readonly flops: number; readonly bytes: number }[]) => ({
  flops: costs.reduce((n, { flops }) => n + flops, 0),
  bytes: costs.reduce((n, { bytes }) => n + bytes, 0),
});

const unique = (ids: readonly string[]): readonly string[] => [...new Set(ids)];

/**
 * Runs of layers that are alike (operations, shapes, types, wiring, differences) become their first, which says how many
 * it is, and has the mean of their times.
 */
export const repeatsCollapsed = (view: View): View => {
  const runs = runsOf(view);
  const gone = new Map<string, string>();
  const repeats = new Map(view.repeats);
  for (const run of runs) {
    const [first, ...rest] = run.layers;
    if (!first || rest.length === 0) continue;
    repeats.set(first.name, { times: run.layers.length, last: (rest.at(-1) as Layer).name });
    for (const layer of rest) for (const [i, { id }] of layer.boxes.entries()) gone.set(id, (first.boxes[i] as Box).id);
  }
  const times = meanTimes(view.boxes, gone);
  const boxes = view.boxes
    .filter(({ id }) => !gone.has(id))
    .map((box) => ({ ...box, ...times.get(box.id), inputs: box.inputs.map((id) => gone.get(id) ?? id) }));
  const outputs = view.outputs.filter(({ id }, i, all) => !gone.has(id) || all.findIndex((o) => o.id === id) === i);
  return { ...view, boxes, outputs: outputs.map((o) => ({ ...o, id: gone.get(o.id) ?? o.id })), repeats };
};

/** The mean time of a box and of those that it stands for. */
const meanTimes = (
  boxes: readonly Box[],
  gone: ReadonlyMap<string, string>,
): ReadonlyMap<string, Pick<Box, 'time'>> => {
  const alike = new Map<string, Box[]>();
  for (const box of boxes)
    alike.set(gone.get(box.id) ?? box.id, [...(alike.get(gone.get(box.id) ?? box.id) ?? []), box]);
  return new Map(
    [...alike].map(([id, all]) => {
      const { time } = timeOf(all);
      return [id, time ? { time: { ...time, ms: time.ms / all.length } } : {}];
    }),
  );
};

interface Layer {
  readonly name: string;
  readonly boxes: readonly Box[];
}

const runsOf = (view: View): { readonly layers: Layer[] }[] => {
  const layers = layersOf(view);
  const byId = new Map(view.boxes.map((box) => [box.id, box]));
  const likeness = ({ name, boxes }: Layer): string => {
    const places = new Map(boxes.map(({ id }, i) => [id, i]));
    const sourceOf = (id: string): unknown => {
      const place = places.get(id);
      if (place !== undefined) return place;
      const source = byId.get(id);
      // What flows from layer to layer need not have the same name; what all layers read must be the same.
      return source && source.inputs.length > 0 ? [source.dtype, source.shape] : id;
    };
    return JSON.stringify(
      boxes.map(({ op, dtype, shape, attributes, inputs, path, nOp, nParameter, mark }) => [
        op === name ? 'layer' : op.replace(/\.\d+$/, ''),
        dtype,
        shape,
        attributes,
        inputs.map(sourceOf),
        path.slice(1),
        nOp,
        nParameter,
        mark,
      ]),
    );
  };
  const runs: { readonly layers: Layer[]; readonly likeness: string }[] = [];
  for (const layer of layers) {
    const own = likeness(layer);
    const run = runs.at(-1);
    if (run?.likeness === own) run.layers.push(layer);
    else runs.push({ layers: [layer], likeness: own });
  }
  return runs;
};

/** Layers in their order; a box that stands for a whole layer is one too. */
const layersOf = (view: View): Layer[] => {
  const layers = new Map<string, Box[]>();
  for (const box of view.boxes) {
    const name = box.kind === 'block' && box.path.length === 0 ? layerOf({ path: [box.id] }) : layerOf(box);
    if (name === undefined) continue;
    const boxes = layers.get(name);
    if (boxes) boxes.push(box);
    else layers.set(name, [box]);
  }
  return [...layers].map(([name, boxes]) => ({ name, boxes }));
};

/** Without boxes for weights; who reads them counts their values as its own. */
export const withoutWeights = (view: View): View => {
  const weights = new Map(view.boxes.filter(({ kind }) => kind === 'weight').map((box) => [box.id, box]));
  const boxes = view.boxes
    .filter(({ id }) => !weights.has(id))
    .map((box) => {
      const own = box.inputs.flatMap((id) => weights.get(id) ?? []);
      const nParameter = box.nParameter + total(own, 'nParameter');
      return { ...box, inputs: box.inputs.filter((id) => !weights.has(id)), nParameter };
    });
  return { ...view, boxes };
};
