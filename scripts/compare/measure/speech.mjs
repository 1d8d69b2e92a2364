/** What is measured of a speech model, the same for each engine: the parts that whisper-bench times, as it counts them. */
import { median } from '../table.mjs';

/** So many logits of the last token are compared: all would be most of what a process has to say. */
const ANSWER = 1000;

/** A window's spectrogram of nothing in particular; no two are alike. */
const spectrogram = (n, seed) => Float32Array.from({ length: n }, (_, i) => Math.sin(0.37 * i + seed));

/**
 * Milliseconds a window and a step. Hearing ends with the first token: some engines compute the decoder's keys and
 * values of a window only then. The answer is of the token after it, in the last window.
 */
export const measureSpeech = async (open, { windows, steps, beams, nMel }) => {
  const engine = await open();
  await engine.hear(spectrogram(nMel, windows));
  const start = performance.now(); // since the process began
  const hearing = [];
  for (let i = 0; i < windows; i++) {
    const mel = spectrogram(nMel, i);
    const from = performance.now();
    await engine.hear(mel);
    hearing.push(performance.now() - from);
  }
  const answer = Array.from((await engine.step(1, 1)).slice(0, ANSWER));
  const from = performance.now();
  for (let i = 2; i < 2 + steps; i++) await engine.step(i, i);
  const stepping = performance.now() - from;
  const figures = { start, hear: median(hearing), step: stepping / steps, answer };
  if (engine.beams) {
    const begun = performance.now();
    for (let i = 0; i < beams; i++) await engine.beams(i);
    figures.beams = (performance.now() - begun) / beams;
  }
  await engine.close();
  return figures;
};
