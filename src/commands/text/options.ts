/** The flags of `grafo llama`, with llama.cpp's names and defaults. */
import { UserError } from '../../errors.ts';
import { parseSamplerSequence, parseSamplers } from '../../models/sampling.ts';
import { onOffAuto } from '../arguments.ts';
import { optionGroup, type Parsed } from '../command.ts';
import { deviceOptions, modelOptions, reportOptions } from '../options.ts';

const input = optionGroup('Input', {
  prompt: { alias: 'p', type: 'string', describe: 'text to go on from; in chat the first message' },
  file: { alias: 'f', type: 'string', placeholder: 'FILE', describe: 'the prompt from a file (- is stdin)' },
  escape: { alias: 'e', type: 'boolean', default: true, describe: 'read \\n, \\t, \\xHH ... in prompts' },
  ids: { type: 'string', placeholder: '1,2,3', describe: 'token ids instead of a prompt' },
  'ctx-size': {
    alias: 'c',
    type: 'number',
    whole: true,
    least: 0,
    default: 0,
    describe: 'length of the context; 0: as trained',
  },
  mla: {
    choices: ['auto', 'absorb', 'expand'] as const,
    default: 'auto' as const,
    describe: 'the cache of latent attention',
  },
  'spec-type': {
    choices: ['none', 'draft-mtp', 'ngram-simple'] as const,
    default: 'none' as const,
    placeholder: 'TYPE',
    describe: 'draft-mtp|ngram-simple guess ahead',
  },
  'spec-ngram-size-n': {
    alias: 'spec-ngram-simple-size-n',
    type: 'number',
    whole: true,
    least: 1,
    default: 12,
    describe: 'tokens that stood there before',
  },
  'spec-ngram-size-m': {
    alias: 'spec-ngram-simple-size-m',
    type: 'number',
    whole: true,
    least: 1,
    default: 48,
    describe: 'tokens guessed at once, at most',
  },
  messages: { type: 'string', placeholder: 'FILE', describe: 'a conversation from a JSON file, answered once' },
  lora: {
    alias: 'lora-scaled',
    type: 'string',
    array: true,
    default: [] as string[],
    placeholder: 'FILE[:SCALE]',
    describe: 'adapter of the model (may be repeated)',
  },
  'override-kv': {
    type: 'string',
    array: true,
    default: [] as string[],
    placeholder: 'K=T:V',
    describe: "metadata KEY=TYPE:VALUE instead of the file's",
  },
  'batch-size': { alias: 'b', type: 'number', whole: true, least: 1, default: 2048, describe: 'the most for -ub' },
  'ubatch-size': {
    alias: 'ub',
    type: 'number',
    whole: true,
    least: 1,
    describe: 'tokens in one run (default: by device)',
  },
});

const kept = optionGroup('Context', {
  session: {
    type: 'string',
    placeholder: 'FILE',
    describe: 'go on from this conversation, and keep it',
  },
  'prompt-cache': {
    type: 'string',
    placeholder: 'FILE',
    describe: 'go on from this prompt, and keep it',
  },
  'prompt-cache-all': { type: 'boolean', default: false, describe: 'keep the answer too' },
  'prompt-cache-ro': { type: 'boolean', default: false, describe: 'go on from it, keep nothing' },
  'context-shift': {
    type: 'boolean',
    default: false,
    describe: 'when it is full, forget the oldest half',
  },
  keep: {
    type: 'number',
    whole: true,
    least: -1,
    default: 0,
    describe: 'tokens always kept; -1: the prompt',
  },
});

/** llama.cpp's types of a cache; ours hold what the kernels compute with. */
const cacheTypes = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_1', 'iq4_nl', 'q5_0', 'q5_1'] as const;

/** Measured: kernels that take float32 activations would convert a smaller cache as a whole in every run. */
const cacheType = (text: string): 'f32' => {
  if (text === 'f32') return 'f32';
  const known = cacheTypes.find((name) => name === text);
  if (known) throw new UserError('usage', `a cache of ${known} cannot be had: keys and values are kept as f32`);
  throw new UserError(
    'usage',
    `'${text}' is no type of a cache`,
    `llama.cpp has ${cacheTypes.join(', ')}; here it is f32`,
  );
};

const positions = optionGroup('Positions (what is not given is as the file says)', {
  'rope-scaling': { choices: ['none', 'linear', 'yarn'] as const, describe: 'how they are stretched' },
  'rope-scale': { type: 'number', least: 1e-6, describe: 'the context is so many times longer' },
  'rope-freq-base': { type: 'number', least: 1e-6, describe: 'base of the frequencies' },
  'rope-freq-scale': { type: 'number', least: 1e-6, describe: '1 / rope-scale' },
  'yarn-orig-ctx': { type: 'number', whole: true, least: 1, describe: 'context length of the training' },
  'yarn-ext-factor': { type: 'number', least: -1, describe: '0: interpolation, 1: by frequency, -1: as the file' },
  'yarn-attn-factor': { type: 'number', least: 1e-6, describe: 'on the magnitude of attention' },
  'yarn-beta-slow': { type: 'number', least: 1e-6, describe: 'turns below which all is interpolated' },
  'yarn-beta-fast': { type: 'number', least: 1e-6, describe: 'turns above which nothing is' },
  'cache-type-k': {
    alias: 'ctk',
    type: 'string',
    coerce: cacheType,
    placeholder: 'TYPE',
    describe: 'of kept keys: f32',
  },
  'cache-type-v': {
    alias: 'ctv',
    type: 'string',
    coerce: cacheType,
    placeholder: 'TYPE',
    describe: 'of kept values: f32',
  },
});

const output = optionGroup('Output', {
  predict: {
    alias: ['n', 'n-predict'],
    type: 'number',
    whole: true,
    least: -2,
    default: -1,
    describe: 'tokens; -1: to the end, -2: what fits',
  },
  'ignore-eos': { type: 'boolean', default: false, describe: 'never choose an end token' },
  logprobs: {
    type: 'number',
    whole: true,
    least: 0,
    describe: 'how sure it was, and N others (--json or stderr)',
  },
  'reverse-prompt': {
    alias: 'r',
    type: 'string',
    array: true,
    default: [] as string[],
    describe: 'stop after this text (may be repeated)',
  },
  special: { alias: 'sp', type: 'boolean', default: false, describe: 'print control tokens' },
  'display-prompt': { type: 'boolean', describe: 'the prompt first (default: on a terminal)' },
  'verbose-prompt': { type: 'boolean', default: false, describe: "the prompt's tokens on stderr" },
  color: { alias: 'co', type: 'string', default: 'auto', coerce: onOffAuto, describe: 'set off the prompt' },
});

/** Variables of a chat template. */
const jsonObject = (text: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new UserError('usage', `--chat-template-kwargs '${text}' is no JSON object`, 'like {"thinking":true}');
};

const chat = optionGroup('Chat', {
  conversation: { alias: 'cnv', type: 'boolean', describe: 'chat (default: if there is a template)' },
  'system-prompt': { alias: 'sys', type: 'string', describe: 'system message' },
  'system-prompt-file': {
    alias: 'sysf',
    type: 'string',
    placeholder: 'FILE',
    describe: 'system message from a file',
  },
  'single-turn': { alias: 'st', type: 'boolean', default: false, describe: 'answer once and exit' },
  'chat-template': { type: 'string', describe: 'name of a format, or Jinja text' },
  'chat-template-file': { type: 'string', placeholder: 'FILE', describe: 'Jinja text from a file' },
  'chat-template-kwargs': {
    type: 'string',
    coerce: jsonObject,
    placeholder: 'JSON',
    describe: 'what the template may ask: \'{"thinking":true}\'',
  },
  'simple-io': { type: 'boolean', default: false, describe: 'plain lines instead of the drawn chat' },
});

const reasoning = optionGroup('Reasoning', {
  'reasoning-format': {
    choices: ['auto', 'none', 'deepseek'] as const,
    default: 'auto' as const,
    placeholder: 'NAME',
    describe: 'auto|none|deepseek: thoughts apart',
  },
  thinking: {
    choices: ['show', 'hide', 'only'] as const,
    default: 'show' as const,
    describe: 'thoughts on stdout',
  },
  'reasoning-budget': {
    type: 'number',
    whole: true,
    least: -1,
    default: -1,
    describe: 'tokens of thought; -1: any number',
  },
});

/**
 * How tokens are chosen; a chat can change these while it goes on. What the file may say in `general.sampling.*` has no
 * default here: given on the command line or not is a difference.
 */
export const samplingFlags = optionGroup("Sampling (the file's own choice goes before the default)", {
  seed: {
    alias: 's',
    type: 'number',
    whole: true,
    least: -1,
    most: 2 ** 32 - 1,
    default: -1,
    describe: '-1: random',
  },
  temp: { alias: 'temperature', type: 'number', defaultDescription: '0.8', describe: '0: always the likeliest token' },
  'top-k': { type: 'number', whole: true, defaultDescription: '40', describe: '0: off' },
  'top-p': { type: 'number', defaultDescription: '0.95', describe: '1: off' },
  'min-p': { type: 'number', defaultDescription: '0.05', describe: '0: off' },
  typical: { alias: 'typical-p', type: 'number', default: 1, describe: '1: off' },
  'top-nsigma': { alias: 'top-n-sigma', type: 'number', default: -1, describe: '-1: off' },
  'xtc-probability': { type: 'number', defaultDescription: '0', describe: '0: off' },
  'xtc-threshold': { type: 'number', defaultDescription: '0.1', describe: 'above 0.5: off' },
  'repeat-last-n': {
    type: 'number',
    whole: true,
    least: -1,
    defaultDescription: '64',
    describe: 'tokens that penalties see; -1: all',
  },
  'repeat-penalty': { type: 'number', defaultDescription: '1', describe: '1: off' },
  'presence-penalty': { type: 'number', default: 0, describe: '0: off' },
  'frequency-penalty': { type: 'number', default: 0, describe: '0: off' },
  'dry-multiplier': { type: 'number', default: 0, describe: '0: off' },
  'dry-base': { type: 'number', default: 1.75, describe: 'growth of the penalty' },
  'dry-allowed-length': { type: 'number', whole: true, default: 2, describe: 'free length of a repetition' },
  'dry-penalty-last-n': {
    type: 'number',
    whole: true,
    least: -1,
    default: -1,
    describe: 'tokens that DRY sees; -1: all',
  },
  'dry-sequence-breaker': {
    type: 'string',
    array: true,
    default: ['\n', ':', '"', '*'],
    defaultDescription: '\\n : " *',
    describe: 'or none',
  },
  'dynatemp-range': { type: 'number', default: 0, describe: '0: off' },
  'dynatemp-exp': { type: 'number', default: 1, describe: 'exponent of the dynamic temperature' },
  mirostat: { choices: [0, 1, 2] as const, type: 'number', defaultDescription: '0', describe: '0: off' },
  'mirostat-lr': { type: 'number', defaultDescription: '0.1', describe: 'learning rate (eta)' },
  'mirostat-ent': { type: 'number', defaultDescription: '5', describe: 'target entropy (tau)' },
  'min-keep': { type: 'number', whole: true, least: 0, default: 0, describe: 'samplers leave at least so many tokens' },
  'logit-bias': {
    alias: 'l',
    type: 'string',
    array: true,
    default: [] as string[],
    placeholder: 'ID+BIAS',
    describe: 'or ID-BIAS (may be repeated)',
  },
  samplers: {
    type: 'string',
    coerce: parseSamplers,
    placeholder: 'A;B;C',
    describe: 'the chain, such as top_k;temperature',
  },
  'sampler-seq': {
    alias: 'sampling-seq',
    type: 'string',
    coerce: parseSamplerSequence,
    placeholder: 'ABC',
    describe: 'the same by letters (default edskypmxt)',
  },
});

const form = optionGroup('Form of the answer', {
  grammar: { type: 'string', placeholder: 'GBNF', describe: 'a grammar that it is of' },
  'grammar-file': { type: 'string', placeholder: 'FILE', describe: 'the same from a file' },
  'json-schema': { alias: 'j', type: 'string', placeholder: 'SCHEMA', describe: 'JSON of this schema; {}: any JSON' },
  'json-schema-file': { alias: 'jf', type: 'string', placeholder: 'FILE', describe: 'the same from a file' },
});

const tools = optionGroup('Instead of writing', {
  tokenize: { type: 'string', describe: 'the tokens of a text' },
  perplexity: { type: 'string', placeholder: 'FILE', describe: 'perplexity of a text file' },
  chunks: { type: 'number', whole: true, least: -1, default: -1, describe: 'so many chunks of it; -1: all' },
  'expert-stats': { type: 'boolean', default: false, describe: 'also tell which experts were chosen' },
  'save-logits': { type: 'string', placeholder: 'FILE', describe: 'also save the logits of every position' },
});

/** Layers have no device of their own here, so only 0 means something. */
const gpuLayers = (text: string): 'none' | 'all' => {
  if (!/^(-?\d+|auto|all)$/.test(text)) throw new UserError('usage', `--n-gpu-layers is '${text}', expected a number`);
  return text === '0' ? 'none' : 'all';
};

/** Flags of llama.cpp that have nothing, or only one thing, to set here, and what is said of them. */
const acceptedOnly = optionGroup('Accepted from llama.cpp', {
  'n-gpu-layers': {
    alias: ['ngl', 'gpu-layers'],
    type: 'string',
    coerce: gpuLayers,
    placeholder: 'N',
    describe: '0: the CPU; else all are on one device',
  },
  'main-gpu': { alias: 'mg', type: 'string', placeholder: 'N', describe: 'no effect; use --device cuda:N' },
  mlock: { type: 'boolean', describe: 'no effect' },
  mmap: { type: 'boolean', describe: 'no effect; weights are always mapped' },
  warmup: { type: 'boolean', describe: 'no effect' },
  jinja: { type: 'boolean', describe: 'no effect; templates are always Jinja' },
});

/** The flags of `grafo llama` and `grafo deepseek`. */
export const llamaOptions = {
  ...modelOptions,
  ...input,
  ...kept,
  ...positions,
  ...output,
  ...chat,
  ...reasoning,
  ...samplingFlags,
  ...form,
  ...tools,
  ...deviceOptions,
  ...reportOptions,
  ...acceptedOnly,
};

export type LlamaFlags = Parsed<typeof llamaOptions>;

/** What to say, once, of flags that are only accepted. */
export const notesOnAccepted = (flags: LlamaFlags): readonly string[] =>
  (Object.keys(acceptedOnly) as (keyof typeof acceptedOnly)[])
    .filter((name) => flags[name] !== undefined)
    .map((name) => `--${name}: ${acceptedOnly[name].describe}`);
