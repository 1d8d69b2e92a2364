/**
 * Work on many files that several processes share, on one machine or many: which files are whose is known from the list
 * of files alone, and a file that is there is whole, so nothing but the disk has to tell one process of another.
 */
import { existsSync } from 'node:fs';
import { access, constants, mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { fileError } from '../io/gguf/file.ts';
import { removeLeftovers } from '../io/whole-file.ts';

/** A file to work on, and the files that come of it. */
export interface Task {
  /** `-` is stdin. */
  readonly path: string;
  readonly outputs: readonly string[];
}

/** One of `count` shares; the first is 0. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** `I/N`, as in 0/4 to 3/4. Throws a UserError 'usage' for anything else. */
export const parseShard = (text: string): Shard => {
  const [, index = Number.NaN, count = Number.NaN] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (!(index >= 0 && count >= 1))
    throw new UserError('usage', `'${text}' is no share I/N`, 'as in 0/4, 1/4, 2/4, 3/4');
  if (index >= count)
    throw new UserError(
      'usage',
      `'${text}': there is no such share`,
      `the first is 0/${count}, the last ${count - 1}/${count}`,
    );
  return { index, count };
};

/** Refuses to share what others cannot read. Throws a UserError 'usage'. */
export const expectNoStdin = (words: readonly string[]): void => {
  if (words.includes('-'))
    throw new UserError('usage', "'-' and --shard: stdin cannot be shared", 'name files or folders');
};

export interface ShareFlags {
  readonly shard: Shard | undefined;
  readonly 'skip-existing': boolean;
}

/**
 * What this process has to do of all that was named; the folders of what will come are there, and clear of what killed
 * runs have left.
 * @param what the tasks are, in messages
 * @throws UserError 'usage' where tasks would write over each other's files, 'file' for a folder that cannot be made or
 *   written to
 */
export const tasksToDo = async <T extends Task>(
  all: readonly T[],
  { shard, 'skip-existing': skipsExisting }: ShareFlags,
  what: string,
  notice: (line: string) => void,
): Promise<readonly T[]> => {
  expectApart(all);
  const mine = shard ? shareOf(all, shard) : all;
  if (shard) notice(`share ${shard.index}/${shard.count}: ${mine.length} of ${all.length} ${what}`);
  const toDo = skipsExisting ? mine.filter((task) => !isDone(task)) : mine;
  if (toDo.length < mine.length) notice(`${mine.length - toDo.length} of ${mine.length} are done already`);
  await prepareFolders(toDo);
  return toDo;
};

/**
 * The tasks of one share: every N-th of all in the order of their paths, each file once however often it is named. What
 * is done already does not matter, so a share that begins anew has the files that it had.
 */
const shareOf = <T extends Task>(tasks: readonly T[], { index, count }: Shard): T[] => {
  const byPath = new Map(tasks.map((task) => [resolve(task.path), task]));
  const order = [...byPath.keys()].sort();
  return order.filter((_, i) => i % count === index).map((path) => byPath.get(path)!);
};

/** Whether all that comes of a task is there. */
const isDone = ({ outputs }: Task): boolean => outputs.length > 0 && outputs.every((path) => existsSync(path));

/** Refuses tasks that would write over each other's files. */
const expectApart = (tasks: readonly Task[]): void => {
  const owners = new Map<string, string>();
  for (const { path, outputs } of tasks) {
    for (const output of outputs) {
      const owner = owners.get(resolve(output)) ?? path;
      if (resolve(owner) !== resolve(path))
        throw new UserError(
          'usage',
          `'${owner}' and '${path}' would both be written to '${output}'`,
          'name the folder above both: its folders are kept apart',
        );
      owners.set(resolve(output), owner);
    }
  }
};

/**
 * Makes the folders of all that will come, before any work is done in vain, and clears them of what killed runs left.
 */
const prepareFolders = async (tasks: readonly Task[]): Promise<void> => {
  // Nothing will come of a file that is missing, as it is told at its turn.
  const present = tasks.filter(({ path }) => path === '-' || existsSync(path));
  const folders = new Set(present.flatMap(({ outputs }) => outputs.map((path) => dirname(path))));
  for (const folder of folders) {
    try {
      await mkdir(folder, { recursive: true });
      await access(folder, constants.W_OK);
      await removeLeftovers(folder);
    } catch (error) {
      throw fileError('write to', folder, error);
    }
  }
};
