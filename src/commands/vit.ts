/** `grafo vit`: says what is in images, with a Vision Transformer. */
import { parse } from 'node:path';
import { exitCodes, UserError } from '../errors.ts';
import { deviceId } from '../graph/device/device.ts';
import { fileError } from '../io/gguf/file.ts';
import type { ImageSource } from '../io/image/decode.ts';
import { writeHeat } from '../io/image/heat.ts';
import type { Pixels } from '../io/image/pixels.ts';
import { normalise } from '../io/image/preprocess.ts';
import { writeWhole } from '../io/whole-file.ts';
import type { Classified } from '../models/classifier.ts';
import { attentionRollout } from '../models/rollout.ts';
import { command } from './command.ts';
import { printDevices } from './devices.ts';
import { dryRun } from './dry-run.ts';
import type { Interrupts } from './interrupts.ts';
import { interruptible } from './interrupts.ts';
import { modelPath } from './model-source.ts';
import { placementOf } from './placement.ts';
import { whilePreparing } from './preparing.ts';
import { expectNoStdin, tasksToDo } from './share.ts';
import { noticeUnless, progressLine, write } from './terminal.ts';
import { convertModel } from './vit/convert.ts';
import { Accuracy, accuracyText, labelledImages } from './vit/eval.ts';
import type { ImageTask, Prepared } from './vit/images.ts';
import { findImages, preparedBatches } from './vit/images.ts';
import { labelsFor } from './vit/labels.ts';
import type { ImageModel, OpenVitOptions } from './vit/model.ts';
import { imageMemory, openImageModel } from './vit/model.ts';
import type { VitFlags } from './vit/options.ts';
import { vitOptions } from './vit/options.ts';
import type { Recipe } from './vit/preprocessing.ts';
import { recipeFor } from './vit/preprocessing.ts';
import { heading, imageJson, imageLines, reportOptionsOf } from './vit/report.ts';
import { createStopwatch } from './vit/timings.ts';

/** `grafo vit`. */
export const vitCommand = command({
  operands: 'IMAGE',
  options: vitOptions,
  examples: [
    ['grafo vit -m vit.gguf cat.jpg', 'the five likeliest classes'],
    ['grafo vit -m vit.gguf photos/ -b 8 --csv > out.csv', 'all images of a folder'],
    ['curl -s URL | grafo vit -m vit.gguf -', 'an image from a pipe'],
    ['grafo vit -m vit.gguf cat.jpg --attention-map map.png', 'where the model looked'],
    ['grafo vit -m google/vit-folder --convert vit.gguf --type q8_0', 'a GGUF file from a Hugging Face folder'],
    ['grafo vit -m vit.gguf --eval val/', 'accuracy, with one folder a class'],
    ['grafo vit -m vit.gguf photos/ --embeddings --jsonl', 'vectors for search'],
    ['grafo vit photos/ --output-dir seen --skip-existing --shard 0/4', 'a quarter of them, but what is done'],
  ],
  async run(flags, words) {
    if (flags['list-devices']) {
      await printDevices(flags.json);
      return 0;
    }
    checkForms(flags);
    if (flags['dry-run'])
      return dryRun(flags, 'vit', noticeUnless(flags.quiet), (file) =>
        imageMemory(file, file.name, openOptions(flags)),
      );
    const named = [...flags.inp, ...words];
    if (flags.convert !== undefined) {
      if (named.length > 0)
        throw new UserError('usage', `'${named[0]}' and --convert: a model is written, or images read`);
      await convertModel(flags, await modelPath(flags, 'vit', noticeUnless(flags.quiet)), flags.convert);
      return 0;
    }
    if (flags.eval !== undefined && named.length > 0)
      throw new UserError('usage', `'${named[0]}' and --eval`, '--eval takes its images from its own folder');
    const asked = flags.eval === undefined ? await imagesToDo(flags, named) : undefined;
    if (asked?.length === 0) return 0;

    const path = await modelPath(flags, 'vit', noticeUnless(flags.quiet));
    return interruptible(async (interrupts) => {
      const model = await openModel(path, flags, interrupts.signal);
      try {
        if (model.nClass === 0 && !flags.embeddings)
          throw new UserError('model', `'${path}' has no classifier`, '--embeddings gives what it sees');
        const labels = await labelsFor(flags.labels, model.metadata, model.nClass);
        const recipe = recipeFor(flags, model.metadata, model.classifier.imageSize);
        const job: Job = { flags, model, labels, recipe, interrupts };
        return asked ? await classifyAll(job, asked) : await evaluate(job, flags.eval ?? '');
      } finally {
        await model.close();
      }
    });
  },
});

/** The images that are this process's to do; none where all are done. */
const imagesToDo = async (flags: VitFlags, named: readonly string[]): Promise<readonly ImageTask[]> => {
  if (flags.shard) expectNoStdin(named);
  const all = await findImages(named, flags['output-dir']);
  if (all.length === 0) throw new UserError('usage', 'no image', 'name files or folders, or - for stdin');
  return tasksToDo(all, flags, 'images', noticeUnless(flags.quiet));
};

const checkForms = (flags: VitFlags): void => {
  const forms = (['json', 'jsonl', 'csv'] as const).filter((name) => flags[name]);
  if (forms.length > 1) throw new UserError('usage', `--${forms[0]} and --${forms[1]} are two forms of one output`);
  if (flags.eval !== undefined && (flags.jsonl || flags.csv || flags.embeddings || flags['attention-map']))
    throw new UserError('usage', '--eval prints a summary: as text, or with --json');
  if (flags.eval !== undefined && (flags['output-dir'] !== undefined || flags.shard))
    throw new UserError('usage', '--eval is one summary of all images: no files, no shares');
  if (flags['skip-existing'] && flags['output-dir'] === undefined)
    throw new UserError('usage', '--skip-existing needs --output-dir', 'there is a file for each image that is done');
  if (flags.type !== undefined && flags.convert === undefined)
    throw new UserError('usage', '--type is the type of what --convert writes');
  const map = flags['attention-map'];
  if (map !== undefined && !/\.png$/i.test(map))
    throw new UserError('usage', `--attention-map '${map}' is no .png`, 'maps are written as PNG');
  if (flags.embeddings && flags.logits)
    throw new UserError('usage', '--embeddings prints no classes, so there are no --logits');
};

/** How the flags want a model opened. */
const openOptions = (flags: VitFlags): OpenVitOptions => ({
  ...placementOf(flags, noticeUnless(flags.quiet)),
  ...(flags['img-size'] !== undefined && { imageSize: flags['img-size'] }),
  batchSize: flags['batch-size'],
  looks: flags['attention-map'] !== undefined,
});

const openModel = (path: string, flags: VitFlags, signal: AbortSignal): Promise<ImageModel> =>
  whilePreparing({ isQuiet: flags.quiet, signal, notice: noticeUnless(flags.quiet) }, (hooks) =>
    openImageModel(path, { ...openOptions(flags), ...hooks }),
  );

interface Job {
  readonly flags: VitFlags;
  readonly model: ImageModel;
  readonly labels: readonly string[];
  readonly recipe: Recipe;
  readonly interrupts: Interrupts;
}

/** An image that could be read, and what the model says. */
interface Answered<S extends ImageSource> {
  readonly source: S;
  readonly pixels: Pixels;
  readonly answer: Classified;
}

/** An image that could not. */
interface Failure {
  readonly source: ImageSource;
  readonly error: UserError;
}

/** Answers in the order of the images; what cannot be read is named on stderr and counted. */
async function* answers<S extends ImageSource>(
  { flags, model, recipe, interrupts }: Job,
  sources: readonly S[],
  failed: Failure[],
): AsyncGenerator<Answered<S>> {
  const { classifier, loadMs } = model;
  const { imageSize } = classifier;
  const watch = createStopwatch(loadMs);
  const bar = progressLine('images', flags.quiet);
  const isRead = (p: Prepared<S>): p is Prepared<S> & { readonly result: Pixels } => !(p.result instanceof UserError);
  for await (const batch of preparedBatches(sources, { recipe, imageSize, batchSize: flags['batch-size'] })) {
    if (interrupts.signal.aborted) break;
    for (const { source, result } of batch) if (result instanceof UserError) failed.push({ source, error: result });
    const read = batch.filter(isRead);
    const images = new Float32Array(read.length * 3 * imageSize ** 2);
    for (const [i, { result }] of read.entries()) normalise(result, recipe, images, i * 3 * imageSize ** 2);
    const classify = () => classifier.classify(images, read.length);
    const said = read.length > 0 ? await watch.inference(read.length, classify) : [];
    watch.prepared(batch);
    if (sources.length > 1) bar.update(watch.nImage, sources.length);
    for (const [i, { source, result }] of read.entries()) {
      const answer = said[i];
      if (answer) yield { source, pixels: result, answer };
    }
  }
  bar.end();
  if (watch.nSeen > 0) noticeUnless(flags.quiet)(flags.perf ? watch.table() : watch.line());
}

const classifyAll = async (job: Job, sources: readonly ImageTask[]): Promise<number> => {
  const { flags, model, labels, interrupts } = job;
  const report = reportOptionsOf(flags, labels, sources.length);
  const failed: Failure[] = [];
  const images: unknown[] = [];
  let isFirst = true;
  for await (const { source, pixels, answer } of answers(job, sources, failed)) {
    if (isFirst) await write(heading(report, answer.embedding.length));
    isFirst = false;
    await write(imageLines(source.name, answer, report));
    if (report.form === 'json') images.push(imageJson(source.name, answer, report));
    if (flags['attention-map'] !== undefined)
      await writeHeat(numbered(flags['attention-map'], source.nth), pixels, rolledOut(answer, model));
    // Last: where this file is, the image is done.
    for (const path of source.outputs) await saveJson(path, imageJson(source.name, answer, report));
  }
  const [first] = failed;
  if (first && sources.length === 1) throw first.error;
  for (const { error } of failed) process.stderr.write(`grafo vit: ${error.message}\n`);
  if (report.form === 'json') {
    const errors = failed.map(({ source, error }) => ({ file: source.name, message: error.message }));
    const { device, compute, threads } = model;
    await write(`${JSON.stringify({ images, failed: errors, device: deviceId(device), compute, threads })}\n`);
  }
  if (interrupts.signal.aborted) return interrupts.exitCode;
  return first ? exitCodes.partial : 0;
};

const saveJson = async (path: string, value: unknown): Promise<void> => {
  try {
    await writeWhole(path, (file) => file.writeFile(`${JSON.stringify(value)}\n`));
  } catch (error) {
    throw fileError('write', path, error);
  }
};

const rolledOut = ({ attention }: Classified, { nToken, nPrefix }: ImageModel): Float32Array =>
  attentionRollout(attention, nToken, nPrefix);

/** map.png, map-2.png, map-3.png, ... by the places of the images among all that are named. */
const numbered = (path: string, i: number): string => {
  const { dir, name, ext } = parse(path);
  return i === 0 ? path : `${dir === '' ? '' : `${dir}/`}${name}-${i + 1}${ext}`;
};

const evaluate = async (job: Job, dir: string): Promise<number> => {
  const { flags, labels, interrupts } = job;
  const sources = await labelledImages(dir, labels);
  const accuracy = new Accuracy(labels);
  const failed: Failure[] = [];
  for await (const { source, answer } of answers(job, sources, failed)) accuracy.add(source.truth, answer.logits);
  for (const { error } of failed) process.stderr.write(`grafo vit: ${error.message}\n`);
  const summary = accuracy.summary();
  if (summary.images > 0) await write(flags.json ? `${JSON.stringify(summary)}\n` : accuracyText(summary));
  if (interrupts.signal.aborted) return interrupts.exitCode;
  return failed.length > 0 ? exitCodes.partial : 0;
};
