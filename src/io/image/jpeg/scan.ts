/** One pass over a picture's blocks: all of them, or those of some colours, or some coefficients (T.81, B.2.3 and E.2.4). */
import { BitReader } from './bits.ts';
import { blockReader, type Coding, type Course, type Spectrum } from './coefficients.ts';
import { JpegError } from './error.ts';
import { BLOCK, type Component, type Frame, SIDE } from './frame.ts';
import type { Tables } from './tables.ts';

interface Part extends Coding {
  readonly component: Component;
  /** Blocks across and down in each unit. */
  readonly nAcross: number;
  readonly nDown: number;
}

/**
 * Reads a scan into the coefficients of its components.
 * @param body of the scan's header
 * @param at where its coded data begin
 * @returns where they end, or before
 */
export const readScan = (frame: Frame, tables: Tables, body: Uint8Array, bytes: Uint8Array, at: number): number => {
  const n = body[0] ?? 0;
  if (n < 1 || n > frame.components.length || body.length !== 4 + 2 * n)
    throw new JpegError('a scan header that is none');
  const spectrum = frame.isProgressive ? spectrumOf(body.subarray(1 + 2 * n), n) : { from: 0, to: 63, high: 0, low: 0 };
  const parts = Array.from({ length: n }, (_, i) => partOf(frame, tables, body.subarray(1 + 2 * i), spectrum, n > 1));
  const course: Course = { ...spectrum, bits: new BitReader(bytes, at), emptyBlocks: 0 };
  readUnits(frame, parts, course, tables.restartInterval);
  return course.bits.position;
};

const spectrumOf = ([from = 0, to = 0, approximation = 0]: Uint8Array, n: number): Spectrum => {
  const [high, low] = [approximation >> 4, approximation & 15];
  const isMixed = from === 0 ? to !== 0 : n > 1;
  if (isMixed || from > to || to >= BLOCK || high > 13 || low > 13)
    throw new JpegError('a scan of impossible coefficients');
  return { from, to, high, low };
};

const partOf = (
  frame: Frame,
  tables: Tables,
  [id, codes = 0]: Uint8Array,
  { from, high }: Spectrum,
  isInterleaved: boolean,
): Part => {
  const component = frame.components.find((c) => c.id === id);
  if (!component) throw new JpegError('a scan of a colour that its frame has not');
  component.quantisation ??= tables.quantisation[component.quantisationId];
  if (!component.quantisation) throw new JpegError('a quantisation table is missing');
  const [dc, ac] = [tables.dc[codes >> 4], tables.ac[codes & 15]];
  const needsDc = from === 0 && high === 0;
  const needsAc = from > 0 || !frame.isProgressive;
  if ((needsDc && !dc) || (needsAc && !ac)) throw new JpegError('a Huffman table is missing');
  const [nAcross, nDown] = isInterleaved ? [component.h, component.v] : [1, 1];
  return { component, nAcross, nDown, dc: dc ?? NO_CODES, ac: ac ?? NO_CODES, mean: 0 };
};

const NO_CODES = new Uint16Array(0);

/** A colour by itself comes block by block, those that its samples need; several come by units of all of them. */
const readUnits = (frame: Frame, parts: readonly Part[], course: Course, restartInterval: number): void => {
  const readBlock = blockReader(frame.isProgressive, course);
  const [alone] = parts.length === 1 ? parts : [];
  const across = alone ? Math.ceil(alone.component.width / SIDE) : frame.unitsAcross;
  const down = alone ? Math.ceil(alone.component.height / SIDE) : frame.unitsDown;
  let left = restartInterval;
  for (let y = 0; y < down; y++) {
    for (let x = 0; x < across; x++) {
      if (restartInterval > 0 && left-- === 0) {
        restart(parts, course);
        left = restartInterval - 1;
      }
      for (const part of parts) {
        const { component, nAcross, nDown } = part;
        for (let j = 0; j < nDown; j++) {
          const first = (y * nDown + j) * component.blocksAcross + x * nAcross;
          for (let i = 0; i < nAcross; i++) readBlock(course, part, component.coefficients, BLOCK * (first + i));
        }
      }
    }
    course.bits.check();
  }
};

const restart = (parts: readonly Part[], course: Course): void => {
  course.bits.restart();
  course.emptyBlocks = 0;
  for (const part of parts) part.mean = 0;
};
