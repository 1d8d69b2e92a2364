/** `grafo demo`: half a minute with all models, on the demos that come with grafo. Every stop is a real command line. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../errors.ts';
import { imageCells } from '../io/image/cells.ts';
import { command } from './command.ts';
import type { Stop } from './demo-stops.ts';
import { stops } from './demo-stops.ts';
import { nearest } from './nearest.ts';
import { hasColours, onClosedPipe, write } from './terminal.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Columns of a picture: little enough to leave the words around it on the screen. */
const PICTURE_COLUMNS = 24;

/** `grafo demo`. */
export const demoCommand = command({
  operands: 'STOP',
  options: {},
  examples: [
    ['grafo demo', 'all of it'],
    ['grafo demo vit whisper', `these stops alone; all: ${stops.map(({ name }) => name).join(' ')}`],
  ],
  async run(_, words) {
    const chosen = words.length > 0 ? words.map(stopNamed) : stops;
    const style = hasColours('auto') ? coloured : plain;
    let isRead = true;
    onClosedPipe(() => {
      isRead = false;
    });
    const start = performance.now();
    for (const [i, stop] of chosen.entries()) {
      await write(heading(stop, `${i + 1} of ${chosen.length}`, style));
      if (stop.picture !== undefined && style === coloured)
        await write(`${await imageCells(fromRoot(stop.picture), PICTURE_COLUMNS, cellColours())}\n`);
      const { exitCode, seconds } = await runGrafo(stop.words.map(fromRoot));
      if (exitCode !== 0) return exitCode;
      if (!isRead) return 0;
      await write(`${style.aside(`${seconds.toFixed(1)} s. ${stop.further}`)}\n\n`);
    }
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    await write(`That took ${seconds} s, on this machine alone. What else there is: grafo --help\n`);
    return 0;
  },
});

/** How a terminal sets apart what is not the models' own. */
interface Style {
  title(text: string): string;
  aside(text: string): string;
}

const plain: Style = { title: (text) => text, aside: (text) => text };
const coloured: Style = {
  title: (text) => `\x1b[1;36m${text}\x1b[0m`,
  aside: (text) => `\x1b[2m${text}\x1b[0m`,
};

const cellColours = () => (/truecolor|24bit/.test(process.env.COLORTERM ?? '') ? 'rgb' : 'cube');

/** The stop of a name. Throws a UserError that names the nearest. */
const stopNamed = (name: string): Stop => {
  const stop = stops.find((stop) => stop.name === name);
  if (stop) return stop;
  const names = stops.map((stop) => stop.name);
  const close = nearest(name, names);
  throw new UserError('usage', `no stop '${name}'`, close ? `did you mean ${close}?` : `stops are ${names.join(', ')}`);
};

/** A title, and the command line as one would type it here. */
const heading = ({ title, words }: Stop, place: string, style: Style): string =>
  `${style.title(title)} ${style.aside(`(${place})`)}\n${style.aside('$')} grafo ${words.map(typed).join(' ')}\n`;

const typed = (word: string): string => {
  if (/[ ?]/.test(word)) return `"${word}"`;
  return isDemo(word) ? relative(process.cwd(), fromRoot(word)) : word;
};

const isDemo = (word: string): boolean => word.startsWith('demo/');

/** The path of a file of demo/; other words as they are. */
const fromRoot = (word: string): string => (isDemo(word) ? join(root, word) : word);

/** Runs a command line of grafo in a process of its own, on this terminal. */
const runGrafo = (words: readonly string[]): Promise<{ exitCode: number; seconds: number }> =>
  new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(process.execPath, [join(root, 'bin', 'grafo.js'), ...words], { stdio: 'inherit' });
    // Ctrl-C reaches the other process as well, and that one decides when it is over.
    const wait = (): void => {};
    const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
    process.on('SIGINT', wait).on('SIGTERM', pass);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      process.off('SIGINT', wait).off('SIGTERM', pass);
      const exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0);
      resolve({ exitCode, seconds: (performance.now() - start) / 1000 });
    });
  });
