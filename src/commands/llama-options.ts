/** The flags of `grafo llama`, with llama.cpp's names and defaults. */

import { onOffAuto } from './arguments.ts';
import type { OptionTable } from './command.ts';
import { sharedOptions } from './options.ts';

const input = {
  prompt: { alias: 'p', type: 'string', describe: 'text to go on from; in chat the first message', group: 'Input:' },
  file: { alias: 'f', type: 'string', describe: 'read the prompt from a file (- is stdin)', group: 'Input:' },
  escape: {
    alias: 'e',
    type: 'boolean',
    default: true,
    describe: 'read \\n, \\t, \\xHH ... in prompts',
    group: 'Input:',
  },
  ids: { type: 'string', describe: 'token ids instead of a prompt: 1,2,3', group: 'Input:' },
  'ctx-size': {
    alias: 'c',
    type: 'number',
    default: 0,
    describe: 'length of the context (0: as trained)',
    group: 'Input:',
  },
  'batch-size': {
    alias: 'b',
    type: 'number',
    default: 2048,
    describe: 'tokens of a prompt at once, at most',
    group: 'Input:',
  },
  'ubatch-size': {
    alias: 'ub',
    type: 'number',
    describe: 'tokens of a prompt in one run (by device)',
    group: 'Input:',
  },
} satisfies OptionTable;

const output = {
  predict: {
    alias: ['n', 'n-predict'],
    type: 'number',
    default: -1,
    describe: 'tokens to write (-1: until the end token, -2: until the context is full)',
    group: 'Output:',
  },
  'ignore-eos': { type: 'boolean', default: false, describe: 'never choose an end token', group: 'Output:' },
  special: { alias: 'sp', type: 'boolean', default: false, describe: 'print control tokens', group: 'Output:' },
  'display-prompt': { type: 'boolean', describe: 'print the prompt first (default: on a terminal)', group: 'Output:' },
  'verbose-prompt': {
    type: 'boolean',
    default: false,
    describe: "print the prompt's tokens on stderr",
    group: 'Output:',
  },
  color: {
    alias: 'co',
    type: 'string',
    default: 'auto',
    coerce: onOffAuto,
    describe: 'colours: on, off or auto',
    group: 'Output:',
  },
  perf: { type: 'boolean', default: false, describe: 'timings as a table', group: 'Output:' },
} satisfies OptionTable;

const chat = {
  conversation: {
    alias: 'cnv',
    type: 'boolean',
    describe: 'chat (default: if the file has a template)',
    group: 'Chat:',
  },
  'system-prompt': { alias: 'sys', type: 'string', describe: 'system message', group: 'Chat:' },
  'system-prompt-file': { alias: 'sysf', type: 'string', describe: 'system message from a file', group: 'Chat:' },
  'single-turn': { alias: 'st', type: 'boolean', default: false, describe: 'answer once and exit', group: 'Chat:' },
  'chat-template': { type: 'string', describe: "a template's name or its Jinja text", group: 'Chat:' },
  'chat-template-file': { type: 'string', describe: 'a file with a Jinja template', group: 'Chat:' },
  'reverse-prompt': {
    alias: 'r',
    type: 'string',
    array: true,
    default: [] as string[],
    describe: 'stop at this text (may be repeated)',
    group: 'Chat:',
  },
} satisfies OptionTable;

const sampling = {
  seed: { alias: 's', type: 'number', default: -1, describe: '-1: random', group: 'Sampling:' },
  temp: { alias: 'temperature', type: 'number', default: 0.8, describe: '0: always the likeliest', group: 'Sampling:' },
  'top-k': { type: 'number', default: 40, describe: '0: off', group: 'Sampling:' },
  'top-p': { type: 'number', default: 0.95, describe: '1: off', group: 'Sampling:' },
  'min-p': { type: 'number', default: 0.05, describe: '0: off', group: 'Sampling:' },
  typical: { alias: 'typical-p', type: 'number', default: 1, describe: '1: off', group: 'Sampling:' },
  'top-nsigma': { alias: 'top-n-sigma', type: 'number', default: -1, describe: '-1: off', group: 'Sampling:' },
  'xtc-probability': { type: 'number', default: 0, describe: '0: off', group: 'Sampling:' },
  'xtc-threshold': { type: 'number', default: 0.1, describe: 'above 0.5: off', group: 'Sampling:' },
  'repeat-last-n': {
    type: 'number',
    default: 64,
    describe: 'tokens that penalties look at (-1: all)',
    group: 'Sampling:',
  },
  'repeat-penalty': { type: 'number', default: 1, describe: '1: off', group: 'Sampling:' },
  'presence-penalty': { type: 'number', default: 0, describe: '0: off', group: 'Sampling:' },
  'frequency-penalty': { type: 'number', default: 0, describe: '0: off', group: 'Sampling:' },
  'dry-multiplier': { type: 'number', default: 0, describe: '0: off', group: 'Sampling:' },
  'dry-base': { type: 'number', default: 1.75, describe: 'growth of the DRY penalty', group: 'Sampling:' },
  'dry-allowed-length': {
    type: 'number',
    default: 2,
    describe: 'repetitions of this length are free',
    group: 'Sampling:',
  },
  'dry-penalty-last-n': {
    type: 'number',
    default: -1,
    describe: 'tokens that DRY looks at (-1: all)',
    group: 'Sampling:',
  },
  'dry-sequence-breaker': {
    type: 'string',
    array: true,
    default: ['\n', ':', '"', '*'],
    defaultDescription: '\\n : " *',
    describe: 'texts over which nothing repeats (none: no breakers)',
    group: 'Sampling:',
  },
  'dynatemp-range': { type: 'number', default: 0, describe: '0: off', group: 'Sampling:' },
  'dynatemp-exp': { type: 'number', default: 1, describe: 'exponent of the dynamic temperature', group: 'Sampling:' },
  mirostat: {
    choices: [0, 1, 2] as const,
    type: 'number',
    default: 0 as const,
    describe: '0: off',
    group: 'Sampling:',
  },
  'mirostat-lr': { type: 'number', default: 0.1, describe: 'learning rate (eta)', group: 'Sampling:' },
  'mirostat-ent': { type: 'number', default: 5, describe: 'target entropy (tau)', group: 'Sampling:' },
  'logit-bias': {
    alias: 'l',
    type: 'string',
    array: true,
    default: [] as string[],
    describe: 'ID+BIAS or ID-BIAS (may be repeated)',
    group: 'Sampling:',
  },
  samplers: {
    type: 'string',
    describe: 'the chain: penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature',
    group: 'Sampling:',
  },
  'sampler-seq': {
    alias: 'sampling-seq',
    type: 'string',
    describe: 'the same by letters: edskypmxt',
    group: 'Sampling:',
  },
} satisfies OptionTable;

const tools = {
  perplexity: { type: 'string', describe: 'perplexity of a text file', group: 'Instead of writing:' },
  chunks: {
    type: 'number',
    default: -1,
    describe: 'perplexity of so many chunks (-1: all)',
    group: 'Instead of writing:',
  },
  tokenize: { type: 'string', describe: 'the tokens of a text', group: 'Instead of writing:' },
  'save-logits': { type: 'string', describe: 'logits of every position into a file', group: 'Instead of writing:' },
} satisfies OptionTable;

/** Flags of llama.cpp that have nothing to set here, and what is said of them. */
export const acceptedOnly = {
  'n-gpu-layers': {
    alias: ['ngl', 'gpu-layers'],
    type: 'string',
    describe: '0: the CPU; else the whole model is on one device',
    group: 'Accepted from llama.cpp:',
  },
  'main-gpu': { alias: 'mg', type: 'string', describe: 'use --device cuda:N', group: 'Accepted from llama.cpp:' },
  mlock: { type: 'boolean', describe: 'no effect', group: 'Accepted from llama.cpp:' },
  mmap: { type: 'boolean', describe: 'weights are always mapped', group: 'Accepted from llama.cpp:' },
  warmup: { type: 'boolean', describe: 'no effect', group: 'Accepted from llama.cpp:' },
  jinja: { type: 'boolean', describe: 'templates are always Jinja', group: 'Accepted from llama.cpp:' },
} satisfies OptionTable;

export const llamaOptions = { ...sharedOptions, ...input, ...output, ...chat, ...sampling, ...tools, ...acceptedOnly };
