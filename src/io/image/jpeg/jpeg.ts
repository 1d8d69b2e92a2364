/**
 * JPEG files as vit.cpp reads them, which is by stb_image. The standard (ITU-T T.81) leaves open how its transform is
 * rounded, how coarser colours are spread, and what becomes of YCbCr; libjpeg-turbo does each of them otherwise, which
 * makes up to 3 grey levels. Here segments are told apart; each step of decoding has a file of its own.
 */
import { CHANNELS, type Pixels } from '../pixels.ts';
import { nextMarker } from './bits.ts';
import { type ColourSpace, colourWriters } from './colour.ts';
import { JpegError } from './error.ts';
import { type Frame, readFrame } from './frame.ts';
import { planeOf } from './idct.ts';
import { readScan } from './scan.ts';
import { noTables, readHuffman, readQuantisation, readRestartInterval, type Tables } from './tables.ts';
import { upsampleRow } from './upsample.ts';

/** What segments say besides coefficients. */
interface Known {
  readonly tables: Tables;
  isJfif: boolean;
  /** Adobe's word on colours: 0 for RGB or CMYK, 1 for YCbCr, 2 for YCCK. */
  transform: number | undefined;
}

/** A progressive file may go over its picture again and again; libjpeg's do so ten times. */
const MAX_SCANS = 100;

/**
 * Decodes a JPEG of 8 bits a sample, sequential or progressive.
 * @param maxPixels what is larger is refused before memory is taken
 * @returns undefined for what stb_image does not read: arithmetic or lossless coding, 12 bits, other numbers of colours
 * @throws JpegError for a damaged or incomplete file
 */
export const decodeJpeg = (bytes: Uint8Array, maxPixels: number): Pixels | undefined => {
  const known: Known = { tables: noTables(), isJfif: false, transform: undefined };
  let frame: Frame | undefined;
  let scans = 0;
  let at = nextMarker(bytes, 0);
  while (at > 0 && bytes[at] !== EOI) {
    const marker = bytes[at++]!;
    if (!standsAlone(marker)) {
      const body = segment(bytes, at);
      at += 2 + body.length;
      if (isFrame(marker)) {
        if (frame) throw new JpegError('a second frame');
        const most = { bytes: bytes.length, pixels: maxPixels };
        frame = marker > SOF_PROGRESSIVE ? undefined : readFrame(body, marker === SOF_PROGRESSIVE, most);
        if (!frame) return undefined;
      } else if (marker === SOS) {
        if (!frame) throw new JpegError('a scan without a frame');
        if (++scans > MAX_SCANS) throw new JpegError(`more than ${MAX_SCANS} scans`);
        at = readScan(frame, known.tables, body, bytes, at);
      } else learn(known, marker, body);
    }
    at = nextMarker(bytes, at);
  }
  if (at < 0 || !frame) throw new JpegError('they end too early');
  return pixelsOf(frame, spaceOf(frame, known));
};

const SOF_PROGRESSIVE = 0xc2;
const DHT = 0xc4;
const EOI = 0xd9;
const SOS = 0xda;
const DQT = 0xdb;
const DRI = 0xdd;
const APP0 = 0xe0;
const APP14 = 0xee;

/** C4, C8 and CC stand for other things. */
const isFrame = (marker: number): boolean => marker === 0xc0 || (marker > 0xc0 && marker <= 0xcf && marker % 4 !== 0);

/** Restarts, the file's start, and one for arithmetic coding have no length. */
const standsAlone = (marker: number): boolean => (marker >= 0xd0 && marker <= 0xd8) || marker === 0x01;

/** What a segment holds besides its own length. */
const segment = (bytes: Uint8Array, at: number): Uint8Array => {
  const [high = 0, low = 0] = bytes.subarray(at, at + 2);
  const length = (high << 8) | low;
  if (length < 2) throw new JpegError('a segment without a length');
  if (at + length > bytes.length) throw new JpegError('they end too early');
  return bytes.subarray(at + 2, at + length);
};

const learn = (known: Known, marker: number, body: Uint8Array): void => {
  if (marker === DHT) readHuffman(known.tables, body);
  else if (marker === DQT) readQuantisation(known.tables, body);
  else if (marker === DRI) readRestartInterval(known.tables, body);
  else if (marker === APP0 && startsWith(body, 'JFIF\0')) known.isJfif = true;
  else if (marker === APP14 && startsWith(body, 'Adobe\0')) known.transform = body[11];
};

const startsWith = (body: Uint8Array, tag: string): boolean =>
  Buffer.from(body.subarray(0, tag.length)).toString('latin1') === tag;

const spaceOf = ({ components }: Frame, { isJfif, transform }: Known): ColourSpace => {
  if (components.length === 1) return 'grey';
  if (components.length === 4) return transform === 0 ? 'cmyk' : transform === 2 ? 'ycck' : 'ycc';
  const isNamedRgb = String.fromCharCode(...components.map(({ id }) => id)) === 'RGB';
  return isNamedRgb || (transform === 0 && !isJfif) ? 'rgb' : 'ycc';
};

const pixelsOf = ({ width, height, hMax, vMax, components }: Frame, space: ColourSpace): Pixels => {
  const colours = components.map((component) => {
    const plane = planeOf(component);
    const [across, down] = [hMax / component.h, vMax / component.v];
    return { plane, across, down, row: new Uint8Array(plane.width * across) };
  });
  const rows = colours.map(({ row }) => row);
  const write = colourWriters[space];
  const data = new Uint8ClampedArray(width * height * CHANNELS);
  for (let y = 0; y < height; y++) {
    for (const { plane, across, down, row } of colours) upsampleRow(row, plane, y, across, down);
    write(data, y * width * CHANNELS, rows, width);
  }
  return { width, height, data: new Uint8Array(data.buffer) };
};
