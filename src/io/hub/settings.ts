/** Where the hub is, who asks, and where its files are kept: the environment's names are those of Hugging Face's tools. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../../errors.ts';

export interface HubSettings {
  /** 'https://huggingface.co', or what stands in for it; without a slash at its end. */
  readonly endpoint: string;
  readonly token?: string;
  /** The cache that Hugging Face's tools share. */
  readonly folder: string;
  /** Never ask the hub. */
  readonly isOffline: boolean;
  /** Milliseconds before each further attempt. */
  readonly waits: readonly number[];
  /** Milliseconds without a byte after which a connection is given up. */
  readonly stallMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param given what the flags say, which comes before the environment
 * @throws UserError 'usage' for an endpoint that is no address
 */
export const hubSettings = (
  given: { readonly token?: string | undefined; readonly isOffline?: boolean | undefined } = {},
  env: Environment = process.env,
  home = homedir(),
): HubSettings => {
  const isOffline = given.isOffline || isOn(env.HF_HUB_OFFLINE) || isOn(env.LLAMA_ARG_OFFLINE);
  const hfHome = env.HF_HOME || join(env.XDG_CACHE_HOME || join(home, '.cache'), 'huggingface');
  const token = given.token || env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN || storedToken(env.HF_TOKEN_PATH, hfHome);
  return {
    endpoint: checkedEndpoint(env.MODEL_ENDPOINT || env.HF_ENDPOINT || 'https://huggingface.co'),
    ...(token && { token }),
    folder: env.LLAMA_CACHE || env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(hfHome, 'hub'),
    isOffline,
    waits: [500, 1000, 2000, 4000],
    stallMs: 30_000,
  };
};

const isOn = (text = ''): boolean => ['1', 'true', 'yes', 'on', 'enabled'].includes(text.toLowerCase());

const checkedEndpoint = (text: string): string => {
  const address = URL.canParse(text) ? new URL(text) : undefined;
  if (!address || !/^https?:$/.test(address.protocol))
    throw new UserError('usage', `the hub's address '${text}' is none`, 'HF_ENDPOINT is like https://huggingface.co');
  return text.replace(/\/+$/, '');
};

/** What logging in with Hugging Face's own tools has left. */
const storedToken = (path: string | undefined, hfHome: string): string | undefined => {
  try {
    return readFileSync(path || join(hfHome, 'token'), 'utf8').trim();
  } catch {
    return undefined; // nobody has logged in here, or not for us to read
  }
};
