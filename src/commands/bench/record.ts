/** A benchmark's result: one flat record for each test, with llama-bench's names where they mean the same. */
import { deviceId } from '../../graph/device/device.ts';
import type { Roofline } from '../../graph/device/measure.ts';
import type { Provider } from '../../graph/lower/target.ts';
import type { OnOffAuto } from '../arguments.ts';
import type { Test } from './cases.ts';
import { testName } from './cases.ts';
import type { Machine } from './machine.ts';
import type { BenchModel } from './model.ts';
import { isUnsteady, spreadOf } from './statistics.ts';
import type { Sample, Subject, TestFacts } from './subject.ts';

/** How a field is stored in a table; lists are in JSON only. */
export type FieldKind = 'text' | 'integer' | 'real' | 'list';

/** All fields in order; docs/bench.schema.json says what each means. */
export const fields = {
  grafo_version: 'text',
  onnxruntime_version: 'text',
  node_version: 'text',
  cpu_info: 'text',
  cpu_features: 'text',
  gpu_info: 'text',
  gpu_driver: 'text',
  backends: 'text',
  device: 'text',
  model_filename: 'text',
  model_type: 'text',
  model_size: 'integer',
  model_n_params: 'integer',
  n_batch: 'integer',
  n_ubatch: 'integer',
  n_threads: 'integer',
  type_k: 'text',
  type_v: 'text',
  n_gpu_layers: 'integer',
  flash_attn: 'text',
  compute: 'text',
  n_prompt: 'integer',
  n_gen: 'integer',
  n_depth: 'integer',
  test: 'text',
  unit: 'text',
  n_unit: 'real',
  test_time: 'text',
  avg_ns: 'integer',
  stddev_ns: 'integer',
  avg_ts: 'real',
  stddev_ts: 'real',
  p50_ms: 'real',
  p95_ms: 'real',
  ttft_ms: 'real',
  itl_p50_ms: 'real',
  itl_p95_ms: 'real',
  itl_p99_ms: 'real',
  load_ms: 'real',
  load_warm_ms: 'real',
  prepare_ms: 'real',
  create_ms: 'real',
  sample_ms: 'real',
  tokenize_ms_per_token: 'real',
  peak_rss_bytes: 'integer',
  device_bytes: 'integer',
  weight_bytes: 'integer',
  kv_bytes: 'integer',
  fetched_bytes_per_run: 'integer',
  fallback_ops: 'integer',
  flops_per_s: 'real',
  bytes_per_s: 'real',
  flop_use: 'real',
  bandwidth_use: 'real',
  roof_flops_per_s: 'real',
  roof_bytes_per_s: 'real',
  roof_copy_bytes_per_s: 'real',
  roof_int8_per_s: 'real',
  unsteady: 'integer',
  busy: 'text',
  others_share: 'real',
  samples_ns: 'list',
  samples_ts: 'list',
  token_ms: 'list',
} as const satisfies Readonly<Record<string, FieldKind>>;

type Stored<K extends FieldKind> = K extends 'text' ? string : K extends 'list' ? readonly number[] : number | null;

/** null: does not apply, or is not known here. */
export type BenchRecord = { readonly [F in keyof typeof fields]: Stored<(typeof fields)[F]> };

/** Everything that a record is made of. */
export interface Measured {
  readonly model: BenchModel;
  readonly subject: Subject;
  readonly test: Test;
  readonly facts: TestFacts;
  /** At least one, the warm-up not among them. */
  readonly samples: readonly Sample[];
  readonly flashAttention: OnOffAuto;
  readonly machine: Machine;
  readonly roofline: Roofline | undefined;
  /** When the first repetition began. */
  readonly time: Date;
  readonly peakBytes: number;
  readonly deviceBytes: number | undefined;
  /** What spoke against measuring, for a person; empty: nothing. */
  readonly busyBefore: string;
  /** What others had of the processor meanwhile, from 0 to 1. */
  readonly othersShare: number;
}

/** What llama-bench would call the backend. */
const backends: Readonly<Record<Provider, string>> = {
  cpu: 'CPU',
  cuda: 'CUDA',
  webgpu: 'WebGPU',
  dml: 'DirectML',
  coreml: 'CoreML',
};

/** All layers are on one device: what llama-bench writes for that. */
const ALL_LAYERS = 99;

const MS = 1e6;

/** So much of the processor in others' hands changes what is measured. */
const BUSY_SHARE = 0.1;

const busyText = ({ busyBefore, othersShare }: Measured): string =>
  [busyBefore, othersShare > BUSY_SHARE ? 'other programs worked meanwhile' : '']
    .filter((text) => text !== '')
    .join('; ');

/** A measurement under llama-bench's names, and our own where it has none. */
export const recordOf = (m: Measured): BenchRecord => {
  const { model, subject, test, facts, samples, machine, roofline } = m;
  const { device, apart } = subject;
  const ns = samples.map(({ ms }) => Math.round(ms * MS));
  const rates = samples.map(({ ms }) => (1e3 * facts.nUnit) / ms);
  const [time, rate] = [spreadOf(ns), spreadOf(rates)];
  const steps = samples.flatMap(({ stepMs }) => stepMs);
  const itl = steps.length > 0 ? spreadOf(steps) : undefined;
  const first = samples.flatMap(({ firstMs }) => firstMs ?? []);
  const text = test.kind === 'text' ? test : undefined;
  const perSecond = (n: number | undefined) => (n === undefined ? null : (1e9 * n) / time.mean);
  const [flops, bytes] = [perSecond(facts.cost?.flops), perSecond(facts.cost?.bytes)];
  const share = (n: number | null, of: number | undefined) => (n === null || of === undefined ? null : n / of);
  return {
    ...machine,
    backends: backends[device.provider],
    device: deviceId(device),
    model_filename: model.name,
    model_type: model.type,
    model_size: model.byteLength,
    model_n_params: model.nParameter,
    n_batch: text?.nBatch ?? (test.kind === 'image' ? test.nImage : null),
    n_ubatch: facts.nRun ?? null,
    n_threads: subject.threads,
    type_k: subject.cacheType,
    type_v: subject.cacheType,
    n_gpu_layers: device.provider === 'cpu' ? 0 : ALL_LAYERS,
    flash_attn: m.flashAttention,
    compute: subject.compute,
    n_prompt: text?.nPrompt ?? 0,
    n_gen: text?.nGen ?? 0,
    n_depth: text?.nDepth ?? 0,
    test: testName(test),
    unit: facts.unit,
    n_unit: facts.nUnit,
    test_time: m.time.toISOString().replace(/\.\d+Z$/, 'Z'),
    avg_ns: Math.round(time.mean),
    stddev_ns: Math.round(time.stddev),
    avg_ts: rate.mean,
    stddev_ts: rate.stddev,
    p50_ms: time.p50 / MS,
    p95_ms: time.p95 / MS,
    ttft_ms: first.length > 0 ? spreadOf(first).mean : null,
    itl_p50_ms: itl?.p50 ?? null,
    itl_p95_ms: itl?.p95 ?? null,
    itl_p99_ms: itl?.p99 ?? null,
    load_ms: subject.prepareMs + subject.createMs,
    load_warm_ms: subject.warmLoadMs ?? null,
    prepare_ms: subject.prepareMs,
    create_ms: subject.createMs,
    sample_ms: apart.sampleMs ?? null,
    tokenize_ms_per_token: apart.tokenizeMsPerToken ?? null,
    peak_rss_bytes: m.peakBytes,
    device_bytes: m.deviceBytes ?? null,
    weight_bytes: subject.weightBytes,
    kv_bytes: facts.cacheBytes ?? null,
    fetched_bytes_per_run: facts.fetchedBytes ?? null,
    fallback_ops: subject.nFallback,
    flops_per_s: flops,
    bytes_per_s: bytes,
    flop_use: share(flops, roofline?.flopsPerSecond),
    bandwidth_use: share(bytes, roofline?.bytesPerSecond),
    roof_flops_per_s: roofline?.flopsPerSecond ?? null,
    roof_bytes_per_s: roofline?.bytesPerSecond ?? null,
    roof_copy_bytes_per_s: roofline?.copiedBytesPerSecond ?? null,
    roof_int8_per_s: roofline?.int8PerSecond ?? null,
    unsteady: isUnsteady(rate) ? 1 : 0,
    busy: busyText(m),
    others_share: m.othersShare,
    samples_ns: ns,
    samples_ts: rates,
    token_ms: steps,
  };
};
