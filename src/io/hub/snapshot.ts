/** What a repository holds at a revision, as the hub tells it. */
import { listFiles, modelInfo } from '@huggingface/hub';
import { messageOf, UserError } from '../../errors.ts';
import { checkedPath, type HubReference } from './reference.ts';
import { patiently } from './refusal.ts';
import type { HubSettings } from './settings.ts';
import type { Transport } from './transport.ts';

/** How the bytes of a file are known to be right: large files by their sum, small ones as git names them. */
export interface Digest {
  readonly kind: 'sha256' | 'git';
  readonly hex: string;
}

export interface HubFile {
  /** Inside the repository. */
  readonly path: string;
  readonly size: number;
  readonly digest: Digest;
}

export interface Snapshot {
  /** The commit that the revision stands for. */
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/**
 * The files of a model at its revision.
 * @throws UserError 'network' where the hub does not tell
 */
export const readSnapshot = async (
  { repo, revision }: HubReference,
  transport: Transport,
  { endpoint, waits }: HubSettings,
): Promise<Snapshot> => {
  const asked = { hubUrl: endpoint, fetch: transport.fetchFor(repo) };
  return patiently(waits, async () => {
    try {
      const { sha } = await modelInfo({ ...asked, name: repo, revision, additionalFields: ['sha'] });
      if (!isCommit(sha)) throw new Error('it names no commit');
      const files: HubFile[] = [];
      for await (const entry of listFiles({ ...asked, repo, revision: sha, recursive: true })) {
        if (entry.type === 'file') files.push(hubFile(entry));
      }
      return { commit: sha, files };
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(
        'network',
        `${endpoint} is no hub, or answers strangely for ${repo}: ${messageOf(error)}`,
        'check HF_ENDPOINT, and whether a proxy answers instead',
      );
    }
  });
};

/** 40 digits, as git names commits. */
export const isCommit = (text: string): boolean => /^[0-9a-f]{40}$/.test(text);

const hubFile = ({
  path,
  size,
  oid,
  lfs,
}: {
  readonly path: string;
  readonly size: number;
  readonly oid?: string;
  readonly lfs?: { readonly oid: string; readonly size: number };
}): HubFile => {
  const digest: Digest = lfs ? { kind: 'sha256', hex: lfs.oid } : { kind: 'git', hex: oid ?? '' };
  // The sum becomes the name of a file.
  if (!/^[0-9a-f]{40,64}$/.test(digest.hex)) throw new Error(`'${path}' has no sum`);
  return { path: checkedPath(path), size: lfs?.size ?? size, digest };
};
