import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture, nmse, readNda, scratch } from '../fixtures.ts';
import { sharedData } from '../shared-data.ts';
import { changedModel } from './models.ts';
import { grafo, type RunOptions } from './run.ts';

const model = fixture('llama/gqa-f32.gguf');
const ids: readonly number[] = JSON.parse(readFileSync(fixture('llama/gqa-f32.ids.json'), 'utf8')).ids;
/** Random weights write anything but the end token; a table row should not depend on luck. */
const greedy = ['--temp', '0', '--ignore-eos'];

const llama = (args: readonly string[], options?: RunOptions) => grafo(['llama', '-m', model, ...args], options);

/** The ids of a run with `--json`. */
const idsOf = async (args: readonly string[], options?: RunOptions): Promise<number[]> => {
  const { code, stdout, stderr } = await llama([...args, '--json'], options);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout).ids;
};

/** The tokens that a prompt becomes, by what `--verbose-prompt` prints of them. */
const promptOf = async (args: readonly string[], options?: RunOptions): Promise<string> => {
  const { code, stderr } = await llama([...args, '-n', '0', '-q', '--verbose-prompt'], options);
  expect(code, stderr).toBe(0);
  return stderr;
};

describe('completion', () => {
  it('writes the text to stdout and nothing else, and facts to stderr', async () => {
    const json = JSON.parse((await llama(['-p', 'Hi', '-n', '12', ...greedy, '--json'])).stdout);
    const { code, stdout, stderr } = await llama(['-p', 'Hi', '-n', '12', ...greedy]);
    expect(code).toBe(0);
    expect(stdout).toBe(`${json.text}\n`);
    expect(stderr).toMatch(
      /^cpu \(.*\): .*; compute block, context 512\nseed \d+\n\[ Prompt: .* t\/s .*first token .*\]\n$/,
    );
  });

  it('gives a program one JSON object', async () => {
    const { code, stdout } = await llama(['-p', 'Hi', '-n', '6', ...greedy, '--seed', '7', '--json', '-t', '1']);
    expect(code).toBe(0);
    expect(stdout.trimEnd()).not.toContain('\n');
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      finish: 'limit',
      prompt_tokens: 4,
      seed: 7,
      device: 'cpu',
      threads: 1,
      context: 512,
    });
    expect(result.ids).toHaveLength(6);
    expect(typeof result.text).toBe('string');
    expect(result.timings).toMatchObject({ prompt_tokens: 4, generated_tokens: 6 });
    for (const name of ['load_ms', 'prompt_ms', 'first_token_ms', 'generate_ms', 'generate_per_second'])
      expect(result.timings[name], name).toBeGreaterThan(0);
  });

  it('gives the same greedy ids twice, and with fused and plain attention', async () => {
    const first = await idsOf(['-p', 'Hello', '-n', '20', ...greedy]);
    expect(first).toHaveLength(20);
    expect(await idsOf(['-p', 'Hello', '-n', '20', ...greedy])).toEqual(first);
    expect(await idsOf(['-p', 'Hello', '-n', '20', ...greedy, '--compute', 'f32', '-fa', 'on'])).toEqual(
      await idsOf(['-p', 'Hello', '-n', '20', ...greedy, '--compute', 'f32', '-fa', 'off']),
    );
  });

  it('draws the same with the same seed, something else with another, and says which seed it took', async () => {
    const args = ['-p', 'Hello', '-n', '20', '--ignore-eos', '--temp', '2', '--top-k', '0'];
    const drawn = await idsOf([...args, '--seed', '1']);
    expect(await idsOf([...args, '--seed', '1'])).toEqual(drawn);
    expect(await idsOf([...args, '--seed', '2'])).not.toEqual(drawn);
    expect((await llama([...args, '--seed', '1'])).stderr).toContain('\nseed 1\n');
    const own = /\nseed (\d+)\n/.exec((await llama([...args, '-n', '1'])).stderr)?.[1];
    const other = /\nseed (\d+)\n/.exec((await llama([...args, '-n', '1'])).stderr)?.[1];
    expect(own).not.toBe(other);
  });

  it('echoes the prompt only when asked to, where stdout is no terminal', async () => {
    const { stdout: plain } = await llama(['-p', 'Hello', '-n', '4', ...greedy, '-q']);
    const { stdout: echoed } = await llama(['-p', 'Hello', '-n', '4', ...greedy, '-q', '--display-prompt']);
    expect(echoed).toBe(`Hello${plain}`);
    const { stdout: coloured } = await llama([
      '-p',
      'Hello',
      '-n',
      '4',
      ...greedy,
      '-q',
      '--display-prompt',
      '--color',
    ]);
    expect(coloured).toBe(`\x1b[33mHello\x1b[0m${plain}`);
    const off = ['-p', 'Hello', '-n', '4', ...greedy, '-q', '--display-prompt', '--color', 'off'];
    expect((await llama(off, { env: { FORCE_COLOR: '1' } })).stdout).toBe(echoed);
  });

  it('writes no control characters, whatever the terminal of stderr', async () => {
    const { stdout, stderr } = await llama(['-p', 'Hello', '-n', '4', '--temp', '0', '--logit-bias', '83+inf', '-v']);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(stdout + stderr).not.toMatch(/[\x00-\x09\x0b-\x1f]/);
  });

  it('stops after a reverse prompt, even inside of a token', async () => {
    const all = JSON.parse((await llama(['-p', 'Hi', '-n', '12', ...greedy, '--json'])).stdout);
    const stop = [...(all.text as string)].slice(3, 5).join('');
    const { code, stdout } = await llama(['-p', 'Hi', '-n', '12', ...greedy, '--json', '-r', 'never', '-r', stop]);
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result.finish).toBe('reverse');
    expect(result.ids.length).toBeLessThan(all.ids.length);
    expect(all.text.startsWith(result.text)).toBe(true);
    expect(result.text).toContain(stop);
  });

  it('ends at an end token, which is not printed, unless told to ignore it', async () => {
    // The end token is forced; with --ignore-eos nothing can force it.
    const args = ['-p', 'Hi', '-n', '5', '--temp', '0', '--logit-bias', '2+inf', '--json'];
    expect(JSON.parse((await llama(args)).stdout)).toMatchObject({ finish: 'eog', ids: [], text: '' });
    const ignored = JSON.parse((await llama([...args, '--ignore-eos'])).stdout);
    expect(ignored.finish).toBe('limit');
    expect(ignored.ids).toHaveLength(5);
  });
});

it('--spec-type ngram-simple guesses from what was written, a kept prompt or not, and says how many were right', async () => {
  const args = ['-p', 'Hello there', '-n', '100', ...greedy];
  const expected = await idsOf(args);
  const lookUp = [
    '--spec-type',
    'ngram-simple',
    '--spec-ngram-size-n',
    '1',
    '--prompt-cache',
    join(scratch, 'guessed'),
  ];
  expect(await idsOf([...args, ...lookUp])).toEqual(expected);
  const { stdout, stderr } = await llama([...args, ...lookUp, '--spec-ngram-simple-size-m', '2', '--json']);
  const { ids, speculation } = JSON.parse(stdout);
  expect(ids).toEqual(expected);
  expect(speculation.right).toBeGreaterThan(0);
  expect(stderr).toContain(`\nguessed ${speculation.guessed} tokens ahead, ${speculation.right} of them right\n`);
});

describe('the prompt', () => {
  it('may come from a flag, a file, or stdin, with one newline less', async () => {
    const path = join(scratch, 'prompt.txt');
    writeFileSync(path, 'Hello you\n');
    const expected = await promptOf(['-p', 'Hello you'], { stdin: 'not read' });
    expect(expected).toMatch(/^ {5}1 -> '<s>'\n/);
    expect(await promptOf(['-f', path])).toBe(expected);
    expect(await promptOf(['-f', '-'], { stdin: 'Hello you\n' })).toBe(expected);
    expect(await promptOf([], { stdin: 'Hello you\n' })).toBe(expected);
    expect(await promptOf(['-p', 'Hello'])).not.toBe(expected);
  });

  it('has escapes read by default, in flags and files, but not in a pipe', async () => {
    const [raw, read] = [String.raw`a\n\x41\t\\`, 'a\nA\t\\'];
    const [asIs, escaped] = [await promptOf(['--no-escape', '-p', raw]), await promptOf(['--no-escape', '-p', read])];
    expect(asIs).not.toBe(escaped);
    expect(await promptOf(['-p', raw])).toBe(escaped);
    expect(await promptOf(['-e', '-p', raw])).toBe(escaped);
    expect(await promptOf([], { stdin: raw })).toBe(asIs);
  });

  it('may look like a flag, or have quotes', async () => {
    expect(await promptOf(['-p', '--n 5'])).toMatch(/0x2D>'\n.*0x2D>'\n.*'n'\n/);
    expect(await promptOf(['-p', '"x"'])).toMatch(/0x22>'\n.*\n.*0x22>'\n$/);
  });

  it('may be ids', async () => {
    expect(await promptOf(['--ids', '1,5, 7'])).toMatch(/^ {5}1 -> .*\n {5}5 -> .*\n {5}7 -> .*\n$/);
    expect(await idsOf(['--ids', ids.join(','), '-n', '3', ...greedy])).toHaveLength(3);
  });

  it('may be empty where the model begins texts with a token of its own', async () => {
    expect(await idsOf(['-p', '', '-n', '3', ...greedy])).toEqual(await idsOf(['--ids', '1', '-n', '3', ...greedy]));
    const noBos = await changedModel('no-bos', {
      metadata: { 'tokenizer.ggml.add_bos_token': { type: 'bool', value: false } },
    });
    const { code, stderr } = await grafo(['llama', '-m', noBos, '-p', '']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('the prompt is empty')]);
  });

  it.each<[string, string[], string, number, string]>([
    ['stdin is empty', [], '', 2, 'no prompt'],
    ['stdin is a newline', [], '\n', 2, 'no prompt'],
    ['there are no ids', ['--ids', ''], '', 2, 'the prompt is empty'],
    ['ids are no numbers', ['--ids', '1,x'], '', 2, "--ids '1,x' is not a list like 1,2,3"],
    ['an id is not in the vocabulary', ['--ids', '1,288'], '', 2, "token 288 is not one of the model's 288"],
    ['its file is missing', ['-f', '/nowhere/prompt'], '', 3, "cannot read '/nowhere/prompt': no such file"],
    [
      'it is longer than the context',
      ['-p', 'x'.repeat(60), '-c', '32'],
      '',
      6,
      'the prompt has 62 tokens, the context 32',
    ],
  ])('is refused when %s', async (_, args, stdin, expectedCode, sentence) => {
    const { code, stdout, stderr } = await llama([...args, '-q'], { stdin });
    expect([code, stdout]).toEqual([expectedCode, '']);
    expect(stderr).toContain(`grafo llama: ${sentence}`);
  });
});

describe('the length', () => {
  it('-n 0 computes the prompt and writes nothing', async () => {
    const { code, stdout } = await llama(['-p', 'Hi', '-n', '0', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ text: '', ids: [], finish: 'limit', prompt_tokens: 4 });
  });

  it('-n -2 writes until the context is full, past end tokens, and says so', async () => {
    const { code, stdout, stderr } = await llama(['-p', 'Hi', '-n', '-2', '-c', '16', '--temp', '0', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ finish: 'context', context: 16 });
    // 4 of the prompt, and 13 of which the last is not fed.
    expect(JSON.parse(stdout).ids).toHaveLength(13);
    expect(stderr).toContain('the context of 16 tokens is full; -c makes it longer, --context-shift goes on\n');
  });

  it('-c 1 is raised to 8, with a note', async () => {
    const { code, stdout, stderr } = await llama(['-p', 'Hi', '-n', '1', '-c', '1', ...greedy, '--json']);
    expect([code, JSON.parse(stdout).context]).toEqual([0, 8]);
    expect(stderr).toContain('context raised from 1 to 8\n');
  });
});

describe('logits', () => {
  it('of every position of a prompt are saved, and exact', async () => {
    const path = join(scratch, 'logits.bin');
    const args = ['--ids', ids.join(','), '-n', '0', '--compute', 'f32', '--save-logits', path, '-ub', '7'];
    expect((await llama(args)).code).toBe(0);
    const [saved, exact] = [readNda(path), readNda(fixture('llama/gqa-f32.exact.bin'))];
    expect(saved.dims).toEqual([24, 288]);
    expect(nmse(saved.values, exact.values)).toBeLessThan(1e-9);
  });

  it('of the text are saved as far as it was computed', async () => {
    const path = join(scratch, 'more-logits.bin');
    const args = ['--ids', ids.join(','), '-n', '3', ...greedy, '--compute', 'f32', '--save-logits', path];
    const written = await idsOf(args);
    const saved = readNda(path);
    // The last token is not fed.
    expect(saved.dims).toEqual([26, 288]);
    const row = saved.values.slice(-288);
    expect(row.indexOf(Math.max(...row.filter((_, id) => id !== 2)))).toBe(written[2]);
  });

  it('need a place that can be written', async () => {
    const { code, stderr } = await llama(['-p', 'Hi', '-q', '--save-logits', join(scratch, 'no', 'where.bin')]);
    expect([code, stderr]).toEqual([
      3,
      expect.stringMatching(/^grafo llama: cannot write '.*where\.bin': no such file/),
    ]);
  });
});

describe('perplexity', () => {
  const trained = sharedData('llama/stories260K.gguf', 'perplexity of a trained model');
  const reference = sharedData('llama/stories260K.ppl.json', 'perplexity of a reference text');
  const text = join(scratch, 'text.txt');

  it.skipIf(!trained || !reference)("is llama.cpp's, digit for digit", async () => {
    writeFileSync(text, JSON.parse(readFileSync(reference!, 'utf8')).text);
    const { code, stdout } = await grafo(['llama', '-m', trained!, '--perplexity', text, '-c', '64']);
    expect(code).toBe(0);
    expect(stdout).toBe('[1]2.3112,[2]2.5595,[3]2.6316,[4]2.9253,\nFinal estimate: PPL = 2.9253 +/- 0.34680\n');
  });

  it('of so many chunks, as JSON', async () => {
    writeFileSync(text, 'hello you '.repeat(20));
    const { code, stdout } = await llama(['--perplexity', text, '-c', '32', '--chunks', '2', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ chunks: 2, context: 32, perplexity: expect.any(Number) });
  });

  it('needs two chunks of text', async () => {
    writeFileSync(text, 'short');
    const { code, stderr } = await llama(['--perplexity', text, '-q']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/the text has \d tokens, two chunks of 512 are needed/)]);
  });
});

it('the tokens of a text are printed one a line, or as JSON', async () => {
  const plain = await llama(['--tokenize', 'Hi']);
  expect([plain.code, plain.stderr]).toEqual([0, '']);
  expect(plain.stdout).toMatch(/^ {5}1 -> '<s>'\n( *\d+ -> '.+'\n)+$/);
  const json = JSON.parse((await llama(['--tokenize', 'Hi', '--json'])).stdout);
  expect(json.ids[0]).toBe(1);
  expect(json.pieces).toHaveLength(json.ids.length);
});

describe('what is told', () => {
  const args = ['-p', 'Hi', '-n', '3', ...greedy];

  it('-q: nothing', async () => {
    const { code, stdout, stderr } = await llama([...args, '-q', '-ngl', '99', '-c', '1']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).not.toBe('');
  });

  it('-v: what the file holds', async () => {
    const { stderr } = await llama([...args, '-v']);
    expect(stderr).toMatch(/^llama: 21 tensors of f32 with \d+,\d+ parameters; trained for 512 positions\n/);
  });

  it("--perf: llama.cpp's table", async () => {
    const { stderr } = await llama([...args, '--perf']);
    for (const row of [
      / load time = +[\d.]+ ms/,
      / first token time = /,
      / prompt eval time = .* 4 tokens/,
      / eval time = .* 2 runs/,
      / total time = .* 7 tokens/,
    ])
      expect(stderr).toMatch(row);
  });

  it.each([
    [['-ngl', '99'], '--n-gpu-layers: '],
    [['-ngl', '0'], '--n-gpu-layers: '],
    [['--mlock'], '--mlock: no effect'],
    [['--no-mmap'], '--mmap: no effect'],
    [['-mg', '1'], '--main-gpu: no effect; use --device cuda:N'],
  ])('%j: once, what it means here', async (flags, note) => {
    const { code, stderr } = await llama([...args, ...flags]);
    expect(code).toBe(0);
    expect(stderr.split(note)).toHaveLength(2);
  });

  it.each([
    [['-fa']],
    [['-fa', 'on']],
    [['--flash-attn', 'off']],
    [['-fa', 'auto']],
    [['--device', 'none']],
    [['-dev', 'cpu']],
  ])('%j is taken, and nothing said of it', async (flags) => {
    const { code, stderr } = await llama([...args, ...flags]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^cpu /);
    expect(stderr.split('\n')).toHaveLength(4);
  });
});

describe('a wrong command line', () => {
  it.each<[string[], number, string]>([
    [['--perplxity', 'x'], 2, "unknown flag '--perplxity'\n  did you mean --perplexity?"],
    [['-tmp', '0'], 2, "unknown flag '-tmp'\n  did you mean --temp?"],
    [['--nonsense-of-all-kinds'], 2, "unknown flag '--nonsense-of-all-kinds'\n  see --help"],
    [['-p'], 2, "flag '-p' needs a value"],
    [['-n', 'abc'], 2, "flag '-n' is 'abc', expected a whole number, -2 or more"],
    [['-n', '-3'], 2, "flag '-n' is '-3', expected a whole number, -2 or more"],
    [['-c', '-5'], 2, "flag '-c' is '-5', expected a whole number, 0 or more"],
    [['-c', '1.5'], 2, "flag '-c' is '1.5', expected a whole number, 0 or more"],
    [['--temp', 'x'], 2, "flag '--temp' is 'x', expected a number"],
    [['--temp='], 2, "flag '--temp' is '', expected a number"],
    [['-t', '0'], 2, "flag '-t' is '0', expected a whole number, 1 or more"],
    [['-s', '4294967296'], 2, "flag '-s' is '4294967296', expected a whole number from -1 to 4294967295"],
    [['--compute', 'fast'], 2, "flag '--compute' is 'fast', expected auto, f32, block"],
    [['--color=maybe'], 2, "'maybe' is not on, off or auto"],
    [['--json=please'], 2, "flag '--json' takes no value, but got 'please'"],
    [['-ngl', 'many'], 2, "--n-gpu-layers is 'many'"],
    [['--samplers', 'top_k;luck'], 2, "unknown sampler 'luck'"],
    [['--sampler-seq', 'kz'], 2, "unknown sampler letter 'z'"],
    [['-p', 'Hi', 'there'], 2, "'there' belongs to no flag\n  quote a text that has spaces in it"],
    [['package.json'], 2, "'package.json' belongs to no flag\n  a model is named with -m: -m package.json"],
    [['-y', '1'], 2, "unknown flag '-y'\n  see --help"],
    [['-p', 'Hi', '--logit-bias', '288+1'], 2, "--logit-bias '288+1' is not"],
    [['-p', 'Hi', '--chat-template', 'frobnicate'], 2, "there is no built-in chat template 'frobnicate'"],
    [['-p', 'Hi', '-c', '1000000000000'], 6, 'gqa-f32.gguf with compute block, context 1000000000000 needs '],
    [['-p', 'Hi', '--device', 'frobnicator'], 2, "unknown device 'frobnicator'\n  devices are auto, cpu, "],
    [['-p', 'Hi', '--device', 'cpu:1'], 2, "unknown device 'cpu:1'"],
  ])('%j is refused in one sentence', async (args, expectedCode, sentence) => {
    const { code, stdout, stderr } = await llama(['-q', ...args]);
    expect([code, stdout]).toEqual([expectedCode, '']);
    expect(stderr.startsWith(`grafo llama: ${sentence}`), stderr).toBe(true);
    expect(stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(2);
  });

  it('is refused before a model is fetched for it', async () => {
    const missing = join(scratch, 'no-prompt.txt');
    const { code, stderr } = await grafo(['llama', '-hf', 'some/model', '--offline', '-f', missing]);
    expect([code, stderr]).toEqual([3, `grafo llama: cannot read '${missing}': no such file or directory\n`]);
  });

  it.skipIf(!existsSync('/dev/full'))('says so where logits have no room', async () => {
    const { code, stderr } = await llama(['-q', '-p', 'Hi', '-n', '2', '--save-logits', '/dev/full']);
    expect([code, stderr]).toEqual([3, "grafo llama: cannot write '/dev/full': no space left on the device\n"]);
  });

  it.each<[string[], string]>([
    [['lama'], "grafo: unknown command 'lama'\n  did you mean llama?\n"],
    [['frobnicate'], "grafo: unknown command 'frobnicate'\n  commands are demo, llama"],
    [['--frobnicate'], "grafo: unknown flag '--frobnicate'\n  commands are demo, llama"],
  ])('grafo %j is refused', async (args, sentence) => {
    const { code, stdout, stderr } = await grafo(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr.startsWith(sentence), stderr).toBe(true);
  });

  it('is told to a program as JSON, in the last line of stdout', async () => {
    const { code, stdout, stderr } = await llama(['-p', 'x'.repeat(60), '-c', '32', '--json']);
    expect([code, JSON.parse(stdout)]).toEqual([
      6,
      { error: { code: 6, message: 'the prompt has 62 tokens, the context 32' } },
    ]);
    expect(stderr).toContain('the prompt has 62 tokens');
  });

  it('comes with a stack only when asked for', async () => {
    expect((await grafo(['llama', '-m', '/nowhere', '-p', 'Hi'])).stderr).not.toContain('    at ');
    expect((await grafo(['llama', '-m', '/nowhere', '-p', 'Hi', '-v'])).stderr).toContain('    at ');
    const env = { GRAFO_DEBUG: '1' };
    expect((await grafo(['llama', '-m', '/nowhere', '-p', 'Hi'], { env })).stderr).toContain('    at ');
  });
});

describe('devices', () => {
  it('are listed', async () => {
    const { code, stdout } = await grafo(['llama', '--list-devices']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Available devices:\n {2}cpu {5}.*: available\n/);
    const json = JSON.parse((await grafo(['llama', '--list-devices', '--json'])).stdout);
    expect(json[0]).toMatchObject({ id: 'cpu', kind: 'available' });
  });

  it.each(['cuda', 'dml', 'coreml'])('%s, asked for by name, runs or is refused with the cause', async (device) => {
    const { code, stderr } = await llama(['-p', 'Hi', '-n', '1', '--device', device]);
    if (code === 0) expect(stderr).toContain(`\n${device}`);
    else {
      expect(code).toBe(5);
      expect(stderr).toMatch(
        new RegExp(`grafo llama: device '${device}' does not (exist on this platform|start: .+)\n`),
      );
    }
  });
});

describe('help', () => {
  it.each([[['llama', '--help']], [['llama', '-h']], [['llama', '-m', 'x', '--help']]])('grafo %j', async (args) => {
    const { code, stdout, stderr } = await grafo(args);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /^usage: grafo llama \[FLAGS\]\n.*\nExamples:\n.* {2}grafo llama -m .*\nSampling \(.+\):\n/s,
    );
    expect(stdout).toMatch(/\n {2}-n, --predict N {2,}tokens; .*\(default -1\)\n/);
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).not.toMatch(/undefined|\[object/);
  });

  it.each([
    'demo',
    'llama',
    'deepseek',
    'vit',
    'whisper',
    'graph-dump',
    'bench',
    'quantize',
    'models',
    'inspect',
    'cache',
    'completion',
  ])('grafo %s --help fits a terminal of eighty columns', async (name) => {
    const { code, stdout } = await grafo([name, '--help']);
    expect(code).toBe(0);
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  it.each([[['--help']], [[]], [['help']]])('grafo %j lists the commands', async (args) => {
    const { code, stdout, stderr } = await grafo(args);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^usage: grafo COMMAND .*\n\n {2}demo +.*\n {2}llama +write text/);
  });

  it.each([[['--version']], [['llama', '--version']]])('grafo %j', async (args) => {
    const { code, stdout } = await grafo(args);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
  });
});
