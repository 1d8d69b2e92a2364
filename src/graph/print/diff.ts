/** Two views side by side: what only one of them has, and what is not the same in both. */
import { showShape } from '../tensor.ts';
import type { Box, View } from './view.ts';

export interface Change {
  readonly name: string;
  readonly what: 'operation' | 'type' | 'shape' | 'attributes' | 'inputs';
  readonly before: string;
  readonly after: string;
}

export interface ViewDiff {
  readonly removed: readonly Box[];
  readonly added: readonly Box[];
  readonly changed: readonly Change[];
}

/** What leads from one view to another; nodes of the same name are the same node. */
export const diffViews = (before: View, after: View): ViewDiff => {
  const [a, b] = [before, after].map((view) => new Map(view.boxes.map((box) => [box.id, box])));
  return {
    removed: before.boxes.filter(({ id }) => !b?.has(id)),
    added: after.boxes.filter(({ id }) => !a?.has(id)),
    changed: after.boxes.flatMap((box) => {
      const old = a?.get(box.id);
      return old ? changesOf(old, box) : [];
    }),
  };
};

const changesOf = (a: Box, b: Box): Change[] => {
  const aspects: readonly (readonly [Change['what'], (box: Box) => string])[] = [
    ['operation', ({ op }) => op],
    ['type', ({ dtype }) => dtype],
    ['shape', ({ shape }) => showShape(shape)],
    ['attributes', ({ attributes }) => JSON.stringify(attributes)],
    ['inputs', ({ inputs }) => inputs.join(', ')],
  ];
  return aspects
    .map(([what, of]) => ({ name: b.id, what, before: of(a), after: of(b) }))
    .filter((change) => change.before !== change.after);
};

/** Whether two views show the same. */
export const isEmpty = ({ removed, added, changed }: ViewDiff): boolean =>
  removed.length + added.length + changed.length === 0;

/** One difference a line: - only in the first, + only in the second, ~ changed. */
export const printDiff = ({ removed, added, changed }: ViewDiff): string => {
  const line = (sign: string, { id, op, dtype, shape }: Box) => `${sign} ${id}  ${op} ${dtype} ${showShape(shape)}\n`;
  return [
    ...removed.map((box) => line('-', box)),
    ...added.map((box) => line('+', box)),
    ...changed.map(({ name, what, before, after }) => `~ ${name}  ${what}: ${before} -> ${after}\n`),
    `${removed.length} only in the first, ${added.length} only in the second, ${changed.length} changed\n`,
  ].join('');
};

/** Both views in one, each box that is not the same in both marked. */
export const mergedView = (before: View, after: View): View => {
  const diff = diffViews(before, after);
  const marks = new Map<string, NonNullable<Box['mark']>>([
    ...diff.changed.map(({ name }) => [name, 'changed'] as const),
    ...diff.added.map(({ id }) => [id, 'added'] as const),
    ...diff.removed.map(({ id }) => [id, 'removed'] as const),
  ]);
  const marked = (box: Box): Box => {
    const mark = marks.get(box.id);
    return mark ? { ...box, mark } : box;
  };
  const boxes = [...diff.removed, ...after.boxes].map(marked);
  const names = new Set(after.outputs.map(({ name }) => name));
  return { ...after, boxes, outputs: [...after.outputs, ...before.outputs.filter(({ name }) => !names.has(name))] };
};
