/** An image model over batches: pixels in, logits and what follows from them out. */
import type { HostTensor } from '../graph/device/engine.ts';

/** What a classifier needs of a session. */
interface Runner {
  run(inputs: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>>;
}

export interface Classified {
  /** By class; empty where the model has no classifier. */
  readonly logits: Float32Array;
  readonly probs: Float32Array;
  /** What the classifier looks at, `[nEmbd]`. */
  readonly embedding: Float32Array;
  /** For each layer how much each token looks at each, `[nHead, T, T]`; empty if the graph does not tell. */
  readonly attention: readonly Float32Array[];
}

export interface Classifier {
  /** Side of the images it takes. */
  readonly imageSize: number;
  /** Normalised images by planes, `[nImage, 3, imageSize, imageSize]`. */
  classify(images: Float32Array, nImage: number): Promise<Classified[]>;
}

/** A classifier over a session of an image model's graph. */
export const createClassifier = (session: Runner, imageSize: number): Classifier => ({
  imageSize,
  async classify(images, nImage) {
    const outputs = await session.run({
      image: { dtype: 'f32', dims: [nImage, 3, imageSize, imageSize], data: images },
    });
    const row = (name: string, i: number): Float32Array => {
      const data = outputs[name]?.data as Float32Array | undefined;
      if (!data) return new Float32Array();
      return data.subarray((i * data.length) / nImage, ((i + 1) * data.length) / nImage);
    };
    const layers = Object.keys(outputs).filter((name) => name.startsWith('attention.'));
    return Array.from({ length: nImage }, (_, i) => ({
      logits: row('logits', i),
      probs: row('probs', i),
      embedding: row('embedding', i),
      attention: layers.map((name) => row(name, i)),
    }));
  },
});
