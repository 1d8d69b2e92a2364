/** Dumps of every part of every model, each format read by a tool of its own. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Graphviz } from '@hpcc-js/wasm-graphviz';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { JSDOM } from 'jsdom';
import { InferenceSession } from 'onnxruntime-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { pictured } from '../src/commands/graph/output.ts';
import { onnxOf, viewAtStage } from '../src/commands/graph/stage.ts';
import { lower } from '../src/graph/lower/lower.ts';
import { readOnnx } from '../src/graph/lower/onnx-read.ts';
import { printDot } from '../src/graph/print/dot.ts';
import { folded, onlyLayers, onlyOperations, repeatsCollapsed, withoutWeights } from '../src/graph/print/filter.ts';
import { printJson } from '../src/graph/print/json.ts';
import { printMermaid } from '../src/graph/print/mermaid.ts';
import { timedView } from '../src/graph/print/profile.ts';
import { printText } from '../src/graph/print/text.ts';
import { heatColour, themes } from '../src/graph/print/theme.ts';
import type { View } from '../src/graph/print/view.ts';
import { viewOf } from '../src/graph/print/view.ts';
import { scratch } from './fixtures.ts';
import { allParts, graphFor } from './graph-models.ts';

const schema = JSON.parse(readFileSync(new URL('../docs/graph.schema.json', import.meta.url), 'utf8'));
const isDump = new Ajv2020().compile(schema);

// Mermaid's parser cleans texts with a DOM.
const { window } = new JSDOM('');
Object.assign(globalThis, { window, document: window.document });
const { default: mermaid } = await import('mermaid');

const parts = await allParts();
let graphviz: Graphviz;
beforeAll(async () => {
  graphviz = await Graphviz.load();
});

const whole = ({ graph, sizes }: (typeof parts)[number][1]): View => viewOf(graph, sizes);

describe.each(parts)('%s', (_, chosen) => {
  it('is text with a line for every node', () => {
    const view = whole(chosen);
    const lines = printText(view).split('\n');
    const nNode = Number(/n_nodes = (\d+)/.exec(lines.join('\n'))?.[1]);
    const nLeaf = Number(/n_leafs = (\d+)/.exec(lines.join('\n'))?.[1]);
    expect(nNode + nLeaf).toBe(chosen.graph.nodes.length);
    expect(lines.filter((line) => line.startsWith(' - '))).toHaveLength(chosen.graph.nodes.length);
  });

  it('is a graph to Graphviz, with a node for every node and an edge for every input', () => {
    const plain = graphviz.dot(printDot(folded(whole(chosen), 1)), 'json');
    const parsed = JSON.parse(graphviz.layout(printDot(whole(chosen)), 'dot_json', 'nop2')) as {
      objects: { name: string; nodes?: unknown }[];
      edges: unknown[];
    };
    const drawn = new Set(parsed.objects.map(({ name }) => name));
    expect(chosen.graph.nodes.filter(({ name }) => !drawn.has(name)).map(({ name }) => name)).toEqual([]);
    const nInput = chosen.graph.nodes.reduce((n, { inputs }) => n + inputs.length, 0);
    expect(parsed.edges).toHaveLength(nInput + chosen.graph.outputs.length);
    expect(JSON.parse(plain).name).toBe('G');
  });

  it('is JSON after the documented schema, which names only nodes that there are', () => {
    const dump = JSON.parse(printJson(whole(chosen)));
    isDump(dump);
    expect(isDump.errors).toBeNull();
    const names = new Set(dump.nodes.map(({ name }: { name: string }) => name));
    expect(
      dump.nodes.flatMap(({ inputs }: { inputs: string[] }) => inputs).filter((n: string) => !names.has(n)),
    ).toEqual([]);
    expect(names.size).toBe(chosen.graph.nodes.length);
  });

  it('is a flowchart to Mermaid', async () => {
    expect(await mermaid.parse(printMermaid(folded(whole(chosen), 2)))).toMatchObject({ diagramType: 'flowchart-v2' });
  });

  it('is an SVG picture that is well-formed XML and shows every block', async () => {
    const view = withoutWeights(folded(whole(chosen), 2));
    const svg = (await pictured(view, 'svg', 'a title', { theme: 'dark', scale: 1 })) as string;
    const document = new window.DOMParser().parseFromString(svg, 'image/svg+xml');
    expect(document.querySelector('parsererror')).toBeNull();
    const titles = [...document.querySelectorAll('g.node > title')].map((title) => title.textContent);
    expect(titles.sort()).toEqual(
      [...view.boxes.map(({ id }) => id), ...view.outputs.map(({ name }) => `output ${name}`)].sort(),
    );
  });

  it.each(['onnx', 'optimized'] as const)('is an ONNX model that ONNX Runtime loads, at stage %s', async (stage) => {
    const flags = { stage, 'flash-attn': 'on', compute: 'block' } as const;
    const model = await onnxOf(chosen, flags);
    const outline = readOnnx(model);
    expect(outline.nodes.length).toBeGreaterThan(0);
    if (stage === 'onnx') {
      const target = { provider: 'cpu', compute: 'block', fused: true } as const;
      const { weightBytes } = lower(chosen.graph, target, { nCtx: 4096, B: 1 });
      await writeFile(join(scratch, 'weights.bin'), new Uint8Array(weightBytes));
      await writeFile(join(scratch, 'model.onnx'), model);
      const session = await InferenceSession.create(join(scratch, 'model.onnx'), { logSeverityLevel: 4 });
      expect(session.outputNames).toEqual(expect.arrayContaining(chosen.graph.outputs.map(({ name }) => name)));
      await session.release();
    }
    const view = await viewAtStage(chosen, flags);
    expect(view.boxes.filter(({ nOp }) => nOp === 1)).toHaveLength(outline.nodes.length);
    isDump(JSON.parse(printJson(view)));
    expect(isDump.errors).toBeNull();
  });
});

describe('a dump', () => {
  it('is the same bytes every time, in every format', async () => {
    for (const print of [printText, printDot, printJson, printMermaid]) {
      const [a, b] = [await graphFor('deepseek/v3-q4_0.gguf'), await graphFor('deepseek/v3-q4_0.gguf')];
      expect(print(whole(a))).toBe(print(whole(b)));
    }
  });

  it('as PNG has the size of the picture times the scale', async () => {
    const view = folded(whole(await graphFor('llama/gqa-q4_0.gguf')), 2);
    const sizeAt = async (scale: number) => {
      const png = (await pictured(view, 'png', 'a title', { theme: 'light', scale })) as Uint8Array;
      expect([...png.subarray(0, 4)]).toEqual([0x89, 0x50, 0x4e, 0x47]);
      return new DataView(png.buffer, png.byteOffset).getUint32(16);
    };
    const [one, two] = [await sizeAt(1), await sizeAt(2)];
    expect(two / one).toBeCloseTo(2, 2);
  });

  it('looks as it always did', async () => {
    const chosen = await graphFor('deepseek/v3-q4_0.gguf', { part: 'decode', past: 7 });
    await expect(printText(whole(chosen))).toMatchFileSnapshot('golden/deepseek-v3.txt');
    const small = repeatsCollapsed(withoutWeights(folded(whole(await graphFor('llama/gqa-q4_0.gguf')), 2)));
    await expect(printDot(small)).toMatchFileSnapshot('golden/llama-modules.dot');
    await expect(printMermaid(small)).toMatchFileSnapshot('golden/llama-modules.mmd');
    await expect(printJson(small)).toMatchFileSnapshot('golden/llama-modules.json.txt');
  });

  it('has text that can be read on every colour of both themes', () => {
    const luminance = (colour: string): number => {
      const [r = 0, g = 0, b = 0] = [1, 3, 5].map((i) => {
        const c = Number.parseInt(colour.slice(i, i + 2), 16) / 255;
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (a: string, b: string) => {
      const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
      return (high + 0.05) / (low + 0.05);
    };
    for (const theme of Object.values(themes)) {
      const { ink, fill, mark, paper, layer, block } = theme;
      const heats = [0, 0.25, 0.5, 0.75, 1].map((share) => heatColour(theme, share));
      for (const colour of [...Object.values(fill), ...Object.values(mark), ...heats, paper, layer, block])
        expect(contrast(ink, colour), `${ink} on ${colour}`).toBeGreaterThan(4.5);
    }
  });
});

describe('a measured view', () => {
  const time = (name: string, ms: number, device = 'cpu') => ({ name, op: '', path: [], device, ms });
  const times = [time('blk.0.attn_q/MatMul', 2), time('blk.0.attn_q/Cast', 1, 'cuda'), time('blk.1.attn_q', 5)];

  it('has the time of all that a tensor was lowered to, and of all that a block holds', async () => {
    const view = timedView(whole(await graphFor('llama/gqa-q4_0.gguf')), times);
    const timeOf = (boxes: View['boxes'], id: string) => boxes.find((box) => box.id === id)?.time;
    expect(timeOf(view.boxes, 'blk.0.attn_q')).toEqual({ ms: 3, devices: ['cpu', 'cuda'] });
    expect(timeOf(folded(view, 1).boxes, 'blk.0')).toEqual({ ms: 3, devices: ['cpu', 'cuda'] });
    // Alike layers as one take what one of them takes.
    const one = repeatsCollapsed(folded(view, 1));
    expect(timeOf(one.boxes, 'blk.0')).toEqual({ ms: 4, devices: ['cpu', 'cuda'] });
    expect(one.repeats.get('blk.0')?.times).toBe(2);
  });

  it('is coloured by time, the slowest the warmest', async () => {
    const dot = printDot(folded(timedView(whole(await graphFor('llama/gqa-q4_0.gguf')), times), 1));
    const [cold, hot] = themes.light.heat;
    const colourOf = (id: string) => new RegExp(`"${id}" \\[ style = filled; fillcolor = "(#\\w+)"`).exec(dot)?.[1];
    expect([colourOf('blk.1'), colourOf('blk.0'), colourOf('tokens')]).toEqual([
      hot,
      heatColour(themes.light, 3 / 5),
      cold,
    ]);
    expect(dot).toContain('|5.000 ms, cpu');
  });
});

describe('views', () => {
  it('of one layer read what comes from outside as inputs', async () => {
    const view = onlyLayers(whole(await graphFor('llama/gqa-q4_0.gguf')), 1, 1);
    expect(view.boxes.find(({ id }) => id === 'blk.0.add#2')).toMatchObject({ kind: 'leaf', inputs: [] });
    expect(view.boxes.filter(({ path }) => path[0] === 'blk.0')).toEqual([]);
    expect(view.boxes.some(({ id }) => id === 'blk.1.ffn_down')).toBe(true);
  });

  it("of operations by their name or their tensor's show those and what they read", async () => {
    const all = whole(await graphFor('llama/gqa-q4_0.gguf'));
    expect(
      onlyOperations(all, 'rope')
        .boxes.filter(({ nOp }) => nOp > 0)
        .every(({ op }) => op === 'rope'),
    ).toBe(true);
    expect(
      onlyOperations(all, '*ffn_?p')
        .boxes.filter(({ nOp }) => nOp > 0)
        .map(({ id }) => id),
    ).toEqual(['blk.0.ffn_up', 'blk.1.ffn_up']);
  });

  it.each([
    ['whisper-large-v3', 'encoder', [32]],
    ['deepseek-v3', 'decoder', [3, 58]],
    ['llama-3-8b', 'decoder', [32]],
    ['vit-large', 'classify', [23]],
  ] as const)('collapse the alike layers of %s', async (arch, part, times) => {
    const view = whole(await graphFor(arch, { part }));
    for (const shown of [view, folded(view, 2), folded(view, 1)])
      expect([...repeatsCollapsed(shown).repeats.values()].map((run) => run.times)).toEqual(times);
  });

  it('of blocks have the parameters and operations of the whole graph', async () => {
    const all = whole(await graphFor('deepseek-v3'));
    const total = (view: View, what: 'nOp' | 'nParameter') => view.boxes.reduce((n, box) => n + box[what], 0);
    for (const shown of [folded(all, 1), folded(all, 2), withoutWeights(all)])
      for (const what of ['nOp', 'nParameter'] as const) expect(total(shown, what)).toBe(total(all, what));
    expect(total(all, 'nParameter')).toBe(671_026_419_200);
  });

  it('of another number of tokens have other sizes, and names where none is given', async () => {
    const shapeOf = async (wish: Parameters<typeof graphFor>[1]) => {
      const view = whole(await graphFor('deepseek/v3-q4_0.gguf', wish));
      return Object.fromEntries(view.boxes.map(({ id, shape }) => [id, shape]));
    };
    const symbolic = await shapeOf({});
    expect(symbolic.rows).toEqual(['B', 'T', 32]);
    const decode = await shapeOf({ part: 'decode', past: 9, seqs: 2 });
    expect(decode.rows).toEqual([2, 1, 32]);
    expect(decode['blk.0.append']?.slice(0, 3)).toEqual([2, 1, 10]);
    expect(
      Object.values(decode)
        .flat()
        .every((dim) => typeof dim === 'number'),
    ).toBe(true);
  });
});
