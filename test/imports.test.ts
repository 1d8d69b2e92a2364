/**
 * Which room may know which: reads every import line of the sources. What a file runs (values) follows the road in one
 * direction. Types are erased before anything runs, so a record may name the type of what a later room hands to it,
 * such as the emitter that an operation's `lower` is given; the second table says where.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../src/', import.meta.url));

interface Import {
  /** Path below src, with slashes. */
  readonly file: string;
  /** Path below src of a file of ours, or the name of a package. */
  readonly from: string;
  readonly isOurs: boolean;
  readonly isType: boolean;
}

const sources = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));

/** `import x from 'y'`, `import type { x } from 'y'`, `import 'y'`; the same with `export`; `import('y')`. */
const importLines: readonly RegExp[] = [
  /^import\s+(type\s+)?(?:([^'"();]*?)\s+from\s+)?['"]([^'"]+)['"]/gm,
  /^export\s+(type\s+)?(\{[^}]*\}|\*[^'"]*?)\s+from\s+['"]([^'"]+)['"]/gm,
  /\bimport(\s*)(\()\s*['"]([^'"]+)['"]/g,
];

/** Whether only types are named: `{ type A, type B }`. */
const namesTypesOnly = (names: string): boolean => {
  const list = /^\{([^}]*)\}$/.exec(names.trim())?.[1];
  const each = (list ?? '').split(',').filter((name) => name.trim() !== '');
  return each.length > 0 && each.every((name) => name.trim().startsWith('type '));
};

const importsOf = (file: string): Import[] => {
  const text = readFileSync(join(root, file), 'utf8');
  const found = importLines.flatMap((line) => [...text.matchAll(line)]);
  return found.map(([, type, names = '', target = '']) => {
    const isOurs = target.startsWith('.');
    const from = isOurs ? posix.join(posix.dirname(file), target) : target;
    return { file, from, isOurs, isType: type?.trim() === 'type' || namesTypesOnly(names) };
  });
};

const imports = sources.flatMap(importsOf);
const ours = imports.filter((line) => line.isOurs);

type Room =
  | 'errors'
  | 'system'
  | 'core'
  | 'ops'
  | 'builder'
  | 'blocks'
  | 'lower'
  | 'device'
  | 'print'
  | 'models'
  | 'io'
  | 'commands'
  | 'page'
  | 'cli';

/** The core of the graph: tensor, op, graph, weights, hparams; the rest of graph/ has rooms of its own. */
const roomOf = (file: string): Room => {
  const [, room] =
    /^graph\/(ops|blocks|lower|device|print)\//.exec(file) ?? /^(system|models|io|commands|page)\//.exec(file) ?? [];
  if (room) return room as Room;
  if (file === 'graph/builder.ts') return 'builder';
  if (/^graph\/[^/]+$/.test(file)) return 'core';
  if (file === 'errors.ts') return 'errors';
  if (file === 'cli.ts') return 'cli';
  throw new Error(`${file} is in no room`);
};

/** Whose values a room may use, beside its own. */
const values: Readonly<Record<Room, readonly Room[]>> = {
  errors: [],
  system: ['errors'],
  core: ['errors'],
  ops: ['core'],
  builder: ['ops', 'core'],
  blocks: ['ops', 'core'],
  lower: ['ops', 'core'],
  // list.ts starts every provider with a graph of one operation.
  device: ['lower', 'builder', 'ops', 'core', 'system', 'errors'],
  print: ['ops', 'core'],
  models: ['blocks', 'ops', 'core', 'errors'],
  io: ['system', 'errors'],
  // Runs in a browser.
  page: ['print'],
  commands: ['models', 'device', 'lower', 'print', 'builder', 'core', 'io', 'errors'],
  cli: ['commands', 'errors'],
};

/** Whose types a room may name beyond that. */
const types: Readonly<Partial<Record<Room, readonly Room[]>>> = {
  // An operation's `lower` is given the emitter and its values.
  core: ['lower'],
  // The same; and the functions that add operations are given the builder.
  ops: ['lower', 'builder'],
  blocks: ['builder'],
  // The structure of an ONNX model is plain data.
  print: ['lower'],
  // The builder is given to models; generation is given sessions, whose arrays and programs are plain data.
  models: ['builder', 'device', 'lower'],
  // What files hold is handed to the graph in the graph's words.
  io: ['core'],
};

const show = ({ file, from, isType }: Import) => `${file} -> ${from}${isType ? ' (type)' : ''}`;

describe('imports', () => {
  it('are found in every way they can be written', () => {
    expect(sources.length).toBeGreaterThan(50);
    expect(ours.some((line) => line.isType)).toBe(true);
    expect(ours.map(({ from }) => from).filter((from) => !sources.includes(from))).toEqual([]);
    const texts = sources.map((file) => readFileSync(join(root, file), 'utf8')).join('\n');
    expect(imports.length).toBe([...texts.matchAll(/^import\b|^export .*\bfrom '|\bimport\(/gm)].length);
  });

  it('of values point one way: commands -> models -> graph, commands -> io, device -> lower -> ops -> core', () => {
    const wrong = ours.filter(({ file, from, isType }) => {
      const [room, other] = [roomOf(file), roomOf(from)];
      return !isType && room !== other && !values[room].includes(other);
    });
    expect(wrong.map(show)).toEqual([]);
  });

  it('of types stay within the rooms whose data are handed over', () => {
    const wrong = ours.filter(({ file, from, isType }) => {
      const [room, other] = [roomOf(file), roomOf(from)];
      return isType && room !== other && ![...values[room], ...(types[room] ?? [])].includes(other);
    });
    expect(wrong.map(show)).toEqual([]);
  });

  it('from io into the graph are of types only', () => {
    const wrong = ours.filter(
      ({ file, from, isType }) => roomOf(file) === 'io' && from.startsWith('graph/') && !isType,
    );
    expect(wrong.map(show)).toEqual([]);
  });

  it('of values never lead from a file back to itself', () => {
    const next = new Map(sources.map((file) => [file, [] as string[]]));
    for (const { file, from, isType } of ours) if (!isType) next.get(file)?.push(from);
    const loops: string[] = [];
    const done = new Set<string>();
    const walk = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) loops.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      if (path.includes(file) || done.has(file)) return;
      for (const other of next.get(file) ?? []) walk(other, [...path, file]);
      done.add(file);
    };
    for (const file of sources) walk(file, []);
    expect(loops).toEqual([]);
  });
});

/** Where what does not belong to grafo is known. */
const homes: Readonly<Record<string, string>> = {
  'onnxruntime-node': 'graph/device',
  '@bufbuild/protobuf': 'graph/lower',
  'onnx-buf': 'graph/lower',
  '@huggingface/gguf': 'io/gguf',
  '@huggingface/jinja': 'io/text',
  '@hpcc-js/wasm-graphviz': 'io/picture',
  sharp: 'io/image',
  wavefile: 'io/audio',
  yargs: 'commands',
  ink: 'commands',
};

const packageOf = (from: string): string => /^(?:@[^/]+\/)?[^/]+/.exec(from)?.[0] ?? from;
const homeOf = (file: string): string => (file.startsWith('commands/') ? 'commands' : posix.dirname(file));

describe('packages', () => {
  // The page runs in a browser, with what it needs inside.
  const foreign = imports.filter(
    ({ isOurs, from, file }) => !isOurs && !from.startsWith('node:') && !file.startsWith('page/'),
  );
  const roomsOf = (name: string) => [
    ...new Set(foreign.filter(({ from }) => packageOf(from) === name).map(({ file }) => homeOf(file))),
  ];

  it.each([...new Set(foreign.map(({ from }) => packageOf(from)))])('%s is known to one room only', (name) => {
    expect(roomsOf(name)).toEqual([homes[name] ?? expect.any(String)]);
  });

  it('onnxruntime-node is imported by one file, after it has been told to keep to itself', () => {
    const by = (name: string) => imports.filter(({ from }) => from === name).map(({ file }) => file);
    expect(by('onnxruntime-node')).toEqual(['graph/device/runtime.ts']);
    const lines = imports.filter(({ file }) => file === 'graph/device/runtime.ts').map(({ from }) => from);
    expect(lines).toEqual(['graph/device/silence.ts', 'onnxruntime-node']);
  });
});
