/** A picture with a map of heat over it, as PNG. */
import sharp from 'sharp';
import { fileError } from '../gguf/file.ts';
import { writeWhole } from '../whole-file.ts';
import { CHANNELS, type Pixels } from './pixels.ts';

/** Side of what is written, at least. */
const SIDE = 448;
/** How much of the heat's colour covers the picture. */
const COVER = 0.6;

/**
 * Writes the square picture with a square grid of values from 0 (blue) to 1 (red) over it.
 * @throws UserError 'file' when the file cannot be written
 */
export const writeHeat = async (path: string, picture: Pixels, grid: Float32Array): Promise<void> => {
  const side = picture.width * Math.ceil(SIDE / picture.width);
  const cells = Math.round(Math.sqrt(grid.length));
  const large = await sharp(picture.data, { raw: { width: picture.width, height: picture.height, channels: CHANNELS } })
    .resize(side, side, { kernel: 'cubic' })
    .raw()
    .toBuffer();
  const heat = await sharp(
    Uint8Array.from(grid, (share) => Math.round(255 * share)),
    {
      raw: { width: cells, height: cells, channels: 1 },
    },
  )
    .resize(side, side, { kernel: 'cubic' })
    .extractChannel(0)
    .raw()
    .toBuffer();
  const out = large.map((colour, i) => {
    const warm = heatColour(heat[Math.floor(i / CHANNELS)]! / 255, i % CHANNELS);
    return Math.round(colour * (1 - COVER) + warm * COVER);
  });
  const png = await sharp(out, { raw: { width: side, height: side, channels: CHANNELS } })
    .png()
    .toBuffer();
  try {
    await writeWhole(path, (file) => file.writeFile(png));
  } catch (error) {
    throw fileError('write', path, error);
  }
};

/** From blue over green to red: each colour is a tent around its own heat. */
const heatColour = (heat: number, channel: number): number => {
  const centre = [1, 0.5, 0][channel] ?? 0;
  return 255 * Math.min(1, Math.max(0, 1.5 - 3 * Math.abs(heat - centre)));
};
