/** A view in the format that is asked for, written to where it is asked for. */
import { extname } from 'node:path';
import { UserError } from '../../errors.ts';
import { printDot } from '../../graph/print/dot.ts';
import { printJson } from '../../graph/print/json.ts';
import { printMermaid } from '../../graph/print/mermaid.ts';
import { printText } from '../../graph/print/text.ts';
import type { ThemeName } from '../../graph/print/theme.ts';
import { themes } from '../../graph/print/theme.ts';
import type { View } from '../../graph/print/view.ts';
import { svgToPng } from '../../io/image/svg.ts';
import { drawSvg } from '../../io/picture/graphviz.ts';
import { writePage } from '../../io/picture/page.ts';
import { saveFile } from '../../io/plain-file.ts';
import { write } from '../terminal.ts';
import type { Format } from './options.ts';

const byExtension: Readonly<Record<string, Format>> = {
  '.txt': 'text',
  '.dot': 'dot',
  '.gv': 'dot',
  '.json': 'json',
  '.mmd': 'mermaid',
  '.mermaid': 'mermaid',
  '.svg': 'svg',
  '.png': 'png',
  '.html': 'html',
  '.md': 'markdown',
  '.onnx': 'onnx',
};

/** The format by the flag, else by the file's name, else text. */
export const formatOf = (flag: Format | undefined, file: string | undefined): Format => {
  if (flag !== undefined) return flag;
  if (file === undefined) return 'text';
  const format = byExtension[extname(file).toLowerCase()];
  if (format) return format;
  throw new UserError(
    'usage',
    `'${file}' names no format`,
    `endings are ${Object.keys(byExtension).join(' ')}; or --format`,
  );
};

/** Graphviz takes minutes and gigabytes for more than this, and nobody reads such a picture. */
const MAX_BOXES = 2500;

/** The formats of a view. */
export type ViewFormat = Exclude<Format, 'onnx' | 'markdown'>;

/** A view in the format that was asked for. */
export const pictured = async (
  view: View,
  format: ViewFormat,
  title: string,
  { theme, scale }: { readonly theme: ThemeName; readonly scale: number },
): Promise<string | Uint8Array> => {
  switch (format) {
    case 'text':
      return printText(view);
    case 'json':
      return printJson(view);
    case 'mermaid':
      return printMermaid(view);
    case 'dot':
      return printDot(view, { theme: themes[theme] });
    case 'html':
      return writePage(title, { name: view.name, boxes: view.boxes, outputs: view.outputs });
    case 'svg':
    case 'png': {
      if (view.boxes.length > MAX_BOXES)
        throw new UserError(
          'capacity',
          `a picture of ${view.boxes.length} boxes is too large to be drawn`,
          'show less: --collapse-repeats, --layer 0, --depth module, --no-weights',
        );
      const svg = await drawSvg(printDot(view, { theme: themes[theme] }), title);
      return format === 'svg' ? svg : svgToPng(svg, scale);
    }
  }
};

/** Writes to the file, or to stdout. Throws a UserError 'file' where it cannot be written. */
export const writeOutput = async (file: string | undefined, content: string | Uint8Array): Promise<void> => {
  if (file !== undefined) return saveFile(file, content);
  if (typeof content !== 'string' && process.stdout.isTTY)
    throw new UserError('usage', 'this format is no text for a terminal', 'write it to a file with -o');
  await write(content);
};
