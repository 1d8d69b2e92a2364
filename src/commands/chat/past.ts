/** Messages typed before, in this run and in earlier ones: the arrow keys bring them back. */
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** So many are brought back; the file is shortened when it holds twice as many. */
const LIMIT = 1000;

/** Where what people typed is kept: the system's place for the state of programs. */
export const historyFile = (env: NodeJS.ProcessEnv = process.env, platform = process.platform): string => {
  if (env.XDG_STATE_HOME) return join(env.XDG_STATE_HOME, 'grafo', 'history');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'grafo', 'history');
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'grafo', 'history');
  return join(homedir(), '.local', 'state', 'grafo', 'history');
};

/** Messages of earlier runs, the oldest first; none where there is no file. One JSON text a line, since messages have lines. */
export const readPast = async (path: string): Promise<readonly string[]> => {
  const lines = (await readFile(path, 'utf8').catch(absent)).split('\n').filter((line) => line !== '');
  if (lines.length > 2 * LIMIT) await writeFile(path, `${lines.slice(-LIMIT).join('\n')}\n`, { mode: 0o600 });
  return lines.slice(-LIMIT).flatMap(messageOfLine);
};

/** Adds a message; only its owner may read the file. */
export const rememberMessage = async (path: string, message: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await appendFile(path, `${JSON.stringify(message)}\n`, { mode: 0o600 });
};

const absent = (error: NodeJS.ErrnoException): string => {
  if (error.code === 'ENOENT') return '';
  throw error;
};

/** A line that another program has written is passed over. */
const messageOfLine = (line: string): string[] => {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'string' ? [value] : [];
  } catch {
    return [];
  }
};
