/** What a model is called where it is no path: `hf:user/repo`, with a revision, a quantisation or a file behind it. */
import { UserError } from '../../errors.ts';

/** Which files of a repository are meant. */
export type Wanted =
  /** What the repository has of the usual kind. */
  | { readonly kind: 'any' }
  /** The files whose names say so: 'Q4_K_M'. */
  | { readonly kind: 'quant'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string };

export interface HubReference {
  /** 'user/name'. */
  readonly repo: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  readonly wanted: Wanted;
}

const SCHEME = 'hf:';

/** The hub's own rule, without names that would lead out of a folder. */
const NAME = /^(?!\.)(?!.*\.\.)[\w.-]+$/;

/** Whether a model is named on the hub rather than on the disk. */
export const isHubReference = (text: string): boolean => text.startsWith(SCHEME);

/**
 * Reads `[hf:]user/repo[@revision][:quant|/file]`.
 * @throws UserError 'usage' for anything else
 */
export const parseHubReference = (text: string): HubReference => {
  const [, user = '', name = '', revision = 'main', quant, file] =
    /^(?:hf:(?:\/\/)?)?([^/:@]+)\/([^/:@]+)(?:@([^/:@]+))?(?::([^/:]+)|\/(.+))?$/.exec(text) ?? [];
  if (!NAME.test(user) || !NAME.test(name) || !NAME.test(revision))
    throw new UserError(
      'usage',
      `'${text}' names no model of the hub`,
      'write hf:user/repo, :Q4_K_M or /file behind it',
    );
  const wanted: Wanted =
    file !== undefined
      ? { kind: 'file', path: checkedPath(file) }
      : quant !== undefined
        ? { kind: 'quant', name: quant }
        : { kind: 'any' };
  return { repo: `${user}/${name}`, revision, wanted };
};

/**
 * A path inside a repository, which is to become one inside a folder here.
 * @throws UserError 'usage' for a path that would lead out of it, on this system or another
 */
export const checkedPath = (path: string): string => {
  const steps = path.split('/');
  const isInside = steps.every((step) => step !== '' && step !== '.' && step !== '..' && !/[\\:\p{Cc}]/u.test(step));
  if (!isInside) throw new UserError('usage', `${JSON.stringify(path)} is no path of a file in a repository`);
  return path;
};

/** As a user would write it. */
export const nameOf = ({ repo, revision, wanted }: HubReference): string => {
  const at = revision === 'main' ? '' : `@${revision}`;
  switch (wanted.kind) {
    case 'any':
      return `${SCHEME}${repo}${at}`;
    case 'quant':
      return `${SCHEME}${repo}${at}:${wanted.name}`;
    case 'file':
      return `${SCHEME}${repo}${at}/${wanted.path}`;
  }
};
