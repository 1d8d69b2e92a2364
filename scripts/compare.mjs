/**
 * `npm run compare`: grafo beside llama.cpp, vit.cpp, whisper.cpp and transformers.js on this machine, on models of
 * random weights in the shapes of real ones: the same weights for all. Prints the README's tables as Markdown.
 *
 *   npm run compare -- [--llama FOLDER] [--vit-cpp PROGRAM] [--whisper-cpp FOLDER] [--transformers FOLDER]
 *     [--only llama,vit,whisper] [--shape tinyllama-1.1b] [--types q4_0,q4_k_m] [--rounds 3] [--threads 2] [--quick]
 *
 * --llama and --transformers are folders whose node_modules have node-llama-cpp and @huggingface/transformers;
 * --vit-cpp is the program of compare/engines/vit-cpp.cpp, built beside vit.cpp's sources; --whisper-cpp is the folder
 * with whisper-bench; --shape and --types are the language model's. Who is not given has no column. Engines take turns, round by round, each in a process of its own;
 * --quick is for trying the script: shapes and counts too small to mean anything. All takes about 20 minutes.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine, loadBefore } from '../dist/commands/bench/machine.js';
import { SHAPES } from './compare/shapes.mjs';
import { imageSubjects } from './compare/subjects/images.mjs';
import { speechSubjects } from './compare/subjects/speech.mjs';
import { textSubjects } from './compare/subjects/text.mjs';
import { distances, doubts, table } from './compare/table.mjs';
import { inTurns } from './compare/turns.mjs';

const FAMILIES = { llama: textSubjects, vit: imageSubjects, whisper: speechSubjects };

const refuse = (sentence) => {
  console.error(`compare: ${sentence}`);
  process.exit(2);
};

const readFlags = () => {
  try {
    return parseArgs({
      options: {
        llama: { type: 'string' },
        'vit-cpp': { type: 'string' },
        'whisper-cpp': { type: 'string' },
        transformers: { type: 'string' },
        only: { type: 'string', default: Object.keys(FAMILIES).join(',') },
        shape: { type: 'string', default: 'tinyllama-1.1b' },
        types: { type: 'string', default: 'q4_0,q4_k_m' },
        rounds: { type: 'string', default: '3' },
        threads: { type: 'string', default: '2' },
        quick: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return refuse(error.message);
  }
};
const flags = readFlags();

const wholeNumber = (flag) => {
  const n = Number(flags[flag]);
  return Number.isInteger(n) && n > 0 ? n : refuse(`--${flag} is '${flags[flag]}', expected a whole number above 0`);
};
/** The version of a package in somebody's folder; other programs do not tell theirs. */
const versionIn = (flag, name) => {
  if (flags[flag] === undefined) return [];
  const file = join(flags[flag], 'node_modules', name, 'package.json');
  if (!existsSync(file)) refuse(`--${flag} '${flags[flag]}' has no node_modules/${name}; npm i ${name} there`);
  return [`${name} ${JSON.parse(readFileSync(file, 'utf8')).version}`];
};

const families = flags.only.split(',');
const unknown = families.find((name) => !FAMILIES[name]);
if (unknown !== undefined) refuse(`--only names '${unknown}'; there are ${Object.keys(FAMILIES).join(', ')}`);
if (!SHAPES[flags.shape]) refuse(`no shape '${flags.shape}'; there are ${Object.keys(SHAPES).join(', ')}`);
const [rounds, threads] = [wholeNumber('rounds'), wholeNumber('threads')];
const versions = [...versionIn('llama', 'node-llama-cpp'), ...versionIn('transformers', '@huggingface/transformers')];
if (flags['vit-cpp'] !== undefined && !existsSync(flags['vit-cpp'])) refuse(`no program '${flags['vit-cpp']}'`);
if (flags['whisper-cpp'] !== undefined && !existsSync(join(flags['whisper-cpp'], 'whisper-bench')))
  refuse(`no whisper-bench in '${flags['whisper-cpp']}'`);

/** Rows of every table; starts count from the birth of a process, with the model's file in the system's memory. */
const COMMON = [
  { title: 'first start to an answer, s', figure: 'start', digits: 2, times: 1e-3, rounds: 'first', isStart: true },
  { title: 'later starts, s', figure: 'start', digits: 2, times: 1e-3, rounds: 'later', isStart: true },
  { title: 'peak memory, MiB', figure: 'peakBytes', digits: 0, times: 2 ** -20 },
];

const busy = loadBefore();
if (busy !== '') console.error(`compare: the machine is busy (${busy}); what follows is doubtful`);
const { grafo_version, onnxruntime_version, node_version, cpu_info } = await describeMachine();
const software = [`grafo ${grafo_version}`, `onnxruntime ${onnxruntime_version}`, `node ${node_version}`, ...versions];
console.log(`${cpu_info}, ${threads} threads, ${rounds} rounds; ${software.join(', ')}\n`);

const options = {
  quick: flags.quick,
  threads,
  llama: flags.llama,
  shape: flags.shape,
  types: flags.types.split(','),
  vitCpp: flags['vit-cpp'],
  whisperCpp: flags['whisper-cpp'],
  transformers: flags.transformers,
};
const remarks = busy === '' ? [] : [`busy: ${busy}`];
let hasFailed = false;
/** Where the model at hand lies, with all that is made of it: gigabytes, which must not stay behind. */
let folder = '';
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
    process.exit(128 + constants.signals[signal]);
  });

for (const { title, rows, exact, prepare } of families.flatMap((name) => FAMILIES[name](options))) {
  folder = await mkdtemp(join(tmpdir(), 'grafo-compare-'));
  try {
    console.error(`${title}: weights ...`);
    const contestants = await prepare(folder);
    const { results, failed } = await inTurns(contestants, rounds, (what) => console.error(`${title}: ${what}`));
    const all = [...rows, ...COMMON];
    console.log(table(title, all, contestants, results));
    const apart = distances(contestants, results, exact);
    if (apart.length > 0)
      remarks.push(`${title}: answers differ from ${exact}'s, of their largest: ${apart.join(', ')}`);
    remarks.push(...doubts(title, all, results), ...failed.map((text) => `${title}: FAILED, ${text}`));
    hasFailed ||= failed.length > 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
console.log(`medians of rounds (least–most); ×: how many times as fast, or as small, grafo is, in pairs of a round; of two ×,
the first is of grafo float32, the second of int8; fp32 is beside float32, q8 beside int8. Images and sound come
preprocessed, as pixels and as a spectrogram: what is measured is the models.`);
for (const remark of remarks) console.log(remark);
process.exitCode = hasFailed ? 1 : 0;
