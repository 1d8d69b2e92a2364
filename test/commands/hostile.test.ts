/** What comes of files that are damaged, foreign or contradict themselves: one sentence, and an exit code. */
import { chmodSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TypedValue } from '../../src/io/gguf/metadata.ts';
import type { TensorToWrite } from '../../src/io/gguf/writer.ts';
import { fixture, scratch } from '../fixtures.ts';
import { tensorOf } from '../tiny-gguf.ts';
import { changedModel } from './models.ts';
import { grafo } from './run.ts';

/** A second where the machine is idle; slow machines get three. */
const MOST_MS = 3000;

const bytes = readFileSync(fixture('llama/gqa-f32.gguf'));

/** The fixture with some bytes changed in place. */
const patched = (name: string, patch: (b: Buffer) => unknown): string => {
  const path = join(scratch, `${name}.gguf`);
  const copy = Buffer.from(bytes);
  patch(copy);
  writeFileSync(path, copy);
  return path;
};
const file = (name: string, content: string): string => {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
};

/** Where the offset of a matrix is in the header: after its name, number of dimensions, two sizes and type. */
const offsetOf = (name: string): number => bytes.indexOf(name) + name.length + 4 + 16 + 4;

const u32 = (value: number): TypedValue => ({ type: 'u32', value });
const f32 = (value: number): TypedValue => ({ type: 'f32', value });
const meta = (name: string, metadata: Readonly<Record<string, TypedValue | undefined>>, base?: string) => () =>
  changedModel(name, { metadata }, base);
const tensors = (name: string, change: (all: readonly TensorToWrite[]) => readonly TensorToWrite[]) => () =>
  changedModel(name, { tensors: change });

/** Runs the file and expects one sentence, the exit code, and nothing else, soon. */
const expectRefusal = async (path: string, code: number, sentence: RegExp): Promise<void> => {
  const result = await grafo(['llama', '-m', path, '-p', 'Hi', '-n', '1', '-q']);
  expect(result.stdout).toBe('');
  expect(result.stderr).toMatch(sentence);
  // The sentence, and at most one line of advice below it.
  expect(result.stderr).toMatch(/^grafo llama: [^\n]+\n( {2}[^\n]+\n)?$/);
  expect(result.stderr).not.toMatch(/internal error|\n\s+at |undefined|NaN/);
  expect(result.code).toBe(code);
  expect(result.ms).toBeLessThan(MOST_MS);
};

describe('a file is refused in one sentence, soon, when', () => {
  it.each<[string, () => string | Promise<string>, number, RegExp]>([
    ['there is none', () => join(scratch, 'nowhere.gguf'), 3, /nowhere\.gguf': no such file/],
    ['it is a directory', () => scratch, 3, /it is a directory/],
    ['it is empty', () => file('empty.gguf', ''), 4, /is empty/],
    ['it is a text', () => file('text.gguf', 'Once upon a time'), 4, /is not a GGUF file/],
    ['it has another magic', () => patched('magic', (b) => b.write('GGML', 0, 'latin1')), 4, /is not a GGUF file/],
    [
      'it was cut in the header',
      () => {
        const path = patched('cut-header', () => undefined);
        truncateSync(path, 1000);
        return path;
      },
      4,
      /goes beyond the end of the file/,
    ],
    [
      'it was cut in the weights',
      () => {
        const path = patched('cut', () => undefined);
        truncateSync(path, bytes.length - 5000);
        return path;
      },
      4,
      /tensor 'blk\.1\.ffn_down\.weight': ends at byte \d+, but .* has \d+/,
    ],
    [
      'it announces absurdly many tensors',
      () => patched('tensors', (b) => b.writeBigUInt64LE(2n ** 60n, 8)),
      4,
      /announces 11529215\d+ tensors/,
    ],
    [
      'it announces absurdly many keys',
      () => patched('keys', (b) => b.writeBigUInt64LE(2n ** 63n, 16)),
      4,
      /announces .* keys/,
    ],
    [
      'a tensor lies outside of it',
      () => patched('outside', (b) => b.writeBigUInt64LE(2n ** 40n, offsetOf('blk.1.ffn_up.weight'))),
      4,
      /tensor 'blk\.1\.ffn_up\.weight'/,
    ],
    [
      'two tensors overlap',
      () =>
        patched('overlap', (b) =>
          b.writeBigUInt64LE(b.readBigUInt64LE(offsetOf('blk.1.ffn_gate.weight')), offsetOf('blk.1.ffn_up.weight')),
        ),
      4,
      /tensor 'blk\.1\.ffn_up\.weight': offset \d+, expected \d+, the end of the tensor before it/,
    ],
    [
      'a tensor is of a type that does not exist',
      () => patched('type', (b) => b.writeUInt32LE(4711, offsetOf('blk.1.ffn_up.weight') - 4)),
      4,
      /tensor 'blk\.1\.ffn_up\.weight' has type 4711/,
    ],
    [
      'a tensor has the wrong shape',
      tensors('shape', (all) => [
        ...all.filter((t) => t.name !== 'blk.0.attn_k.weight'),
        tensorOf('blk.0.attn_k.weight', 'f32', [64, 64], () => 0),
      ]),
      4,
      /tensor 'blk\.0\.attn_k\.weight': shape \[64, 64\], expected \[32, 64\]/,
    ],
    [
      'a tensor is missing',
      tensors('missing', (all) => all.filter((t) => t.name !== 'blk.1.ffn_down.weight')),
      4,
      /tensor 'blk\.1\.ffn_down\.weight' is missing/,
    ],
    [
      'it has a tensor that nobody needs',
      tensors('extra', (all) => [...all, tensorOf('blk.0.surprise.weight', 'f32', [4], () => 0)]),
      4,
      /does not use 1 of the file's tensors: 'blk\.0\.surprise\.weight'/,
    ],
    [
      'its architecture is not known',
      meta('arch', { 'general.architecture': { type: 'string', value: 'perceptron' } }),
      4,
      /architecture 'perceptron' is not supported/,
    ],
    ['it names no architecture', meta('no-arch', { 'general.architecture': undefined }), 4, /general\.architecture/],
    [
      'its architecture is a number',
      meta('number-arch', { 'general.architecture': u32(1) }),
      4,
      /general\.architecture/,
    ],
    [
      'a hyperparameter is missing',
      meta('no-embd', { 'llama.embedding_length': undefined }),
      4,
      /metadata 'llama\.embedding_length' is missing/,
    ],
    [
      'its epsilon is missing',
      meta('no-eps', { 'llama.attention.layer_norm_rms_epsilon': undefined }),
      4,
      /layer_norm_rms_epsilon' is missing/,
    ],
    [
      'a hyperparameter is a text',
      meta('text-embd', { 'llama.embedding_length': { type: 'string', value: '64' } }),
      4,
      /llama\.embedding_length' is "64"/,
    ],
    ['it has no heads', meta('no-heads', { 'llama.attention.head_count': u32(0) }), 4, /head_count' is 0/],
    [
      'its heads do not divide its width',
      meta('heads', { 'llama.attention.head_count': u32(3), 'llama.attention.head_count_kv': u32(1) }),
      4,
      /head_count is 3, expected a divisor of embedding_length 64/,
    ],
    [
      'its key heads do not divide its heads',
      meta('kv-heads', { 'llama.attention.head_count_kv': u32(3) }),
      4,
      /head_count_kv is 3/,
    ],
    ['it has no layers', meta('no-layers', { 'llama.block_count': u32(0) }), 4, /block_count' is 0/],
    [
      'it has minus one layers',
      meta('minus-layers', { 'llama.block_count': { type: 'i32', value: -1 } }),
      4,
      /block_count' is -1/,
    ],
    [
      'it has more layers than tensors for them',
      meta('layers-3', { 'llama.block_count': u32(3) }),
      4,
      /tensor 'blk\.2\.attn_norm\.weight' is missing/,
    ],
    [
      'it has two billion layers',
      meta('layers-31', { 'llama.block_count': u32(2 ** 31) }),
      4,
      /block_count' is \d+, expected 1 to 10000/,
    ],
    [
      'it has a million million layers',
      meta('layers-40', { 'llama.block_count': { type: 'u64', value: 2n ** 40n } }),
      4,
      /block_count' is \d+, expected 1 to 10000/,
    ],
    [
      'it has a fraction of a layer',
      meta('layers-fraction', { 'llama.block_count': f32(1.5) }),
      4,
      /block_count' is 1\.5/,
    ],
    [
      'it turns an odd number of dimensions',
      meta('rope-odd', { 'llama.rope.dimension_count': u32(15) }),
      4,
      /rope\.dimension_count is 15/,
    ],
    [
      'it turns more dimensions than a head has',
      meta('rope-wide', { 'llama.rope.dimension_count': u32(32) }),
      4,
      /rope\.dimension_count is 32/,
    ],
    ['its rope base is 0', meta('rope-base', { 'llama.rope.freq_base': f32(0) }), 4, /rope\.freq_base is 0/],
    ['its epsilon is negative', meta('eps', { 'llama.attention.layer_norm_rms_epsilon': f32(-1) }), 4, /epsilon is -1/],
    ['its context is 0', meta('ctx', { 'llama.context_length': u32(0) }), 4, /context_length' is 0/],
    [
      'its head size is absurd',
      meta('key-length', { 'llama.attention.key_length': u32(2 ** 31) }),
      4,
      /attn_q\.weight': shape \[64, 64\], expected \[8589934592, 64\]/,
    ],
    [
      'it uses more experts than it has',
      meta('experts', { 'llama.expert_used_count': u32(5) }, 'llama/moe'),
      4,
      /expert_used_count is 5/,
    ],
    [
      'it uses none of its experts',
      meta('no-experts', { 'llama.expert_used_count': u32(0) }, 'llama/moe'),
      4,
      /expert_used_count is 0/,
    ],
    [
      'its rope scaling is not known',
      meta('scaling', { 'llama.rope.scaling.type': { type: 'string', value: 'longrope' } }),
      4,
      /rope scaling 'longrope' is not supported/,
    ],
    [
      'its rope factor is 0',
      meta('factor', {
        'llama.rope.scaling.type': { type: 'string', value: 'linear' },
        'llama.rope.scaling.factor': f32(0),
      }),
      4,
      /rope\.scaling\.factor is 0/,
    ],
    ['it has no vocabulary', meta('no-tokens', { 'tokenizer.ggml.tokens': undefined }), 4, /tokenizer\.ggml\.tokens/],
    [
      'its vocabulary is shorter than its embeddings',
      meta('few-tokens', { 'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: ['<unk>', '<s>', '</s>'] } }),
      4,
      /tensor 'token_embd\.weight': shape \[288, 64\], expected \[3, 64\]/,
    ],
    [
      'its tokenizer is not known',
      meta('tokenizer', { 'tokenizer.ggml.model': { type: 'string', value: 'abacus' } }),
      4,
      /tokenizer 'abacus' is not known/,
    ],
  ])('%s', async (_, make, code, sentence) => {
    await expectRefusal(await make(), code, sentence);
  });

  const isRoot = process.getuid?.() === 0;
  if (isRoot) console.warn('skipped: that a file without permission is refused, because root may read everything');
  it.skipIf(isRoot || process.platform === 'win32')('nobody may read it', async () => {
    const path = patched('locked', () => undefined);
    chmodSync(path, 0);
    await expectRefusal(path, 3, /no permission/);
  });

  it('its path leads through a file', async () => {
    mkdirSync(join(scratch, 'folder'), { recursive: true });
    await expectRefusal(join(file('folder/plain', 'x'), 'model.gguf'), 3, /not a directory/);
  });
});

it('the file that the hostile ones are made from is written by the same hands and runs', async () => {
  const path = await changedModel('unchanged', {});
  const args = ['-p', 'Hi', '-n', '8', '--temp', '0', '--ignore-eos', '--compute', 'f32', '--json'];
  const [copy, original] = [
    await grafo(['llama', '-m', path, ...args]),
    await grafo(['llama', '-m', fixture('llama/gqa-f32.gguf'), ...args]),
  ];
  expect(copy.code).toBe(0);
  expect(JSON.parse(copy.stdout).ids).toEqual(JSON.parse(original.stdout).ids);
});
