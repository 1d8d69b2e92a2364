/** The ViT page against float64 on the same weights and pixels, and against vit.cpp. Build first: npm run build. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { openSession } from '../../src/graph/device/session.ts';
import { lower } from '../../src/graph/lower/lower.ts';
import type { Target } from '../../src/graph/lower/target.ts';
import type { WeightSource } from '../../src/graph/weights.ts';
import { openVitCpp } from '../../src/io/ggml/vit.ts';
import { normalise } from '../../src/io/image/preprocess.ts';
import type { Classified } from '../../src/models/classifier.ts';
import { createClassifier } from '../../src/models/classifier.ts';
import { readModel } from '../../src/models/definition.ts';
import { vit } from '../../src/models/vit.ts';
import { fixture, nmse, scratch } from '../fixtures.ts';
import { sharedData } from '../shared-data.ts';

const SIDE = 64;
const BYTES = SIDE * SIDE * 3;
const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const half = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

const f32: Target = { provider: 'cpu', compute: 'f32', fused: true };

/** Normalised pixels `[3, 64, 64]` of stored ones `[64, 64, 3]`. */
const pixels = (data: Uint8Array, norm: typeof half): Float32Array => {
  const out = new Float32Array(BYTES);
  normalise({ width: SIDE, height: SIDE, data }, norm, out);
  return out;
};

/** Classifies images with a source's weights. */
const classify = async (
  source: WeightSource,
  target: Target,
  images: readonly Float32Array[],
): Promise<Classified[]> => {
  const g = new GraphBuilder('classify');
  const model = readModel(vit, source);
  vit.graphs.classify(g, model);
  const program = lower(g.build(), target, {});
  const device = { provider: 'cpu', index: 0, name: 'cpu', state: { kind: 'available' } } as const;
  const session = await openSession(program, device, { threads: 1, cacheFolder: join(scratch, 'cache') });
  try {
    const all = new Float32Array(images.length * BYTES);
    for (const [i, image] of images.entries()) all.set(image, i * BYTES);
    return await createClassifier(session, model.h.imageSize).classify(all, images.length);
  } finally {
    await session.close();
  }
};

interface Reference {
  readonly vitcpp_probs: readonly number[];
  readonly exact_probs_vitcpp_pixels: readonly number[];
  readonly exact_logits_vitcpp_pixels: readonly number[];
  readonly exact_probs_timm_pixels: readonly number[];
}

const { runs: noise } = JSON.parse(readFileSync(fixture('vit/tiny-5x3.json'), 'utf8')) as {
  readonly runs: Readonly<Record<string, Reference>>;
};
const noisePixels = readFileSync(fixture('vit/tiny-5x3.pixels.bin'));
const asVitCpp = pixels(noisePixels.subarray(0, BYTES), imagenet);
const asTimm = pixels(noisePixels.subarray(BYTES), half);

/** What float32 reaches against float64. */
const EXACT = 1e-10;
/** vit.cpp rounds activations: to halves in its float types, to 8 bits per block in the quantised ones. */
const VIT_CPP = 3e-6;
const VIT_CPP_QUANTISED = 3e-3;

const values = (list: readonly number[]): Float32Array => Float32Array.from(list);

describe('an image of noise has the probabilities of float64, and vit.cpp’s within its rounding, from', () => {
  it.each(['f16', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q8_0'])('vit-micro-%s', async (type) => {
    const file = await openVitCpp(fixture(`vit/vit-micro-${type}.bin`));
    const [cpp, timm] = await classify(file, f32, [asVitCpp, asTimm]);
    await file.close();
    const reference = noise[type]!;
    expect(nmse(cpp!.probs, values(reference.exact_probs_vitcpp_pixels))).toBeLessThan(EXACT);
    expect(nmse(cpp!.logits, values(reference.exact_logits_vitcpp_pixels))).toBeLessThan(EXACT);
    expect(nmse(timm!.probs, values(reference.exact_probs_timm_pixels))).toBeLessThan(EXACT);
    const rounding = type.startsWith('q') ? VIT_CPP_QUANTISED : VIT_CPP;
    expect(nmse(cpp!.probs, values(reference.vitcpp_probs))).toBeLessThan(rounding);
  });
});

const references = sharedData('vit/vit-refs.json', 'ViT on photographs');
describe.skipIf(!references)('ten photographs have the same, from', () => {
  const refs = JSON.parse(readFileSync(references ?? fixture('vit/tiny-5x3.json'), 'utf8'));
  const arrays = references ? readFileSync(references.replace(/json$/, 'bin')) : Buffer.alloc(0);
  const stored = (name: string, norm: typeof half): Float32Array => {
    const { offset } = refs.sections.find((s: { name: string }) => s.name === name);
    return pixels(arrays.subarray(offset, offset + BYTES), norm);
  };

  it.each(['f32', 'f16', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q8_0'])('vit-micro-%s', async (type) => {
    const names = Object.keys(refs.runs);
    expect(names).toHaveLength(10);
    const file = await openVitCpp(references!.replace('vit-refs.json', `vit-micro-${type}.bin`));
    const cpp = await classify(
      file,
      f32,
      names.map((name) => stored(`vitcpp.u8.${name}`, imagenet)),
    );
    const timm = await classify(
      file,
      f32,
      names.map((name) => stored(`timm.u8.${name}`, half)),
    );
    await file.close();
    names.forEach((name, i) => {
      const reference: Reference = refs.runs[name][type];
      expect(nmse(cpp[i]!.probs, values(reference.exact_probs_vitcpp_pixels)), name).toBeLessThan(EXACT);
      expect(nmse(timm[i]!.probs, values(reference.exact_probs_timm_pixels)), name).toBeLessThan(EXACT);
      const rounding = type.startsWith('q') ? VIT_CPP_QUANTISED : VIT_CPP;
      expect(nmse(cpp[i]!.probs, values(reference.vitcpp_probs)), name).toBeLessThan(rounding);
    });
  });
});
