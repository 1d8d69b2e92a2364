/** A terminal as a picture: its cells, read from an emulator, as SVG. */
import stringWidth from 'string-width';

/** The colours of a dark terminal, by the number that programs call them. */
const PALETTE = [
  '#3b4252',
  '#e06c75',
  '#98c379',
  '#e5c07b',
  '#61afef',
  '#c678dd',
  '#56b6c2',
  '#d8dee9',
  '#7f848e',
  '#e06c75',
  '#98c379',
  '#e5c07b',
  '#61afef',
  '#c678dd',
  '#56b6c2',
  '#ffffff',
];
const [BACKGROUND, FOREGROUND] = ['#1e222a', '#d8dee9'];
const [CELL_WIDTH, LINE_HEIGHT, MARGIN] = [8.4, 18, 16];
const FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
const UPPER_HALF = '▀';

const hex = (rgb) => `#${rgb.toString(16).padStart(6, '0')}`;
const foregroundOf = (cell) => {
  if (cell.isFgRGB()) return hex(cell.getFgColor());
  return cell.isFgPalette() ? (PALETTE[cell.getFgColor()] ?? FOREGROUND) : FOREGROUND;
};
const backgroundOf = (cell) => (cell.isBgRGB() ? hex(cell.getBgColor()) : BACKGROUND);

/** @param {string} text */
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const round = (n) => Number(n.toFixed(1));

/** Neighbours of one look as one, each with the column it begins in and its width. */
const runsOf = (line, look) => {
  const runs = [];
  for (let x = 0; x < line.length; x++) {
    const cell = line.getCell(x);
    if (!cell || cell.getWidth() === 0) continue;
    const style = look(cell);
    const last = runs.at(-1);
    if (last && last.style === style) {
      last.text += cell.getChars() || ' ';
      last.width += cell.getWidth();
    } else runs.push({ x, style, text: cell.getChars() || ' ', width: cell.getWidth() });
  }
  return runs.filter(({ style }) => style !== undefined);
};

const isPixel = (cell) => cell.getChars() === UPPER_HALF;

const textLook = (cell) => {
  if (isPixel(cell)) return undefined;
  const bold = cell.isBold() ? ' font-weight="bold"' : '';
  const italic = cell.isItalic() ? ' font-style="italic"' : '';
  const dim = cell.isDim() ? ' opacity="0.6"' : '';
  return `fill="${foregroundOf(cell)}"${bold}${italic}${dim}`;
};

/** The pixels of pictures made of half blocks, as one path for each colour. */
const pixels = (lines) => {
  const paths = new Map();
  for (const { line, top } of lines)
    for (const [half, colourOf] of [foregroundOf, backgroundOf].entries())
      for (const { x, style, width } of runsOf(line, (cell) => (isPixel(cell) ? coarse(colourOf(cell)) : undefined))) {
        const [left, y] = [round(MARGIN + x * CELL_WIDTH), top + (half * LINE_HEIGHT) / 2];
        const outline = `M${left} ${y}h${round(width * CELL_WIDTH)}v${LINE_HEIGHT / 2}H${left}z`;
        paths.set(style, (paths.get(style) ?? '') + outline);
      }
  return [...paths].map(([colour, d]) => `<path fill="${colour}" d="${d}"/>`);
};

/** A colour in three digits, of which many neighbours are alike. */
const coarse = (colour) =>
  `#${[1, 3, 5].map((at) => Math.round(Number.parseInt(colour.slice(at, at + 2), 16) / 17).toString(16)).join('')}`;

const words = (line, top) =>
  runsOf(line, textLook).flatMap(({ x, style, text }) =>
    // Several blanks in a row would become one.
    [...text.matchAll(/\S+(?: \S+)*/g)].map(({ 0: shown, index }) => {
      const left = MARGIN + (x + stringWidth(text.slice(0, index))) * CELL_WIDTH;
      const place = `x="${round(left)}" y="${round(top + 0.75 * LINE_HEIGHT)}"`;
      return `<text ${place} textLength="${round(stringWidth(shown) * CELL_WIDTH)}" ${style}>${escaped(shown)}</text>`;
    }),
  );

/**
 * The rows from `first` on, as SVG.
 * @param emulator a terminal of @xterm/headless
 * @param {{ title: string, rows: number, first?: number, hasCursor?: boolean }} options `title` for those who cannot see it
 */
export const terminalPicture = ({ cols, buffer: { active } }, { title, rows, first = active.baseY, hasCursor }) => {
  const [width, height] = [round(cols * CELL_WIDTH + 2 * MARGIN), rows * LINE_HEIGHT + 2 * MARGIN];
  const lines = Array.from({ length: rows }, (_, row) => ({
    line: active.getLine(first + row),
    top: MARGIN + row * LINE_HEIGHT,
  })).filter(({ line }) => line);
  const drawn = lines.flatMap(({ line, top }) => words(line, top));
  if (hasCursor) {
    const [x, y] = [MARGIN + active.cursorX * CELL_WIDTH, MARGIN + active.cursorY * LINE_HEIGHT + 1];
    const size = `width="${CELL_WIDTH}" height="${LINE_HEIGHT - 2}"`;
    drawn.push(`<rect x="${round(x)}" y="${y}" ${size} fill="${FOREGROUND}" opacity="0.7"/>`);
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">
<rect width="100%" height="100%" rx="8" fill="${BACKGROUND}"/>
<g shape-rendering="crispEdges">
${pixels(lines).join('\n')}
</g>
<g font-family="${FONTS}" font-size="14">
${drawn.join('\n')}
</g>
</svg>
`;
};
