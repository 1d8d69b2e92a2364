/** `grafo models`: the models that are kept in the cache of Hugging Face's tools; how to get more, and be rid of them. */
import { UserError } from '../errors.ts';
import { aligned } from '../graph/print/cost.ts';
import { bytesText } from '../io/hub/bytes.ts';
import type { CachedModel } from '../io/hub/cached-models.ts';
import { listCached, removeCached, removeRepo } from '../io/hub/cached-models.ts';
import { isMeant, quantOf } from '../io/hub/choose.ts';
import { type HubReference, nameOf, parseHubReference } from '../io/hub/reference.ts';
import { hubSettings } from '../io/hub/settings.ts';
import { speechModelNamed, voiceDetectorNamed } from '../io/hub/short-names.ts';
import { command } from './command.ts';
import { modelPath } from './model-source.ts';
import { hubOptions, reportOptions } from './options.ts';
import { noticeUnless, write } from './terminal.ts';

const { json, quiet } = reportOptions;

const options = {
  ...hubOptions,
  json,
  quiet,
};

const words = ['list', 'pull', 'path', 'rm'] as const;

/** `grafo models`. */
export const modelsCommand = command({
  options,
  operands: '[list|pull|path|rm] [MODEL...]',
  examples: [
    ['grafo models', 'what is kept, the last used first'],
    ['grafo models pull hf:user/repo:Q8_0', 'download a model; its path on stdout'],
    ['grafo models pull base.en', 'a model of whisper.cpp by its short name'],
    ['grafo models path hf:user/repo', 'where it is'],
    ['grafo models rm hf:user/repo:Q8_0', 'remove a model, or all of a repository: hf:user/repo'],
  ],
  async run(flags, [word = 'list', ...names]) {
    const { folder } = hubSettings();
    const verb = words.find((w) => w === word);
    if (verb === undefined)
      throw new UserError('usage', `'${word}' is nothing to do with models`, `the words are ${words.join(', ')}`);
    if (verb === 'list') {
      if (names.length > 0) throw new UserError('usage', `'${names[0]}': list takes no names`);
      const models = await listCached(folder);
      await write(flags.json ? `${JSON.stringify(listJson(models, folder))}\n` : listText(models, folder));
      return 0;
    }
    if (names.length === 0) throw new UserError('usage', `which model?`, `grafo models ${verb} hf:user/repo`);
    const done: { readonly name: string; readonly path?: string; readonly freed?: number }[] = [];
    for (const name of names) {
      const reference = referenceOf(name);
      if (verb === 'rm') done.push({ name, freed: await remove(reference, folder) });
      else done.push({ name, path: await pathOf(reference, { ...flags, offline: flags.offline || verb === 'path' }) });
    }
    const lines = done.map(({ name, path, freed = 0 }) => path ?? `removed ${name}, ${bytesText(freed)}`);
    await write(flags.json ? `${JSON.stringify({ models: done })}\n` : `${lines.join('\n')}\n`);
    return 0;
  },
});

/** What a word stands for: whisper.cpp's short names too. */
const referenceOf = (name: string): HubReference =>
  speechModelNamed(name) ?? voiceDetectorNamed(name) ?? parseHubReference(name);

interface PathFlags {
  readonly offline: boolean;
  readonly quiet: boolean;
  readonly 'hf-token': string | undefined;
}

const pathOf = (reference: HubReference, flags: PathFlags): Promise<string> =>
  modelPath({ ...flags, model: nameOf(reference) }, 'any', noticeUnless(flags.quiet));

/** Removes what the reference means of all revisions; without a file or quantisation, all of its repository. */
const remove = async (reference: HubReference, folder: string): Promise<number> => {
  const { repo, wanted } = reference;
  if (wanted.kind === 'any') {
    const freed = await removeRepo(folder, repo);
    if (freed !== undefined) return freed;
  }
  const meant = (await listCached(folder)).filter((model) => model.repo === repo && isMeant(model.file, wanted));
  if (meant.length === 0)
    throw new UserError('file', `${nameOf(reference)} is not in the cache`, 'grafo models lists what is');
  let freed = 0;
  for (const model of meant) freed += await removeCached(folder, model);
  return freed;
};

/** As it is asked for; of an earlier revision, only its file can be named. */
const shownName = ({ repo, file, form }: CachedModel): string =>
  nameOf({ repo, revision: 'main', wanted: form === 'folder' ? { kind: 'any' } : { kind: 'file', path: file } });

const listText = (models: readonly CachedModel[], folder: string): string => {
  const blobs = new Map(models.flatMap((model) => model.blobs.map(({ path, size }) => [path, size])));
  const total = [...blobs.values()].reduce((sum, size) => sum + size, 0);
  const rows = models.map((model) => [
    shownName(model),
    quantOf(model.file) ?? '',
    bytesText(model.byteLength).padStart(10),
    model.lastUsed.toISOString().slice(0, 16).replace('T', ' '),
    model.isCurrent ? '' : 'of an earlier revision',
  ]);
  const table = models.length === 0 ? '' : aligned([['model', 'type', 'size', 'last used'], ...rows]);
  return `${table}${models.length} models, ${bytesText(total)} in ${folder}\n`;
};

const listJson = (models: readonly CachedModel[], folder: string) => ({
  folder,
  models: models.map((model) => ({
    name: shownName(model),
    repo: model.repo,
    type: quantOf(model.file),
    bytes: model.byteLength,
    path: model.path,
    last_used: model.lastUsed,
    is_current: model.isCurrent,
  })),
});
