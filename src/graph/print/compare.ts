/** What models have in common and where they differ, read off their graphs. */
import type { Graph } from '../graph.ts';
import { ATTEND, ATTEND_CAUSAL, ROPE } from '../ops/attend.ts';
import { APPEND, INPUT, WEIGHT } from '../ops/leaves.ts';
import { EXPERT_LINEAR } from '../ops/matmul.ts';
import { LAYER_NORM, RMS_NORM } from '../ops/norm.ts';
import { TOP_K } from '../ops/select.ts';
import type { Tensor } from '../tensor.ts';
import { elements, showShape, size } from '../tensor.ts';
import type { WeightRef } from '../weights.ts';
import { kindOf } from './kinds.ts';
import { layerOf } from './layers.ts';

/** One model: all graphs that it takes to run it. */
export interface ComparedModel {
  readonly name: string;
  readonly graphs: readonly Graph[];
}

/** The questions of the table, each answered from the nodes of a model's graphs. */
const questions: Readonly<Record<string, (nodes: readonly Tensor[], model: ComparedModel) => string>> = {
  graphs: (_, { graphs }) => graphs.map(({ name }) => name).join(', '),
  input: (_, { graphs }) =>
    list((graphs[0]?.nodes ?? []).filter(isOp(INPUT)).map((x) => `${x.name} ${x.dtype} ${showShape(x.shape)}`)),
  'before the layers': (nodes) => beforeLayers(nodes),
  layers: (nodes) => layerCounts(nodes),
  attention: (nodes) => list(nodes.filter(isAttention).map(describeAttention)),
  mask: (nodes) => list(nodes.filter(isAttention).map((x) => (isOp(ATTEND_CAUSAL)(x) ? 'causal' : 'none'))),
  cache: (nodes) =>
    list(nodes.filter(isOp(APPEND)).map((x) => `${size(x, 1)} rows of ${size(x, 3)} a token`)) || 'none',
  positions: (nodes) => positions(nodes),
  'class token': (nodes) => (nodes.some(({ path }) => blockNames(path).includes('classToken')) ? 'yes' : 'no'),
  norm: (nodes) =>
    list(
      nodes
        .filter((x) => isOp(RMS_NORM)(x) || isOp(LAYER_NORM)(x))
        .map((x) => `${x.op.name}, eps ${(x.attrs as { eps: number }).eps}`),
    ),
  residual: (nodes) => residuals(nodes),
  'feed-forward': (nodes) =>
    list(
      nodes
        .filter(({ op, path }) => inBlock(path, 'ffn') && ['silu', 'gelu'].includes(op.name))
        .map((x) => feedForward(x, nodes)),
    ),
  experts: (nodes) => experts(nodes),
  'what a layer is': (_, { graphs }) => list(graphs.flatMap(({ nodes }) => recipes(nodes))),
  parameters: (nodes) => parameters(nodes).toLocaleString('en-US'),
};

type Op = { readonly name: string };

const isOp =
  ({ name }: Op) =>
  (x: Tensor): boolean =>
    x.op.name === name;
const isAttention = (x: Tensor): boolean => isOp(ATTEND)(x) || isOp(ATTEND_CAUSAL)(x);
const list = (words: readonly string[]): string => [...new Set(words)].join('; ');

/** Blocks of a path, each without the number of its use. */
const blockNames = (path: readonly string[]): readonly string[] =>
  path.filter((name) => !/\.\d+$/.test(name)).map((name) => name.replace(/#\d+$/, ''));
const inBlock = (path: readonly string[], block: string): boolean => blockNames(path).at(-1) === block;

/** Everything that is computed before the first layer, blocks by their names. */
const beforeLayers = (nodes: readonly Tensor[]): string => {
  const first = nodes.findIndex((x) => layerOf(x) !== undefined);
  const before = nodes.slice(0, first === -1 ? nodes.length : first).filter(({ inputs }) => inputs.length > 0);
  return list(before.map(({ path, op }) => blockNames(path)[0] ?? op.name)) || 'nothing';
};

const layerCounts = (nodes: readonly Tensor[]): string => {
  const stacks = new Map<string, Set<string>>();
  for (const x of nodes) {
    const layer = layerOf(x);
    if (layer === undefined) continue;
    const stack = layer.replace(/\.\d+$/, '');
    stacks.set(stack, (stacks.get(stack) ?? new Set()).add(layer));
  }
  return [...stacks].map(([stack, layers]) => `${layers.size} ${stack}`).join(', ');
};

const describeAttention = (x: Tensor): string => {
  const [q, k, v] = x.inputs as readonly [Tensor, Tensor, Tensor];
  const cross = k.op.name === INPUT.name ? 'of what was heard, ' : '';
  const latent = inBlock(x.path, 'mla') ? 'latent, ' : '';
  return `${cross}${latent}${size(q, 1)} heads on ${size(k, 1)}, keys of ${size(k, 3)}, values of ${size(v, 3)}`;
};

const positions = (nodes: readonly Tensor[]): string => {
  const turns = nodes.filter(isOp(ROPE)).map((x) => {
    const { pairs } = x.attrs as { pairs: string };
    return `turned, ${2 * size(x.inputs[2] as Tensor, -1)} of ${size(x, -1)} dimensions, ${pairs} pairs`;
  });
  const tables = nodes
    .filter(({ inputs }) => inputs.some((input) => /pos(ition(al)?)?_emb/.test(input.name)))
    .map(() => 'a table added before the layers');
  return list([...turns, ...tables]) || 'none';
};

const residuals = (nodes: readonly Tensor[]): string => {
  const sums = nodes.filter(({ path }) => inBlock(path, 'residual'));
  const perLayer = new Map<string, number>();
  for (const x of sums) perLayer.set(layerOf(x) ?? '', (perLayer.get(layerOf(x) ?? '') ?? 0) + 1);
  // The norm stands before the layer's work where it reads the stream itself.
  const stream = new Set(sums);
  const readsStream = nodes.some(
    (x) => kindOf(x.op.name) === 'norm' && layerOf(x) !== undefined && stream.has(x.inputs[0] as Tensor),
  );
  const counts = [...new Set(perLayer.values())].sort().join(' or ');
  return sums.length === 0 ? 'none' : `${counts} a layer, norm ${readsStream ? 'before' : 'after'} the work`;
};

const feedForward = (act: Tensor, nodes: readonly Tensor[]): string => {
  const isGated = nodes.some((x) => x.op.name === 'mul' && x.inputs.includes(act));
  return `${isGated ? 'gated, ' : ''}${act.op.name}, width ${act.shape.at(-1)}`;
};

const experts = (nodes: readonly Tensor[]): string => {
  const product = nodes.find(isOp(EXPERT_LINEAR));
  if (!product) return 'none';
  const chosen = nodes.filter(isOp(TOP_K)).map(({ attrs }) => (attrs as { k: number }).k);
  const isShared = nodes.some(({ path }) => blockNames(path).join('/').endsWith('moe/ffn'));
  return `${chosen.at(-1)} of ${size(product.inputs[1] as Tensor, 0)}${isShared ? ', and shared ones' : ''}`;
};

/** The blocks of each kind of layer in their order. */
const recipes = (nodes: readonly Tensor[]): readonly string[] => {
  const layers = new Map<string, string[]>();
  for (const x of nodes) {
    const layer = layerOf(x);
    const block = x.path[1];
    if (layer === undefined || block === undefined) continue;
    const blocks = layers.get(layer) ?? [];
    if (!blocks.includes(block)) blocks.push(block);
    layers.set(layer, blocks);
  }
  return [...layers.values()].map((blocks) => blocks.map((b) => b.replace(/#\d+$/, '')).join(' '));
};

const parameters = (nodes: readonly Tensor[]): number => {
  const weights = new Map(
    nodes.filter(isOp(WEIGHT)).map(({ name, attrs }) => [name, elements((attrs as WeightRef).shape)]),
  );
  return [...weights.values()].reduce((a, b) => a + b, 0);
};

export interface Comparison {
  readonly models: readonly string[];
  /** A question and each model's answer. */
  readonly rows: readonly { readonly question: string; readonly answers: readonly string[] }[];
  readonly pairs: readonly Pair[];
}

/** What two models share: of all that either uses, what both use. */
export interface Pair {
  readonly models: readonly [string, string];
  readonly operations: Share;
  readonly blocks: Share;
}

export interface Share {
  readonly common: readonly string[];
  /** 0 to 1. */
  readonly share: number;
}

/** The same questions answered for each model, and which operations and blocks each has: what they share, what differs. */
export const compareModels = (models: readonly ComparedModel[]): Comparison => {
  const nodesOf = models.map(({ graphs }) => graphs.flatMap(({ nodes }) => nodes));
  const operations = nodesOf.map(
    (nodes) => new Set(nodes.filter(({ inputs }) => inputs.length > 0).map(({ op }) => op.name)),
  );
  const blocks = nodesOf.map((nodes) => new Set(nodes.flatMap(({ path }) => blockNames(path))));
  const none = new Set<string>();
  return {
    models: models.map(({ name }) => name),
    rows: Object.entries(questions).map(([question, answer]) => ({
      question,
      answers: models.map((model, i) => answer(nodesOf[i] ?? [], model)),
    })),
    pairs: models.flatMap((a, i) =>
      models.slice(i + 1).map((b, j) => ({
        models: [a.name, b.name] as const,
        operations: shareOf(operations[i] ?? none, operations[i + 1 + j] ?? none),
        blocks: shareOf(blocks[i] ?? none, blocks[i + 1 + j] ?? none),
      })),
    ),
  };
};

const shareOf = (a: ReadonlySet<string>, b: ReadonlySet<string>): Share => {
  const common = [...a].filter((name) => b.has(name)).sort();
  return { common, share: common.length / Math.max(1, a.size + b.size - common.length) };
};

const percent = ({ share }: Share): string => `${Math.round(100 * share)} %`;

/** As Markdown: the table of answers, then that of pairs. */
export const printComparisonMarkdown = ({ models, rows, pairs }: Comparison): string => {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  const rule = (n: number) => `|${' --- |'.repeat(n)}\n`;
  return [
    line(['', ...models]),
    rule(models.length + 1),
    ...rows.map(({ question, answers }) => line([question, ...answers])),
    '\n',
    line(['pair', 'operations in common', 'blocks in common', 'which blocks']),
    rule(4),
    ...pairs.map(({ models: [a, b], operations, blocks }) =>
      line([`${a}, ${b}`, percent(operations), percent(blocks), blocks.common.join(', ')]),
    ),
  ].join('');
};

/** As a page of two tables that needs nothing else. */
export const printComparisonHtml = ({ models, rows, pairs }: Comparison): string => {
  const row = (tag: 'th' | 'td', cells: readonly string[]) =>
    `<tr>${cells.map((c) => `<${tag}>${escaped(c)}</${tag}>`).join('')}</tr>\n`;
  const answers = rows.map(({ question, answers }) => row('td', [question, ...answers])).join('');
  const shares = pairs.map(({ models: [a, b], operations, blocks }) =>
    row('td', [`${a}, ${b}`, percent(operations), percent(blocks), blocks.common.join(', ')]),
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(models.join(', '))}</title>
<style>
:root { color-scheme: light dark; }
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em; }
table { border-collapse: collapse; margin-bottom: 2em; }
th, td { border: 1px solid #8888; padding: 6px 10px; text-align: left; vertical-align: top; }
</style>
</head>
<body>
<table>
${row('th', ['', ...models])}${answers}</table>
<table>
${row('th', ['pair', 'operations in common', 'blocks in common', 'which blocks'])}${shares.join('')}</table>
</body>
</html>
`;
};

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** For a terminal: question by question, a line for each model; then the pairs. */
export const printComparison = ({ models, rows, pairs }: Comparison): string => {
  const width = Math.max(...models.map((name) => name.length));
  return [
    ...rows.map(({ question, answers }) => {
      const isCommon = new Set(answers).size === 1;
      const lines = isCommon
        ? [`  all: ${answers[0]}`]
        : answers.map((answer, i) => `  ${(models[i] ?? '').padEnd(width)}  ${answer}`);
      return `${question}\n${lines.join('\n')}\n`;
    }),
    'in common\n',
    ...pairs.map(({ models: [a, b], operations, blocks }) => {
      const what = `operations ${percent(operations)}, blocks ${percent(blocks)}: ${blocks.common.join(', ')}`;
      return `  ${`${a} and ${b}`.padEnd(2 * width + 5)}  ${what}\n`;
    }),
  ].join('');
};
