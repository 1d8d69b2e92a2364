/** The parts of a benchmark: what flags stand for, statistics, the clock, forms of results, comparisons, pictures. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse as parseCsv } from 'csv-parse/sync';
import { JSDOM } from 'jsdom';
import sqlite from 'node-sqlite3-wasm';
import { beforeAll, describe, expect, it } from 'vitest';
import { normaliseArguments, parseArguments } from '../src/commands/arguments.ts';
import { placementsOf, testName, testsOf } from '../src/commands/bench/cases.ts';
import type { Earlier } from '../src/commands/bench/compare.ts';
import { compared } from '../src/commands/bench/compare.ts';
import { wholeNumbers } from '../src/commands/bench/lists.ts';
import { markRunning } from '../src/commands/bench/machine.ts';
import { measure } from '../src/commands/bench/measure.ts';
import { openBenchModel } from '../src/commands/bench/model.ts';
import { benchOptions, extraColumns, listsOf } from '../src/commands/bench/options.ts';
import { createPrinter } from '../src/commands/bench/print.ts';
import { createProgress } from '../src/commands/bench/progress.ts';
import type { BenchRecord } from '../src/commands/bench/record.ts';
import { fields } from '../src/commands/bench/record.ts';
import type { Outcome, World } from '../src/commands/bench/run.ts';
import { runBench } from '../src/commands/bench/run.ts';
import { spreadOf, welchTest } from '../src/commands/bench/statistics.ts';
import type { Subject } from '../src/commands/bench/subject.ts';
import { barsSvg } from '../src/io/picture/bars.ts';
import { Interrupted } from '../src/models/decoder.ts';
import { fixture, scratch } from './fixtures.ts';

process.env.GRAFO_CACHE = join(scratch, 'cache');

const flagsOf = async (line: string) => {
  const words = line.split(' ').filter((word) => word !== '');
  return (await parseArguments(normaliseArguments(words, benchOptions), benchOptions)).values;
};

describe('a flag stands for', () => {
  it.each([
    ['512', [512]],
    ['1,2,4', [1, 2, 4]],
    ['1-4', [1, 2, 3, 4]],
    ['0-512+128', [0, 128, 256, 384, 512]],
    ['128-1024*2', [128, 256, 512, 1024]],
    ['1-2,8', [1, 2, 8]],
  ])('%s: these numbers', (text, numbers) => {
    expect(wholeNumbers('-p', [text], 0)).toEqual(numbers);
  });

  it.each(['x', '', '4-1', '0-8*2', '1-8*1', '1-8+0', '1.5', '-3', '0-99999'])('%s: nothing', (text) => {
    expect(() => wholeNumbers('-p', [text], 0)).toThrow("flag '-p'");
  });

  it.each([
    ['', ['pp512', 'tg128']],
    ['-p 0 -n 8,16', ['tg8', 'tg16']],
    ['-p 8 -p 16 -n 0 -pg 4,2', ['pp8', 'pp16', 'pp4+tg2']],
    ['-p 8 -n 4 -d 0,32', ['pp8', 'tg4', 'pp8 @ d32', 'tg4 @ d32']],
    ['-p 8 -n 0 -b 64 -ub 16,32', ['pp8', 'pp8']],
  ])('%s: these tests of a text model', async (line, names) => {
    expect(testsOf('llama', listsOf(await flagsOf(line))).map(testName)).toEqual(names);
  });

  it('what it lists, multiplied out', async () => {
    const lists = listsOf(await flagsOf('-t 1,2 -dev cpu,webgpu -fa 0,1 --compute f32'));
    expect(placementsOf(lists)).toHaveLength(8);
    expect(testsOf('vit', listsOf(await flagsOf('-ni 1,8'))).map(testName)).toEqual(['batch 1', 'batch 8']);
  });

  it.each(['-t 0', '-dev gpu', '--compute q4', '-ctk q8_0', '-ctk f32 -ctv f16', '-pg 5', '-fa maybe'])(
    '%s: nothing, and it is refused',
    async (line) => {
      await expect(flagsOf(line).then(listsOf)).rejects.toMatchObject({ kind: 'usage' });
    },
  );
});

const hub = { offline: true, notice: () => undefined };

describe('a shape', () => {
  it.each([
    ['llama-2-7b:q4_0', 'llama 7B Q4_0', 6.738e9, 3.56],
    ['llama-2-7b:q4_k_m', 'llama 7B Q4_K - Medium', 6.738e9, 3.8],
    ['tinyllama-1.1b:q4_0', 'llama 1B Q4_0', 1.1e9, 0.593],
    ['whisper-base:f16', 'whisper 73M F16', 7.26e7, 0.1355],
  ])('%s is a %s with so many weights and as large as such a file', async (name, type, nParameter, gib) => {
    const model = await openBenchModel({ kind: 'shape', name }, hub);
    expect(model.type).toBe(type);
    expect(model.nParameter / nParameter).toBeCloseTo(1, 2);
    expect(model.byteLength / 2 ** 30 / gib).toBeCloseTo(1, 1);
  });

  it('can be cut to some of its layers', async () => {
    const model = await openBenchModel({ kind: 'shape', name: 'deepseek-v2-lite:q4_k_m@4layers' }, hub);
    const layers = [...model.source.tensors.keys()].flatMap((name) => /^blk\.(\d+)\./.exec(name)?.[1] ?? []);
    expect([...new Set(layers)]).toEqual(['0', '1', '2', '3']);
  });

  it.each(['nothing-7b', 'llama-2-7b:q9', 'llama-2-7b:q4_0@0', 'llama-2-7b:q5_1', ''])(
    '%s is refused',
    async (name) => {
      await expect(openBenchModel({ kind: 'shape', name }, hub)).rejects.toMatchObject({ kind: 'usage' });
    },
  );
});

describe('statistics', () => {
  it('the spread is that of a sample', () => {
    expect(spreadOf([2, 4, 4, 4, 5, 5, 7, 9])).toMatchObject({ mean: 5, stddev: Math.sqrt(32 / 7), p50: 4.5 });
    expect(spreadOf([3])).toEqual({ mean: 3, stddev: 0, p50: 3, p95: 3, p99: 3 });
  });

  // By scipy.stats.ttest_ind(a, b, equal_var=False).
  it.each([
    [[100, 101, 99, 102, 98], [95, 94, 96, 97, 93], 0.0010528257933664076],
    [[10, 12, 9, 30], [11, 10, 12, 11, 13, 9], 0.4554187681450743],
    [[5, 5.1], [5.2, 5.05, 5.3], 0.22781310222334444],
  ])('chance makes %j and %j differ so with that probability', (a, b, p) => {
    expect(welchTest(a, b)).toBeCloseTo(p, 9);
  });

  it('of a single value nobody can tell', () => {
    expect(welchTest([1], [2, 3])).toBeUndefined();
    expect(welchTest([2, 2], [2, 2])).toBe(1);
  });
});

/** A world whose time passes only when somebody works. */
const fakeWorld = (signal: AbortSignal = new AbortController().signal) => {
  const written: string[] = [];
  const notes: string[] = [];
  const quiet = { test: () => undefined, repetition: () => undefined, say: () => undefined, clear: () => undefined };
  const world: World = {
    clock: () => performance.now(),
    signal,
    describe: async () => ({
      grafo_version: '1.2.3',
      onnxruntime_version: '1.30.0',
      node_version: '20.0.0',
      cpu_info: 'A "fast" processor, they say',
      cpu_features: 'avx2 fma',
      gpu_info: '',
      gpu_driver: '',
    }),
    busyBefore: [],
    progress: quiet,
    write: async (text) => void written.push(text),
    note: (text) => void notes.push(text),
    complain: ({ message }) => void notes.push(message),
  };
  return { world, out: () => written.join(''), notes: () => notes.join('') };
};

describe('the clock', () => {
  it('runs while a model works, the warm-up is not counted, and no time is lost between', async () => {
    let now = 0;
    let nRun = 0;
    const toy: Pick<Subject, 'run'> = {
      async run(_, clock) {
        const begun = clock();
        now += nRun++ === 0 ? 1000 : 40;
        return { ms: clock() - begun, stepMs: [] };
      },
    };
    const asked: number[] = [];
    const samples = await measure(
      toy,
      { kind: 'image', nImage: 1 },
      {
        repetitions: 5,
        warmup: true,
        clock: () => now,
        signal: new AbortController().signal,
        progress: (i) => asked.push(i),
      },
    );
    expect(asked).toEqual([0, 1, 2, 3, 4, 5]);
    expect(samples.map(({ ms }) => ms)).toEqual([40, 40, 40, 40, 40]);
    expect(samples.reduce((sum, { ms }) => sum + ms, 0) / (now - 1000)).toBeCloseTo(1, 5);
  });

  it('a request to stop ends it between two repetitions', async () => {
    const stop = new AbortController();
    const toy: Pick<Subject, 'run'> = {
      run: async () => {
        stop.abort();
        return { ms: 1, stepMs: [] };
      },
    };
    const options = { repetitions: 9, warmup: false, clock: () => 0, signal: stop.signal, progress: () => undefined };
    await expect(measure(toy, { kind: 'image', nImage: 1 }, options)).rejects.toThrow(Interrupted);
  });
});

const models = () => [
  '-m',
  fixture('llama/gqa-q4_0.gguf'),
  '-m',
  fixture('vit/vit-micro-f16.bin'),
  '-m',
  fixture('whisper/whisper-nano-q4_0.bin'),
];
const small = '-dev cpu -t 1 -p 16 -n 4 -pg 8,2 -d 0,8 -r 2 -ni 1,2';

describe('a run over all kinds of models', () => {
  let outcome: Outcome;
  let took: number;
  const { world, out, notes } = fakeWorld();
  const history = join(scratch, 'history.jsonl');
  const plot = join(scratch, 'plot.png');

  beforeAll(async () => {
    const line = `${models().join(' ')} ${small} --no-roofline -o md -oe csv --history ${history} --plot ${plot}`;
    const begun = performance.now();
    outcome = await runBench(await flagsOf(line), world);
    took = performance.now() - begun;
  }, 120_000);

  it('measures each test of each', () => {
    expect(outcome.records.map(({ test }) => test)).toEqual([
      ...['pp16', 'tg4', 'pp8+tg2', 'pp16 @ d8', 'tg4 @ d8', 'pp8+tg2 @ d8'],
      ...['batch 1', 'batch 2'],
      ...['encode', 'decode', 'batchd', 'prompt'],
    ]);
    expect(outcome.failures).toEqual([]);
  });

  it('times add up to no more than the clock outside', () => {
    const counted = outcome.records.flatMap(({ samples_ns }) => samples_ns).reduce((a, b) => a + b, 0) / 1e6;
    expect(counted).toBeGreaterThan(0);
    expect(counted).toBeLessThan(took);
    for (const r of outcome.records) {
      expect(r.avg_ts).toBeCloseTo(r.samples_ns.reduce((sum, ns) => sum + (1e9 * r.n_unit!) / ns, 0) / 2, 3);
      const tokens = r.token_ms.reduce((a, b) => a + b, 0);
      const all = r.samples_ns.reduce((a, b) => a + b, 0) / 1e6;
      // Of a test of single tokens they are everything.
      if (r.test.startsWith('tg') || r.test === 'decode') expect(tokens / all).toBeCloseTo(1, 1);
      else expect(tokens).toBeLessThanOrEqual(all * 1.001);
    }
  });

  it('tells what a token and a prompt take, and only of what has such', () => {
    const of = (test: string) => outcome.records.find((r) => r.test === test)!;
    expect(of('pp16').ttft_ms).toBeGreaterThan(0);
    expect(of('pp16').itl_p50_ms).toBeNull();
    expect(of('tg4').token_ms).toHaveLength(8);
    expect(of('tg4').ttft_ms).toBeNull();
    expect(of('pp8+tg2').ttft_ms! + 2 * of('pp8+tg2').itl_p50_ms!).toBeGreaterThan(0);
    // 288 logits of float32.
    expect(of('tg4').fetched_bytes_per_run).toBe(288 * 4);
    expect(of('batch 2').n_unit).toBe(2);
    expect(of('batch 2').kv_bytes).toBeNull();
    expect(of('tg4').peak_rss_bytes).toBeGreaterThan(of('tg4').weight_bytes!);
  });

  it("the table of a text model has llama-bench's header and rows", () => {
    const [head, rule, row] = out().split('\n');
    expect(head).toBe(
      '| model                          |       size |     params | backend    | threads | dev          |            test |                  t/s |',
    );
    expect(rule).toBe(
      '| ------------------------------ | ---------: | ---------: | ---------- | ------: | ------------ | --------------: | -------------------: |',
    );
    expect(row).toMatch(
      /^\| llama 99K Q4_0 {17}\| {3}0\.05 MiB \| {5}0\.10 M \| CPU {8}\| {7}1 \| cpu {10}\| {12}pp16 \| +[\d.]+ ± [\d.]+ \|$/,
    );
    expect(out()).toContain('images/s');
    expect(out()).toContain('build: grafo 1.2.3');
  });

  it('csv is what a strict reader takes, and says the same', () => {
    const rows: Record<string, string>[] = parseCsv(notes(), { columns: true, relax_column_count: false });
    expect(rows).toHaveLength(outcome.records.length);
    rows.forEach((row, i) => {
      const record = outcome.records[i]!;
      for (const [name, value] of Object.entries(row))
        expect(value).toBe(String(record[name as keyof BenchRecord] ?? ''));
    });
  });

  const isResult = new Ajv2020().compile(
    JSON.parse(readFileSync(new URL('../docs/bench.schema.json', import.meta.url), 'utf8')),
  );
  const printed = (format: 'brief' | 'json' | 'jsonl' | 'sql', records = outcome.records) => {
    const printer = createPrinter(format, new Set());
    return printer.begin() + records.map((record) => printer.row(record)).join('') + printer.end();
  };

  it('json and jsonl are as the schema says', () => {
    const parsed: unknown = JSON.parse(printed('json'));
    expect(isResult(parsed), JSON.stringify(isResult.errors)).toBe(true);
    expect(
      printed('jsonl')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(parsed);
    expect(JSON.parse(printed('json', []))).toEqual([]);
    expect(isResult([{ ...outcome.records[0], backends: 'Abacus' }])).toBe(false);
  });

  it('brief has a line of at most eighty columns for each, and says what makes them doubtful', () => {
    const steady = outcome.records.map((record) => ({
      ...record,
      unsteady: 0,
      busy: '',
      avg_ts: 123456.7,
      stddev_ts: 10,
    }));
    const lines = printed('brief', steady).trimEnd().split('\n');
    expect(lines).toHaveLength(steady.length);
    expect(lines[0]).toMatch(/^llama 99K Q4_0 +CPU +pp16 +123456\.70 ± 10\.00 t\/s$/);
    expect(lines.join()).toContain('images/s');
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(printed('brief', [{ ...steady[0]!, busy: 'on battery' }])).toContain('busy: on battery');
  });

  it('sql makes a table of them', () => {
    const db = new sqlite.Database();
    db.exec(printed('sql'));
    const rows = db.all('SELECT * FROM grafo_bench') as Record<string, unknown>[];
    db.close();
    const listed = Object.entries(fields).filter(([, kind]) => kind !== 'list');
    expect(rows.map((row) => Object.keys(row))).toEqual(rows.map(() => listed.map(([name]) => name)));
    expect(rows[0]).toMatchObject({ cpu_info: 'A "fast" processor, they say', test: 'pp16', n_prompt: 16 });
    expect(rows[0]?.itl_p50_ms).toBeNull();
  });

  it('the history can be compared with, and nothing is a regression beside itself', async () => {
    const earlier = readFileSync(history, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Earlier);
    const all = compared(outcome.records, earlier, 5);
    expect(all.map(({ verdict }) => verdict)).toEqual(all.map(() => 'same'));
    expect(readFileSync(plot).subarray(1, 4).toString()).toBe('PNG');
  });
});

describe('a comparison', () => {
  const record = (samples: readonly number[], test = 'pp512'): Earlier => ({
    test,
    model_filename: 'a.gguf',
    samples_ts: samples,
    avg_ts: samples.reduce((a, b) => a + b) / samples.length,
  });

  it.each([
    ['much slower', [100, 101, 99], [80, 81, 79], 'regression'],
    ['slower by less than the threshold', [100, 101, 99], [97, 97.2, 96.8], 'slower'],
    ['slower, but by chance', [100, 140, 60], [90, 130, 50], 'same'],
    ['faster', [100, 101, 99], [120, 121, 119], 'faster'],
    ['measured once and much slower', [100], [80], 'regression'],
    ['measured once and a little slower', [100], [98], 'same'],
  ])('%s', (_, before, now, verdict) => {
    const [one] = compared([record(now)], [record([1, 2]), record(before)], 5);
    expect(one?.verdict).toBe(verdict);
  });

  it('takes no result of another test or device', () => {
    expect(compared([record([1])], [record([1], 'tg128')], 5)).toMatchObject([{ verdict: 'new' }]);
  });

  it('makes a run end as a regression, and refuses what has no results', async () => {
    const base = join(scratch, 'base.json');
    const line = `-m ${fixture('llama/gqa-q4_0.gguf')} -dev cpu -t 1 -p 4 -n 0 -r 2 --no-roofline -o jsonl`;
    const first = await runBench(await flagsOf(line), fakeWorld().world);
    const faster = first.records.map((r) => ({ ...r, avg_ts: 1e9, samples_ts: [1e9, 1.001e9] }));
    writeFileSync(base, JSON.stringify(faster));
    const { world, notes } = fakeWorld();
    const again = await runBench(await flagsOf(`${line} --compare ${base} --threshold 10`), world);
    expect(again.hasRegression).toBe(true);
    expect(notes()).toMatch(/\| pp4 \| 1000000000\.00 \| .* \| -\d+\.\d % \| 0\.\d{3} \| regression \|/);
    writeFileSync(base, '{"a": 1}');
    await expect(
      flagsOf(`${line} --compare ${base}`).then((f) => runBench(f, fakeWorld().world)),
    ).rejects.toMatchObject({
      kind: 'file',
    });
  });
});

describe('what cannot be measured', () => {
  it('is told and passed over where there is more', async () => {
    const { world, notes, out } = fakeWorld();
    const line = `-m ${join(scratch, 'none.gguf')} -m ${fixture('llama/gqa-q4_0.gguf')} -dev coreml,cpu -t 1 -p 4 -n 0 -r 1 --no-roofline`;
    const { records, failures } = await runBench(await flagsOf(line), world);
    expect(failures.map(({ kind }) => kind)).toEqual(['file', 'device']);
    expect(records.map(({ device, test }) => `${device} ${test}`)).toEqual(['cpu pp4']);
    expect(notes()).toContain("device 'coreml' does not exist on this platform");
    expect(out()).toContain('| llama 99K Q4_0');
  });

  it('alone is the error', async () => {
    const line = `-m ${join(scratch, 'none.gguf')} -dev cpu`;
    await expect(flagsOf(line).then((f) => runBench(f, fakeWorld().world))).rejects.toMatchObject({ kind: 'file' });
  });

  it('float16 is refused where the device has none', async () => {
    const line = `-m ${fixture('llama/gqa-q4_0.gguf')} -dev cpu -ctk f16 -p 4 -n 0 --no-roofline`;
    await expect(flagsOf(line).then((f) => runBench(f, fakeWorld().world))).rejects.toThrow(
      "device 'cpu' does not compute in float16",
    );
  });
});

it('a random model of a shape runs, and a second start from kept weights is timed', async () => {
  const line = '--shape vit-tiny:f16@1layers -dev cpu -t 1 -r 1 --warm-load --no-roofline -o jsonl';
  const { records } = await runBench(await flagsOf(line), fakeWorld().world);
  expect(records).toMatchObject([{ model_filename: 'vit-tiny:f16@1layers', backends: 'CPU', test: 'batch 1' }]);
  expect(records[0]?.load_warm_ms).toBeGreaterThan(0);
  expect(existsSync(join(scratch, 'cache', 'programs'))).toBe(false);
});

it('a picture has a bar with its spread for each result, and a scale for each unit', async () => {
  const bar = (unit: string, mean: number) => ({ unit, label: 'pp512', series: 'a.gguf', mean, stddev: 2 });
  const svg = await barsSvg([bar('tokens/s', 10), bar('tokens/s', 20), bar('images/s', 5)], 'all');
  const { document } = new JSDOM(svg, { contentType: 'image/svg+xml' }).window;
  expect(document.querySelectorAll('.mark-rect path[aria-roledescription], .mark-rect.role-mark path')).toHaveLength(3);
  expect(document.querySelectorAll('.mark-rule.role-mark line')).toHaveLength(3);
  expect([...document.querySelectorAll('.role-axis-title text')].map((t) => t.textContent)).toEqual(
    expect.arrayContaining(['tokens/s', 'images/s']),
  );
});

it('on a terminal the test that runs and the time that is left are told', () => {
  let now = 0;
  const shown: string[] = [];
  const progress = createProgress({ isShown: true, write: (text) => shown.push(text), now: () => now });
  progress.test('a.gguf pp512', 0, 2);
  progress.repetition(1, 4);
  now = 30_000;
  progress.repetition(3, 4);
  progress.test('a.gguf tg128', 1, 2);
  progress.clear();
  expect(shown.map((text) => text.replace('\r\x1b[2K', ''))).toEqual([
    '1/2 a.gguf pp512',
    '1/2 a.gguf pp512: 1 of 4',
    '1/2 a.gguf pp512: 3 of 4, 1 min 30 s left',
    '2/2 a.gguf tg128, 30 s left',
    '',
  ]);
});

it('two benchmarks at once know of each other, one that has died is forgotten', async () => {
  const folder = join(scratch, 'marks');
  // The process that runs this one lives as long.
  const [first, second] = [await markRunning(folder, process.ppid), await markRunning(folder)];
  expect([first.isTaken, second.isTaken]).toEqual([false, true]);
  await first.release();
  writeFileSync(join(folder, `bench-${2 ** 30}`), '');
  const third = await markRunning(folder);
  expect(third.isTaken).toBe(false);
  await third.release();
  expect(readdirSync(folder)).toEqual([]);
});

it('where no mark can be left, a benchmark runs all the same', async () => {
  const file = join(scratch, 'no-folder');
  writeFileSync(file, '');
  const mark = await markRunning(join(file, 'cache'));
  expect(mark.isTaken).toBe(false);
  await mark.release();
});

it('a column appears for what is not at its default', async () => {
  expect([...extraColumns(await flagsOf('-m a'))]).toEqual([]);
  expect([...extraColumns(await flagsOf('-m a -ub 64 -fa 1'))]).toEqual(['n_ubatch', 'flash_attn']);
});
