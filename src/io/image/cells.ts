/** A picture as the cells of a terminal. */
import sharp from 'sharp';

/** How a terminal names colours: by red, green and blue, or by number in a cube of six steps each. */
export type CellColours = 'rgb' | 'cube';

/**
 * A picture in characters: each is a half block, its upper half in the colour of the character, its lower half in the
 * colour of the ground, so that cells of 1:2 hold square pixels. One line of text for two rows of pixels.
 * @param columns width in characters and in pixels; the height follows the picture's shape
 */
export const imageCells = async (path: string, columns: number, colours: CellColours): Promise<string> => {
  const image = sharp(path).resize({ width: columns }).removeAlpha().toColourspace('srgb').raw();
  const { data, info } = await image.toBuffer({ resolveWithObject: true });
  const colour = (x: number, y: number): string => {
    const at = (y * info.width + x) * info.channels;
    const rgb = [...data.subarray(at, at + 3)];
    return colours === 'rgb' ? `2;${rgb.join(';')}` : `5;${cubeColour(rgb)}`;
  };
  const lines: string[] = [];
  for (let y = 0; y + 1 < info.height; y += 2) {
    const cells = Array.from({ length: info.width }, (_, x) => `\x1b[38;${colour(x, y)};48;${colour(x, y + 1)}m▀`);
    lines.push(`${cells.join('')}\x1b[0m`);
  }
  return lines.join('\n');
};

/** The steps of xterm's cube, from which its number of a colour is made: 16 and up, red counting most. */
const STEPS = [0, 95, 135, 175, 215, 255];

const cubeColour = (rgb: readonly number[]): number =>
  16 + rgb.reduce((number, value) => 6 * number + nearestStep(value), 0);

const nearestStep = (value: number): number => {
  const distances = STEPS.map((step) => Math.abs(step - value));
  return distances.indexOf(Math.min(...distances));
};
