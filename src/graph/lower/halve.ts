/**
 * A program in float32 turned into one that computes in float16: weights, constants and what is kept become halves,
 * inputs and outputs stay as they are. One place does it for everything, so that operations and blocks need not know.
 */
import type { CacheSpec } from './cache-plan.ts';
import type { Computed, Constant, NamedType, OnnxNode } from './emitter.ts';
import { ELEMENT_TYPE } from './emitter.ts';
import { halvesOf } from './halves.ts';
import type { InitializerGroup } from './initializers.ts';

/** What a lowered graph consists of before it is written. */
export interface Parts {
  readonly nodes: readonly OnnxNode[];
  /** Those that a run brings, then those that the session keeps. */
  readonly inputs: readonly NamedType[];
  readonly outputs: readonly NamedType[];
  readonly constants: readonly Constant[];
  readonly groups: readonly InitializerGroup[];
  readonly cache: CacheSpec | undefined;
}

const { f32: FLOAT, f16: FLOAT16 } = ELEMENT_TYPE;

/** The same program in half precision, but for what must stay exact. */
export const halve = (parts: Parts): Parts => {
  const { inputs, outputs, cache } = parts;
  const kept = new Set((cache?.states ?? []).flatMap(({ name, next }) => [name, next.name]));
  const isFloat = ({ name, dtype }: NamedType) => dtype === 'f32' && !kept.has(name);
  const brought = new Map(inputs.filter(isFloat).map(({ name }) => [name, `${name}.half`]));
  const given = new Map(outputs.filter(isFloat).map(({ name }) => [name, `${name}.half`]));
  const within = new Map([...brought, ...given]);
  const cast = (from: string, to: string, type: number): OnnxNode => ({
    opType: 'Cast',
    name: `${to}/Cast`,
    inputs: [{ kind: 'computed', name: from }],
    outputs: [{ kind: 'computed', name: to }],
    attributes: { to: type },
  });
  return {
    nodes: [
      ...[...brought].map(([name, half]) => cast(name, half, FLOAT16)),
      ...parts.nodes.map((node) => halvedNode(node, within)),
      ...[...given].map(([name, half]) => cast(half, name, FLOAT)),
    ],
    inputs: inputs.map((type) => (kept.has(type.name) ? halved(type) : type)),
    outputs: outputs.map((type) => (kept.has(type.name) ? halved(type) : type)),
    constants: parts.constants.map((constant) => (constant.isExact ? constant : halved(constant))),
    groups: parts.groups.map(halvedGroup),
    cache: cache && {
      ...cache,
      states: cache.states.map((state) => ({ ...halved(state), next: halved(state.next) })),
    },
  };
};

/** The bytes of float32 values, which may begin anywhere, as those of halves. */
const halvedBytes = (bytes: Uint8Array): Uint8Array => {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Uint8Array(halvesOf(new Float32Array(buffer, byteOffset, byteLength / 4)).buffer);
};

const halved = <T extends { readonly dtype: string }>(type: T): T =>
  type.dtype === 'f32' ? { ...type, dtype: 'f16' } : type;

const halvedNode = (node: OnnxNode, names: ReadonlyMap<string, string>): OnnxNode => {
  const renamed = <V extends Computed | undefined>(value: V): V =>
    value && names.has(value.name) ? { ...value, name: names.get(value.name) } : value;
  const attributes = Object.entries(node.attributes).map(([key, value]) => {
    if (node.opType === 'Cast' && key === 'to' && value === FLOAT) return [key, FLOAT16] as const;
    if (typeof value !== 'object' || !('nodes' in value)) return [key, value] as const;
    const nodes = value.nodes.map((inner) => halvedNode(inner, names));
    return [key, { nodes, outputs: value.outputs.map(halved) }] as const;
  });
  return {
    ...node,
    inputs: node.inputs.map(renamed),
    outputs: node.outputs.map(renamed),
    attributes: Object.fromEntries(attributes),
  };
};

const halvedGroup = (group: InitializerGroup): InitializerGroup => ({
  ...group,
  parts: group.parts.map((part) =>
    part.dtype === 'f32' ? { ...part, dtype: 'f16', byteLength: part.byteLength / 2 } : part,
  ),
  async load() {
    const arrays = await group.load();
    return arrays.map((bytes, i) => (group.parts[i]?.dtype === 'f32' ? halvedBytes(bytes) : bytes));
  },
});
