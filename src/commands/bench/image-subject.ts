/** An image model under measurement: images of noise, so many at once. */
import { GraphBuilder } from '../../graph/builder.ts';
import { attendsWidely } from '../../graph/device/device.ts';
import { cost } from '../../graph/graph.ts';
import { createClassifier } from '../../models/classifier.ts';
import { vit } from '../../models/vit.ts';
import { runSizes } from '../run-sizes.ts';
import { imageCompute, readVit } from '../vit/model.ts';
import type { ImageTest } from './cases.ts';
import type { LoadOptions } from './load.ts';
import { fetchedBytes, loadParts } from './load.ts';
import type { BenchModel } from './model.ts';
import type { Clock, Sample, Subject, TestFacts } from './subject.ts';
import { foreign } from './text-subject.ts';

/** A ViT to be measured. */
export const loadImages = async (model: BenchModel, options: LoadOptions): Promise<Subject> => {
  const { device, placement } = options;
  const { h, w } = readVit(model.name, model.source);
  const g = new GraphBuilder('vit');
  vit.graphs.classify(g, { h, w });
  const graph = g.build();
  const part = { graph, sizes: {}, fused: placement.flashAttention !== 'off' && attendsWidely(device) };
  const { activations } = placement;
  const compute = placement.compute === 'auto' ? await imageCompute(device, activations, h) : placement.compute;
  const { sessions, loaded, close } = await loadParts(model, { classify: part }, compute, options);
  const { classify: session } = sessions;
  const classifier = createClassifier(session, h.imageSize);

  const facts = ({ nImage }: ImageTest): TestFacts => {
    const sizes = runSizes(graph, { tokens: 1, past: 0, seqs: nImage });
    return {
      nUnit: nImage,
      unit: 'image',
      cost: cost(graph, sizes),
      fetchedBytes: fetchedBytes(session.program, sizes),
    };
  };
  const run = async ({ nImage }: ImageTest, clock: Clock): Promise<Sample> => {
    const images = noise(nImage * 3 * h.imageSize ** 2);
    const begun = clock();
    await classifier.classify(images, nImage);
    return { ms: clock() - begun, stepMs: [] };
  };
  return {
    ...loaded,
    facts: (test) => (test.kind === 'image' ? facts(test) : foreign(test)),
    run: async (test, clock) => (test.kind === 'image' ? run(test, clock) : foreign(test)),
    apart: {},
    close,
  };
};

/** Normalised grey levels of nothing in particular. */
export const noise = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => 1.5 * Math.sin(0.37 * i));
