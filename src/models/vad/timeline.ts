/** Speech without the silence between it, and the way back from its times to those of the recording. */
import type { SampleSpan } from './speech.ts';
import { centiseconds } from './speech.ts';

/** Silence put between two parts, so that words do not run together: 0.1 s. */
const GAP = 1600;

/** A time in hundredths of a second in the joined speech, and the time it is in the recording. */
interface Point {
  readonly joined: number;
  readonly original: number;
}

export interface Timeline {
  /** What of the recording is heard, each part followed by silence but the last. */
  readonly parts: readonly SampleSpan[];
  /** Rising; between two points times are in proportion. */
  readonly points: readonly Point[];
  /** Samples of the joined speech. */
  readonly nSample: number;
}

/**
 * Joins spans of speech. Every part but the last goes on for `overlap` samples, lest its last sound be cut; times in
 * there are those of the span's end.
 * @param nSample of the recording
 */
export const joinSpeech = (spans: readonly SampleSpan[], nSample: number, overlap: number): Timeline => {
  const parts: SampleSpan[] = [];
  const points: Point[] = [];
  const mark = (joined: number, original: number): void => {
    const point = { joined: centiseconds(joined), original: centiseconds(original) };
    if (point.joined !== points.at(-1)?.joined) points.push(point);
  };
  const end = nSample - 1; // whisper.cpp leaves the last sample out
  let offset = 0;
  spans.forEach((span, i) => {
    const next = spans[i + 1];
    const from = Math.min(span.from, end);
    const to = Math.min(span.to, end);
    const heardTo = next ? Math.min(to + overlap, end) : to;
    if (heardTo <= from) return;
    parts.push({ from, to: heardTo });
    mark(offset, span.from);
    mark(offset + to - from, span.to);
    offset += heardTo - from;
    if (!next) return;
    mark(offset, span.to);
    mark(offset + GAP, next.from);
    offset += GAP;
  });
  return { parts, points, nSample: offset };
};

/** A time in the joined speech as one in the recording, in milliseconds; whole hundredths of a second. */
export const originalTime = ({ points }: Timeline, ms: number): number => {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return ms;
  const t = Math.floor(ms / 10);
  if (t <= first.joined) return 10 * first.original;
  if (t >= last.joined) return 10 * last.original;
  const i = points.findIndex(({ joined }) => joined >= t);
  const [before, after] = [points[i - 1] ?? first, points[i] ?? last];
  const share = ((t - before.joined) * (after.original - before.original)) / (after.joined - before.joined);
  return 10 * (before.original + Math.trunc(share));
};

/** The shortest span after mapping: what lay in a joint would have none. */
const SHORTEST_MS = 100;

/** A span of the joined speech in the recording's time. */
export const originalSpan = (timeline: Timeline, span: { readonly from: number; readonly to: number }) => {
  const from = originalTime(timeline, span.from);
  const to = originalTime(timeline, span.to);
  return { from, to: timeline.points.length > 0 ? (to - from < SHORTEST_MS ? from + SHORTEST_MS : to) : to };
};

/** The joined speech of a recording, piece by piece. */
export async function* joinedSpeech(
  sound: AsyncIterable<Float32Array>,
  { parts }: Timeline,
): AsyncGenerator<Float32Array> {
  let at = 0;
  let i = 0;
  for await (const piece of sound) {
    const end = at + piece.length;
    for (let part = parts[i]; part && part.from < end; part = parts[i]) {
      yield piece.slice(Math.max(0, part.from - at), Math.min(piece.length, part.to - at));
      if (part.to > end) break;
      i++;
      if (parts[i]) yield new Float32Array(GAP);
    }
    at = end;
    if (i === parts.length) return;
  }
}
