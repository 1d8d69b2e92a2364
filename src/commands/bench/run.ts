/** Everything that a command line of `grafo bench` asks for, measured one after the other and printed as it comes. */
import { extname } from 'node:path';
import { UserError } from '../../errors.ts';
import type { Device, Wish } from '../../graph/device/device.ts';
import { deviceId } from '../../graph/device/device.ts';
import type { Roofline } from '../../graph/device/measure.ts';
import { measureRoofline } from '../../graph/device/measure.ts';
import { svgToPng } from '../../io/image/svg.ts';
import { barsSvg } from '../../io/picture/bars.ts';
import { appendText, saveFile } from '../../io/plain-file.ts';
import { Interrupted } from '../../models/decoder.ts';
import { findDevice } from '../devices.ts';
import { modelPath } from '../model-source.ts';
import { cacheFolder } from '../options.ts';
import type { Lists, Placement, Test } from './cases.ts';
import { placementsOf, testName, testsOf } from './cases.ts';
import { compared, comparisonTable, hasRegression, readEarlier } from './compare.ts';
import { loadImages } from './image-subject.ts';
import type { LoadOptions } from './load.ts';
import type { Machine } from './machine.ts';
import { forgetPeak, peakBytes, usedDeviceBytes, watchOthers } from './machine.ts';
import { measure } from './measure.ts';
import type { BenchModel, ModelName } from './model.ts';
import { openBenchModel } from './model.ts';
import type { BenchFlags } from './options.ts';
import { extraColumns, listsOf } from './options.ts';
import { createPrinter } from './print.ts';
import type { Progress } from './progress.ts';
import type { BenchRecord } from './record.ts';
import { recordOf } from './record.ts';
import { loadSpeech } from './speech-subject.ts';
import type { Clock, Subject } from './subject.ts';
import { loadText } from './text-subject.ts';

/** What a benchmark needs of the world around it. */
export interface World {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Asks the system what machine this is. */
  describe(): Promise<Machine>;
  /** What speaks against measuring now, for a person. */
  readonly busyBefore: readonly string[];
  readonly progress: Progress;
  /** Results. */
  write(text: string): Promise<void>;
  /** Everything else. */
  note(text: string): void;
  /** What could not be measured, as soon as that is known. */
  complain(error: UserError): void;
}

/** What came of it. */
export interface Outcome {
  readonly records: readonly BenchRecord[];
  readonly wasInterrupted: boolean;
  readonly hasRegression: boolean;
  /** Of what could not be measured, first to last. */
  readonly failures: readonly UserError[];
}

/**
 * Measures, prints, compares and draws. What cannot be measured is told and passed over, as long as there is more.
 * @throws UserError for what makes everything meaningless: flags, a file to compare with, the only model or device
 */
export const runBench = async (flags: BenchFlags, world: World): Promise<Outcome> => {
  const lists = listsOf(flags);
  const named: readonly ModelName[] = [
    ...flags.model.map((name) => ({ kind: 'file' as const, name })),
    ...flags.shape.map((name) => ({ kind: 'shape' as const, name })),
  ];
  const picture = pictureForm(flags.plot);
  const earlier = flags.compare === undefined ? undefined : await readEarlier(flags.compare);
  const names = named.length > 0 ? named : [await demo(world)];
  const isAlone = names.length === 1 && placementsOf(lists).length === 1;
  for (const reason of world.busyBefore) world.note(`busy: ${reason}\n`);
  world.progress.say('asking what machine this is');
  const machine = await world.describe();
  const out = createPrinter(flags.output, extraColumns(flags));
  const err = flags['output-err'] === undefined ? undefined : createPrinter(flags['output-err'], extraColumns(flags));
  const print = async (make: (printer: typeof out) => string): Promise<void> => {
    world.progress.clear();
    await world.write(make(out));
    if (err) world.note(make(err));
  };

  await print((printer) => printer.begin());
  const records: BenchRecord[] = [];
  const failures: UserError[] = [];
  let wasInterrupted = false;
  const fail = (error: UserError): void => {
    failures.push(error);
    world.progress.clear();
    if (!isAlone) world.complain(error);
  };
  try {
    for await (const record of measuredAll(names, lists, flags, { ...world, machine, fail })) {
      records.push(record);
      await print((printer) => printer.row(record));
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    wasInterrupted = true;
  }
  await print((printer) => printer.end());
  const [first] = failures;
  if (isAlone && first && records.length === 0) throw first;
  if (isAlone) for (const error of failures) world.complain(error);

  if (flags.history !== undefined && records.length > 0)
    await appendText(flags.history, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  if (flags.plot !== undefined && picture !== undefined && records.length > 0) await draw(flags.plot, picture, records);
  const comparison = earlier && compared(records, earlier, flags.threshold);
  if (comparison) {
    const table = `\n${comparisonTable(comparison)}`;
    if (flags.output === 'md') await world.write(table);
    else world.note(table);
  }
  return { records, wasInterrupted, hasRegression: comparison !== undefined && hasRegression(comparison), failures };
};

interface Work extends World {
  readonly machine: Machine;
  fail(error: UserError): void;
}

/** Every test of every model in every placement, as it is done. */
async function* measuredAll(
  names: readonly ModelName[],
  lists: Lists,
  flags: BenchFlags,
  world: Work,
): AsyncGenerator<BenchRecord> {
  const devices = new Map<string, Promise<Device>>();
  const deviceOf = (wish: Wish): Promise<Device> =>
    remembered(devices, JSON.stringify(wish), async () => (await findDevice(wish, 0)).device);
  const rooflines = new Map<string, Promise<Roofline>>();
  const rooflineOf = (device: Device, threads: number): Promise<Roofline> =>
    remembered(rooflines, `${deviceId(device)} ${threads}`, () => {
      world.progress.say(`measuring ${deviceId(device)}`);
      return measureRoofline(device, { threads, cacheFolder: cacheFolder() });
    });

  const hub = {
    'hf-token': flags['hf-token'],
    offline: flags.offline,
    quiet: flags.quiet,
    notice: (line: string) => world.note(`${line}\n`),
  };
  const placements = placementsOf(lists);
  const models: BenchModel[] = [];
  try {
    for (const name of names) await told(world, async () => void models.push(await openBenchModel(name, hub)));
    const total = models.reduce((n, { family }) => n + placements.length * testsOf(family, lists).length, 0);
    let done = 0;
    for (const model of models) {
      const tests = testsOf(model.family, lists);
      for (const placement of placements) {
        const opened = await told(world, async () => {
          const device = await deviceOf(placement.device);
          const roofline = flags.roofline ? await rooflineOf(device, placement.threads) : undefined;
          forgetPeak();
          const before = await usedDeviceBytes();
          const subject = await load(model, tests, {
            device,
            placement,
            strictDevice: flags['strict-device'],
            warmLoad: flags['warm-load'],
            notice: (line) => {
              world.progress.clear();
              world.note(`${line}\n`);
            },
            progress: (ready, of) => {
              if (world.signal.aborted) throw new Interrupted();
              world.progress.say(`preparing ${model.name}: ${Math.floor((100 * ready) / Math.max(1, of))} %`);
            },
          });
          return { subject, roofline, before };
        });
        if (!opened) {
          done += tests.length;
          continue;
        }
        try {
          for (const test of tests) {
            world.progress.test(`${model.name} ${testName(test)}`, done, total);
            const record = await told(world, () => recorded(model, test, { ...opened, placement, flags }, world));
            done++;
            if (record) yield record;
          }
        } finally {
          await opened.subject.close();
        }
      }
    }
  } finally {
    for (const model of models) await model.close();
  }
}

/** What stands in where no model is named. */
const demo = async ({ note }: World): Promise<ModelName> => ({
  kind: 'file',
  name: await modelPath({}, 'any', (line) => note(`${line}; or --shape tinyllama-1.1b:q4_0\n`)),
});

const load = (model: BenchModel, tests: readonly Test[], options: LoadOptions): Promise<Subject> => {
  switch (model.family) {
    case 'vit':
      return loadImages(model, options);
    case 'whisper':
      return loadSpeech(model, options);
    case 'llama':
    case 'deepseek':
      return loadText(
        model,
        tests.filter((test) => test.kind === 'text'),
        options,
      );
  }
};

interface Opened {
  readonly subject: Subject;
  readonly roofline: Roofline | undefined;
  /** Bytes in use on the card before the model came. */
  readonly before: number | undefined;
  readonly placement: Placement;
  readonly flags: BenchFlags;
}

const recorded = async (model: BenchModel, test: Test, o: Opened, world: Work): Promise<BenchRecord> => {
  const others = watchOthers();
  const time = new Date();
  const samples = await measure(o.subject, test, {
    repetitions: o.flags.repetitions,
    warmup: o.flags.warmup,
    clock: world.clock,
    signal: world.signal,
    progress: world.progress.repetition,
  });
  const othersShare = others();
  const after = o.subject.device.provider === 'cpu' ? undefined : await usedDeviceBytes();
  return recordOf({
    model,
    subject: o.subject,
    test,
    facts: o.subject.facts(test),
    samples,
    flashAttention: o.placement.flashAttention,
    machine: world.machine,
    roofline: o.roofline,
    time,
    peakBytes: peakBytes(),
    deviceBytes: o.before === undefined || after === undefined ? undefined : Math.max(0, after - o.before),
    busyBefore: world.busyBefore.join('; '),
    othersShare,
  });
};

/** What `work` gives; undefined, and the reason told, where a user can mend it. */
const told = async <R>({ fail }: Work, work: () => Promise<R>): Promise<R | undefined> => {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    fail(error);
    return undefined;
  }
};

const remembered = <R>(known: Map<string, Promise<R>>, key: string, find: () => Promise<R>): Promise<R> => {
  const found = known.get(key) ?? find();
  known.set(key, found);
  return found;
};

const pictureForm = (path: string | undefined): 'svg' | 'png' | undefined => {
  if (path === undefined) return undefined;
  const form = extname(path).slice(1).toLowerCase();
  if (form === 'svg' || form === 'png') return form;
  throw new UserError('usage', `--plot '${path}' is neither .svg nor .png`);
};

/** Pixels for each point of a PNG picture. */
const SCALE = 2;

const rateOf: Readonly<Record<string, string>> = {
  token: 'tokens/s',
  image: 'images/s',
  window: 'windows/s',
  second: 'seconds of sound/s',
};

const draw = async (path: string, form: 'svg' | 'png', records: readonly BenchRecord[]): Promise<void> => {
  const bars = records.map((r) => ({
    unit: rateOf[r.unit] ?? r.unit,
    label: r.test,
    series: `${r.model_filename}, ${r.device}, ${r.n_threads} threads`,
    mean: r.avg_ts ?? 0,
    stddev: r.stddev_ts ?? 0,
  }));
  const svg = await barsSvg(bars, `grafo bench, ${records[0]?.cpu_info ?? ''}`);
  await saveFile(path, form === 'svg' ? svg : await svgToPng(svg, SCALE));
};
