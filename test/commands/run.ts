/** Runs grafo as a user does: the built command and its arguments. Build first: npm run build. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scratch } from '../fixtures.ts';

export const grafoFile = fileURLToPath(new URL('../../bin/grafo.js', import.meta.url));

/** Where the runs of one test file prepare weights. */
export const cacheFolder = join(scratch, 'cache');

export interface RunOptions {
  /** What stdin holds; nothing, and closed, if absent. 'open' is a pipe that nobody writes to or closes. */
  readonly stdin?: string | Uint8Array | 'open';
  readonly env?: NodeJS.ProcessEnv;
  /** The folder it runs in; this one if absent. */
  readonly cwd?: string;
  /** Sent in this order, each so many milliseconds after the one before (the first: after the start). */
  readonly signals?: readonly { readonly after: number; readonly signal: NodeJS.Signals }[];
  /** Called with every piece of stdout, and the process that wrote it. */
  readonly onStdout?: (text: string, child: ChildProcess) => void;
}

export interface RunResult {
  /** As a shell gives it: 128 and the signal's number for a process that a signal ended. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

/** The environment of a run: no colours, no progress bars, a cache of its own. */
export const environment = (env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => {
  const { FORCE_COLOR: _force, CLICOLOR_FORCE: _cli, GRAFO_DEBUG: _debug, ...inherited } = process.env;
  return { ...inherited, GRAFO_CACHE: cacheFolder, ...env };
};

/** Runs `node`, or another program, with these arguments to its end. */
export const run = (program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
  new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(program, args, { env: environment(options.env), stdio: 'pipe', cwd: options.cwd });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      options.onStdout?.(text, child);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    // A process that ends without reading closes the pipe under us.
    child.stdin.on('error', () => undefined);
    if (options.stdin !== 'open') child.stdin.end(options.stdin ?? '');
    let delay = 0;
    for (const { after, signal } of options.signals ?? []) {
      delay += after;
      setTimeout(() => child.kill(signal), delay);
    }
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const ended = code ?? 128 + (signal ? constants.signals[signal] : 0);
      resolve({ code: ended, stdout, stderr, ms: performance.now() - start });
    });
  });

const residentFile = fileURLToPath(new URL('resident.mjs', import.meta.url));
let resident: ChildProcess | undefined;
let isBusy = false;

interface Piece {
  /** In Base64. */
  readonly stdout?: string;
  readonly stderr?: string;
  /** The last piece has it. */
  readonly code?: number;
}

/** Runs the arguments in a process that stays for the next ones. */
const runResident = (args: readonly string[], options: RunOptions): Promise<RunResult> =>
  new Promise((resolve) => {
    const start = performance.now();
    resident ??= fork(residentFile, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const child = resident;
    isBusy = true;
    const written = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    const end = (code: number): void => {
      child.off('message', take).off('exit', leave);
      isBusy = false;
      const [stdout, stderr] = [written.stdout, written.stderr].map((parts) => Buffer.concat(parts).toString('utf8'));
      resolve({ code, stdout: stdout ?? '', stderr: stderr ?? '', ms: performance.now() - start });
    };
    const take = ({ stdout, stderr, code }: Piece): void => {
      if (stdout !== undefined) written.stdout.push(Buffer.from(stdout, 'base64'));
      if (stderr !== undefined) written.stderr.push(Buffer.from(stderr, 'base64'));
      if (code !== undefined) end(code);
    };
    const leave = (code: number | null, signal: NodeJS.Signals | null): void => {
      resident = undefined;
      end(code ?? 128 + (signal ? constants.signals[signal] : 0));
    };
    child.on('message', take).on('exit', leave);
    const { stdin = '', env, cwd = process.cwd() } = options;
    child.send({ args, cwd, env: environment(env), stdin: Buffer.from(stdin).toString('base64') });
  });

/** Whether nothing but arguments, environment and stdin make a run, so that it needs no process of its own. */
const isPlain = ({ stdin, signals, onStdout }: RunOptions): boolean =>
  stdin !== 'open' && signals === undefined && onStdout === undefined;

/** Commands whose runs compute for long. */
const computing = ['llama', 'deepseek', 'vit', 'whisper'];

/**
 * Runs `grafo ...args`, by one thread unless the arguments say how many: other test files run beside this one, and
 * threads that share a core wait for one another by spinning. Runs of a file share a process where they come one after
 * another and are not about the process itself; `grafoAlone` never does.
 */
export const grafo = (args: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
  isPlain(options) && !isBusy ? runResident(threaded(args), options) : grafoAlone(args, options);

/** The same in a process that runs nothing else. */
export const grafoAlone = (args: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
  run(process.execPath, [grafoFile, ...threaded(args)], options);

const threaded = (args: readonly string[]): readonly string[] => {
  const [command = '', ...rest] = args;
  // A file of arguments is one only where it stands alone.
  const isFree = computing.includes(command) && !rest.some((arg) => /^(-t|--threads|@.*)$/.test(arg));
  return isFree ? [command, '-t', '1', ...rest] : args;
};
