/** Listens for speech: a recording in, a probability for every 32 ms out. */
import type { HostTensor } from '../../graph/device/engine.ts';
import { CHUNK } from './speech.ts';

/** What is needed of a session of Silero's `detector` graph. */
export interface DetectorSession {
  run(inputs: Readonly<Record<string, HostTensor>>): Promise<Record<string, HostTensor>>;
}

/** Chunks heard in one run: 8 s. */
const CHUNKS_PER_RUN = 256;

/**
 * The probability of speech in every chunk; the last one is filled up with silence.
 * @param sound 16 kHz, one channel
 * @param nEmbd width of the model's memory, which is empty at first
 */
export async function* speechProbabilities(
  session: DetectorSession,
  nEmbd: number,
  sound: AsyncIterable<Float32Array>,
): AsyncGenerator<Float32Array> {
  let hidden: HostTensor = { dtype: 'f32', dims: [1, 1, nEmbd], data: new Float32Array(nEmbd) };
  let cell: HostTensor = { dtype: 'f32', dims: [1, 1, nEmbd], data: new Float32Array(nEmbd) };
  for await (const data of chunked(sound)) {
    const nChunk = data.length / CHUNK;
    const chunks: HostTensor = { dtype: 'f32', dims: [nChunk, 1, CHUNK], data };
    const out = await session.run({ chunks, hidden, cell });
    hidden = output(out, 'hidden_next');
    cell = output(out, 'cell_next');
    yield output(out, 'speech').data as Float32Array;
  }
}

const output = (outputs: Readonly<Record<string, HostTensor>>, name: string): HostTensor => {
  const tensor = outputs[name];
  if (!tensor) throw new Error(`the detector gives no '${name}'`);
  return tensor;
};

/** Whole chunks, as many as a run takes. */
async function* chunked(sound: AsyncIterable<Float32Array>): AsyncGenerator<Float32Array> {
  let chunks = new Float32Array(CHUNKS_PER_RUN * CHUNK);
  let filled = 0;
  for await (const part of sound) {
    for (let at = 0; at < part.length; ) {
      const taken = part.subarray(at, at + chunks.length - filled);
      chunks.set(taken, filled);
      filled += taken.length;
      at += taken.length;
      if (filled < chunks.length) continue;
      yield chunks;
      chunks = new Float32Array(CHUNKS_PER_RUN * CHUNK);
      filled = 0;
    }
  }
  if (filled > 0) yield chunks.slice(0, Math.ceil(filled / CHUNK) * CHUNK);
}
