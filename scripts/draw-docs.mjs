/** Draws the pictures of the documents. Build first: npm run build; then: node scripts/draw-docs.mjs */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, posix, relative } from 'node:path';
import { Graphviz } from '@hpcc-js/wasm-graphviz';

const graphs = [['docs/llama.svg', '--arch', 'llama-3-8b', '--depth', 'module', '--collapse-repeats', '--no-weights']];

/** Folders of src/ whose parts are rooms of their own. */
const PARTED = ['graph'];

/** The room of a built file: its folder, or that within `graph`; files of `graph` itself are its core. */
const roomOf = (file) => {
  const [first, second, ...rest] = file.split('/');
  if (second === undefined) return first.replace(/\.js$/, '');
  if (!PARTED.includes(first)) return first;
  // The builder stands above the operations, what else lies there below them.
  if (second === 'builder.js') return 'graph/builder';
  return `${first}/${rest.length === 0 ? 'core' : second}`;
};

/** How many files of a room import values of another, by `room -> room`; types are erased in what was built. */
const roomsImported = () => {
  const files = readdirSync('dist', { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.js'))
    .map((entry) => relative('dist', join(entry.parentPath, entry.name)).replaceAll('\\', '/'));
  const pairs = new Map();
  const sizes = new Map();
  for (const file of files) {
    const room = roomOf(file);
    sizes.set(room, (sizes.get(room) ?? 0) + 1);
    const targets = [...readFileSync(join('dist', file), 'utf8').matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g)];
    const others = new Set(targets.map(([, target]) => roomOf(posix.join(posix.dirname(file), target))));
    for (const other of others) {
      // Everybody may say what is wrong.
      if (other === room || other === 'errors') continue;
      const pair = `"${room}" -> "${other}"`;
      pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
    }
  }
  return { pairs, sizes };
};

const drawArchitecture = async (output) => {
  const { pairs, sizes } = roomsImported();
  const rooms = [...sizes].filter(([room]) => room !== 'errors').sort(([a], [b]) => (a < b ? -1 : 1));
  const node = ([room, n]) => `"${room}" [label="${room.replace('graph/', '')}\\n${n} ${n === 1 ? 'file' : 'files'}"]`;
  const inGraph = rooms.filter(([room]) => room.startsWith('graph/'));
  const outside = rooms.filter(([room]) => !room.startsWith('graph/'));
  const width = (n) => Math.min(4, 1 + n / 20).toFixed(2);
  const edges = [...pairs].sort().map(([pair, n]) => `${pair} [label="${n}" penwidth=${width(n)}]`);
  const dot = `digraph {
    rankdir=TB bgcolor="transparent" fontname="sans-serif" nodesep=0.45 ranksep=0.6
    node [shape=box style="rounded,filled" fillcolor="#dbeafe" color="#64748b" fontname="sans-serif" fontsize=13 margin="0.2,0.08"]
    edge [color="#64748b" fontcolor="#475569" fontname="sans-serif" fontsize=10]
    ${outside.map(node).join('\n')}
    subgraph cluster_graph {
      label="src/graph" style="rounded,filled" fillcolor="#f1f5f9" color="#cbd5e1" fontsize=13
      ${inGraph.map(node).join('\n')}
    }
    ${edges.join('\n')}
  }`;
  const graphviz = await Graphviz.load();
  const svg = graphviz.dot(dot, 'svg').replace(/<svg[^>]*>/, '$&\n<title>The rooms of src and their imports</title>');
  writeFileSync(output, `${svg.trim()}\n`);
};

for (const [file, ...args] of graphs) {
  const { status } = spawnSync(process.execPath, ['bin/grafo.js', 'graph-dump', ...args, '-o', file], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
await drawArchitecture('docs/architecture.svg');
