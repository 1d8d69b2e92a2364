/** SVG pictures as pixels. */
import sharp from 'sharp';
import { UserError } from '../../errors.ts';

/** What SVG's points are measured in, and what libvips will draw at most. */
const POINTS_PER_INCH = 72;
const MAX_SIDE = 32_767;

/**
 * A PNG file of the picture.
 * @param scale pixels per point of the picture
 * @throws UserError 'capacity' for a picture too large for pixels
 */
export const svgToPng = async (svg: string, scale: number): Promise<Uint8Array> => {
  const [width = 0, height = 0] = [...svg.matchAll(/(?:width|height)="([\d.]+)pt"/g)].map(([, points]) =>
    Number(points),
  );
  if (scale * Math.max(width, height) > MAX_SIDE)
    throw new UserError(
      'capacity',
      `the picture has ${Math.ceil(scale * width)} by ${Math.ceil(scale * height)} pixels, PNG files at most ${MAX_SIDE} a side`,
      'take svg or html, or a smaller part: --depth 1, --layer 0, --collapse-repeats',
    );
  // Sizes in points would be scaled a second time.
  const plain = svg.replace(/(width|height)="([\d.]+)pt"/g, '$1="$2"');
  return sharp(Buffer.from(plain), { density: POINTS_PER_INCH * scale, unlimited: true })
    .png()
    .toBuffer();
};
