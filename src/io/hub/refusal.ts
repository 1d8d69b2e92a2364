/** What goes wrong on the way to the hub, in sentences; some of it may go right when it is tried again. */
import { messageOf, UserError } from '../../errors.ts';

/** What may go right when it is tried again. */
export class TransientError extends UserError {
  /** How long the server asks to wait. */
  readonly waitMs: number | undefined;

  constructor(message: string, hint: string, waitMs?: number) {
    super('network', message, hint);
    this.waitMs = waitMs;
  }
}

/** What a server's refusal is told by. */
export interface Refused {
  readonly status: number;
  header(name: string): string | undefined;
}

export interface Asked {
  readonly url: URL;
  /** 'user/name'. */
  readonly repo: string;
  readonly hasToken: boolean;
}

const TOKENS = 'https://huggingface.co/settings/tokens';
const OFFLINE = '--offline uses what is cached';

/** The sentence for an answer that brings nothing. */
export const refusal = (answer: Refused, { url, repo, hasToken }: Asked): UserError => {
  const { host } = url;
  const page = `${url.protocol}//${host}/${repo}`;
  switch (answer.status) {
    case 401:
      return hasToken
        ? new UserError(
            'network',
            `${host} does not accept the token for ${repo}`,
            `make one at ${TOKENS}, set HF_TOKEN`,
          )
        : new UserError(
            'network',
            `${repo} does not exist on ${host}, or is private`,
            `check its name; for a private one set HF_TOKEN (${TOKENS})`,
          );
    case 403:
      return new UserError(
        'network',
        `${host} does not let ${hasToken ? 'this token' : 'everybody'} read ${repo}`,
        `accept its conditions at ${page}, then set HF_TOKEN (${TOKENS})`,
      );
    case 404: {
      const code = answer.header('x-error-code');
      const what = { RevisionNotFound: 'this revision', EntryNotFound: 'this file' }[code ?? ''];
      return new UserError(
        'network',
        what === undefined ? `${repo} does not exist on ${host}` : `${repo} has not ${what}`,
        what === undefined ? 'check its name; a private one needs HF_TOKEN' : `see what it has at ${page}`,
      );
    }
    case 429:
      return new TransientError(
        `${host} was asked too often (429)`,
        'wait some minutes; with HF_TOKEN more is allowed',
        secondsOf(answer.header('retry-after')),
      );
    default: {
      const sentence = `${host} answers with status ${answer.status} for ${repo}`;
      return answer.status >= 500 || answer.status === 408
        ? new TransientError(sentence, `try again later; ${OFFLINE}`)
        : new UserError('network', sentence, `see ${page}; ${OFFLINE}`);
    }
  }
};

/** Nobody waits longer than this for a server that asks for it. */
const MOST_WAIT_MS = 60_000;

const secondsOf = (text: string | undefined): number | undefined => {
  const seconds = Number(text);
  return seconds > 0 ? Math.min(1000 * seconds, MOST_WAIT_MS) : undefined;
};

/** The sentence for a connection that failed. */
export const brokenConnection = (url: URL, error: unknown): UserError => {
  if (error instanceof UserError) return error;
  return new TransientError(
    `cannot reach ${url.host}: ${reasonOf(error)}`,
    `check the connection, and HTTPS_PROXY if there is a proxy; ${OFFLINE}`,
  );
};

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'names cannot be looked up',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
  UND_ERR_HEADERS_TIMEOUT: 'it does not answer',
  UND_ERR_BODY_TIMEOUT: 'it stopped sending',
};

const reasonOf = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return REASONS[code] ?? messageOf(error);
};

/**
 * Tries again after each of the waits what failed in a way that may pass.
 * @throws what the last attempt threw
 */
export const patiently = async <R>(waits: readonly number[], attempt: () => Promise<R>): Promise<R> => {
  for (const wait of waits) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      await pause(error.waitMs ?? wait);
    }
  }
  return attempt();
};

/** Resolves after so many milliseconds. */
export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
