/** Image files as 8-bit colours, through libvips: JPEG, PNG, WebP, AVIF, TIFF, GIF, SVG. JPEG also as vit.cpp reads it. */
import sharp, { type Metadata, type Sharp } from 'sharp';
import { messageOf, UserError } from '../../errors.ts';
import { openFile } from '../gguf/file.ts';
import { decodeJpeg } from './jpeg/jpeg.ts';
import type { Pixels } from './pixels.ts';

export interface DecodeOptions {
  /** Whether the image is turned upright as its EXIF data say. Pillow and vit.cpp do not. */
  readonly upright: boolean;
  /** What shows through transparent pixels; 'drop' keeps the colours that they hide, as Pillow and vit.cpp do. */
  readonly alpha: 'white' | 'drop';
  /**
   * Whose JPEG decoder is followed, to the last grey level: libjpeg-turbo's, with which Pillow agrees, or stb_image's,
   * which vit.cpp has. The latter turns nothing upright; what is turned is decoded by the former.
   */
  readonly jpeg: 'libjpeg' | 'stb';
  /** Side of the image that is needed in the end; larger ones need not be decoded in full. */
  readonly side: number;
}

/** The bytes of an image, or the path of one; a name for messages. */
export interface ImageSource {
  readonly name: string;
  readonly input: string | Uint8Array;
}

/** As many pixels as libvips allows by itself; a file of a few kilobytes can claim more. */
const MAX_PIXELS = 0x3fff * 0x3fff;
/** Beyond this an image is decoded at a reduced size, so that memory stays bounded. */
const FULL_PIXELS = 32e6;
/** No picture that is decoded in full needs more, whatever else is in its file. */
const MAX_JPEG_BYTES = 8 * FULL_PIXELS;
/** A reduced image keeps this many pixels for each one that is needed. */
const SPARE = 4;

/**
 * The image, of an animation the first frame.
 * @throws UserError 'file' for what is missing, damaged, no image or too large
 */
export const decodeImage = async (source: ImageSource, o: DecodeOptions): Promise<Pixels> => {
  if (typeof source.input === 'string') await expectFile(source.input);
  try {
    // Colour profiles are left alone: models were trained on what Pillow reads, which is the bare numbers.
    const image = sharp(source.input, { limitInputPixels: false, failOn: 'error', ignoreIcc: true });
    const metadata = await image.metadata();
    checkSize(source.name, metadata);
    const asStb = o.jpeg === 'stb' && !o.upright && isSmallJpeg(metadata);
    const pixels = asStb ? decodeJpeg(await bytesOf(source), FULL_PIXELS) : undefined;
    if (pixels) return pixels;
    const upright = o.upright ? image.autoOrient() : image;
    const opaque = o.alpha === 'white' ? upright.flatten({ background: '#ffffff' }) : upright.removeAlpha();
    return await rawPixels(reduced(opaque, metadata, o).toColourspace('srgb'));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError('file', `cannot read image '${source.name}': ${reason(messageOf(error))}`);
  }
};

/** Refuses in our words what libvips would refuse in its own. */
const expectFile = async (path: string): Promise<void> => {
  const { handle } = await openFile(path);
  await handle.close();
};

const checkSize = (name: string, { width, height }: Metadata): void => {
  if (width * height <= MAX_PIXELS) return;
  const [size, most] = [width * height, MAX_PIXELS].map((n) => Math.round(n / 1e6).toLocaleString('en-US'));
  throw new UserError('file', `image '${name}' is ${width} by ${height}: ${size} megapixels, allowed are ${most}`);
};

/** Whether it is a JPEG file, with or without a second picture in it, that is decoded in full. */
const isSmallJpeg = ({ format, width, height }: Metadata): boolean =>
  /^(jpeg|uhdr)$/.test(format) && width * height <= FULL_PIXELS;

const bytesOf = async ({ input }: ImageSource): Promise<Uint8Array> => {
  if (typeof input !== 'string') return input;
  const file = await openFile(input);
  try {
    return await file.read(0, Math.min(file.size, MAX_JPEG_BYTES));
  } finally {
    await file.close();
  }
};

const reduced = (image: Sharp, metadata: Metadata, { side, upright }: DecodeOptions): Sharp => {
  const { width, height } = upright ? metadata.autoOrient : metadata;
  if (width * height <= FULL_PIXELS) return image;
  // A power of two up to 8 is what a JPEG decoder can do by itself.
  const room = Math.min(width, height) / (SPARE * side);
  const factor = Math.max(1, 2 ** Math.floor(Math.log2(Math.min(8, room))));
  const fit = { width: Math.ceil(width / factor), height: Math.ceil(height / factor), fit: 'fill' } as const;
  return factor === 1 ? image : image.resize({ ...fit, kernel: 'cubic' });
};

const rawPixels = async (image: Sharp): Promise<Pixels> => {
  const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels === 3) return { width, height, data };
  const colours = new Uint8Array(width * height * 3);
  for (let i = 0; i < colours.length; i++) colours[i] = data[Math.floor(i / 3) * channels]!;
  return { width, height, data: colours };
};

/** libvips names its own functions; the last line says what was wrong with the file. */
const reason = (message: string): string => {
  const lines = message.split('\n').filter((line) => line.trim() !== '');
  return lines.at(-1)?.replace(/^Input (file|buffer) (is|contains)/, 'it $2') ?? message;
};
