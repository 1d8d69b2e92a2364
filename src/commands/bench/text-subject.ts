/** A text model under measurement: prompts, and tokens one by one, after as much as is asked for. */
import { picksBest } from '../../graph/device/device.ts';
import { cost } from '../../graph/graph.ts';
import { readTokenizer } from '../../io/text/tokenizer.ts';
import type { Row } from '../../models/best.ts';
import { createDecoder } from '../../models/decoder.ts';
import { createSampler, defaultSampling } from '../../models/sampling.ts';
import { runSizes } from '../run-sizes.ts';
import { buildDecoder, runLength } from '../text/open.ts';
import type { TextTest } from './cases.ts';
import type { LoadOptions } from './load.ts';
import { fetchedBytes, keptBytes, loadParts } from './load.ts';
import type { BenchModel } from './model.ts';
import type { Apart, Clock, Sample, Subject, TestFacts } from './subject.ts';

/** Loads a text model with room for the longest of the tests. */
export const loadText = async (
  model: BenchModel,
  tests: readonly TextTest[],
  options: LoadOptions,
): Promise<Subject> => {
  const { device, placement } = options;
  const { graph, h, best } = buildDecoder(model.source, { tellsBest: picksBest(device) });
  const nCtx = Math.max(...tests.map(({ nPrompt, nGen, nDepth }) => nPrompt + nGen + nDepth));
  const part = { graph, sizes: { nCtx, B: 1 }, fused: placement.flashAttention !== 'off' };
  const compute = placement.compute === 'auto' ? 'block' : placement.compute;
  const { sessions, loaded, close } = await loadParts(model, { decoder: part }, compute, options);
  const { decoder: session } = sessions;

  const decoders = new Map<number, ReturnType<typeof createDecoder>>();
  const decoderOf = (nTokenPerRun: number) => {
    const decoder =
      decoders.get(nTokenPerRun) ?? createDecoder(session, { nVocab: h.nVocab, nTokenPerRun, ...(best && { best }) });
    decoders.set(nTokenPerRun, decoder);
    return decoder;
  };
  const nRunOf = ({ nRun, nBatch }: TextTest): number => Math.min(runLength(nRun, device), nBatch);

  /** Positions with something in the cache: what is there stays true whatever is written after it. */
  let nWritten = 0;

  const facts = (test: TextTest): TestFacts => {
    const { nPrompt, nGen, nDepth } = test;
    const nRun = nRunOf(test);
    const costs = [
      ...prompts(nPrompt, nRun).map(({ from, n }) =>
        cost(graph, runSizes(graph, { tokens: n, past: nDepth + from, seqs: 1 })),
      ),
      // What a token costs grows evenly with its position: all together cost what the middle one does, so many times.
      ...(nGen > 0
        ? [
            times(
              nGen,
              cost(graph, runSizes(graph, { tokens: 1, past: nDepth + nPrompt + Math.floor(nGen / 2), seqs: 1 })),
            ),
          ]
        : []),
    ];
    return {
      nUnit: nPrompt + nGen,
      unit: 'token',
      nRun,
      cost: costs.reduce((a, b) => ({ flops: a.flops + b.flops, bytes: a.bytes + b.bytes }), { flops: 0, bytes: 0 }),
      fetchedBytes: fetchedBytes(session.program, runSizes(graph, { tokens: 1, past: nDepth, seqs: 1 }), best?.outputs),
      cacheBytes: keptBytes(session.program),
    };
  };

  const run = async (test: TextTest, clock: Clock, signal: AbortSignal): Promise<Sample> => {
    const { nPrompt, nGen, nDepth } = test;
    const decoder = decoderOf(nRunOf(test));
    const wanted = { signal, nBest: defaultSampling.topK };
    if (nWritten < nDepth) await decoder.row(someTokens(nDepth - nWritten, h.nVocab), nWritten, wanted);
    nWritten = Math.max(nWritten, nDepth);
    const prompt = someTokens(nPrompt, h.nVocab);
    const begun = clock();
    if (nPrompt > 0) await decoder.row(prompt, nDepth, wanted);
    const first = clock();
    const stepMs: number[] = [];
    let before = first;
    for (let i = 0; i < nGen; i++) {
      await decoder.row([tokenAt(i, h.nVocab)], nDepth + nPrompt + i, wanted);
      const now = clock();
      stepMs.push(now - before);
      before = now;
    }
    nWritten = Math.max(nWritten, nDepth + nPrompt + nGen);
    return { ms: before - begun, ...(nPrompt > 0 && { firstMs: first - begun }), stepMs };
  };

  const isText = (test: { readonly kind: string }): test is TextTest => test.kind === 'text';
  const row = await decoderOf(1).row([0], 0, { nBest: defaultSampling.topK });
  return {
    ...loaded,
    facts: (test) => (isText(test) ? facts(test) : foreign(test)),
    run: (test, clock, signal) => (isText(test) ? run(test, clock, signal) : foreign(test)),
    apart: { ...sampling(row, h.nVocab), ...tokenising(model) },
    close,
  };
};

/** A test of another family's: the cases are made by family, so this is a mistake. */
export const foreign = ({ kind }: { readonly kind: string }): never => {
  throw new Error(`this model has no test of kind '${kind}'`);
};

/** Ids all over the vocabulary, the same in every run. */
const tokenAt = (i: number, nVocab: number): number => (i * 7919) % nVocab;
const someTokens = (n: number, nVocab: number): readonly number[] =>
  Array.from({ length: n }, (_, i) => tokenAt(i, nVocab));

const prompts = (nPrompt: number, nRun: number): readonly { readonly from: number; readonly n: number }[] =>
  Array.from({ length: Math.ceil(nPrompt / nRun) }, (_, i) => ({
    from: i * nRun,
    n: Math.min(nRun, nPrompt - i * nRun),
  }));

const times = (n: number, c: { readonly flops: number; readonly bytes: number }) => ({
  flops: n * c.flops,
  bytes: n * c.bytes,
});

const REPEATS = 16;

const meanMs = (work: () => void): number => {
  work();
  const begun = performance.now();
  for (let i = 0; i < REPEATS; i++) work();
  return (performance.now() - begun) / REPEATS;
};

const sampling = (row: Row, nVocab: number): Apart => {
  const sampler = createSampler({ ...defaultSampling, seed: 1 }, nVocab);
  return { sampleMs: meanMs(() => sampler.sample(row)) };
};

const SENTENCE = 'It was the best of times, it was the worst of times; 1859 was a long while ago. ';

const tokenising = ({ source: { metadata } }: BenchModel): Apart => {
  if (!metadata.has('tokenizer.ggml.tokens')) return {};
  const tokenizer = readTokenizer(metadata);
  const text = SENTENCE.repeat(20);
  const encode = () => tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
  const nToken = encode().length;
  return { tokenizeMsPerToken: meanMs(encode) / nToken };
};
