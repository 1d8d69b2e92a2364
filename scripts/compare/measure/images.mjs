/** What is measured of an image model, the same for each engine: images in memory, preprocessed, so many at once. */
import { median } from '../table.mjs';

/** Grey levels of nothing in particular. */
const noise = (n) => Float32Array.from({ length: n }, (_, i) => 1.5 * Math.sin(0.37 * i));

/** Milliseconds an image; the answer is the first image's logits. */
export const measureImages = async (open, { runs, imageSize }) => {
  const engine = await open();
  const size = 3 * imageSize ** 2;
  const answer = await engine.classify(noise(size), 1);
  const start = performance.now(); // since the process began
  const times = {};
  for (const [batch, n] of Object.entries(runs)) {
    const images = noise(batch * size);
    await engine.classify(images, Number(batch));
    const each = [];
    for (let i = 0; i < n; i++) {
      const from = performance.now();
      await engine.classify(images, Number(batch));
      each.push((performance.now() - from) / batch);
    }
    times[`batch ${batch}`] = median(each);
  }
  await engine.close();
  return { start, ...times, answer: [...answer] };
};
