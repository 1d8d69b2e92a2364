/**
 * Requests to the hub and to the stores it sends one on to, through the proxy that the environment names. The token goes
 * to the hub alone: redirects are followed here, and to another host nothing is taken along.
 */
import { EnvHttpProxyAgent, request } from 'undici';
import { UserError } from '../../errors.ts';
import { brokenConnection, refusal, TransientError } from './refusal.ts';
import type { HubSettings } from './settings.ts';

/** A server's answer to a request that it did not refuse. */
export interface Answer {
  readonly status: number;
  header(name: string): string | undefined;
  /** Pieces as they come. Throws a UserError where the connection breaks. */
  pieces(): AsyncGenerator<Uint8Array>;
  /** Gives the rest up. */
  drop(): void;
}

export interface Transport {
  /**
   * Asks for what is at `url`, wherever that leads.
   * @param repo whose files these are, for sentences
   * @throws UserError 'network' for a refusal, TransientError where asking again may help
   */
  get(url: string, repo: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** The same for a library that wants a `fetch`. */
  fetchFor(repo: string): typeof fetch;
  close(): Promise<void>;
}

const MOST_REDIRECTS = 10;

/** Requests to the hub, with the token, behind the proxy of the environment; close it when done. */
export const openTransport = ({ endpoint, token, stallMs }: HubSettings): Transport => {
  const dispatcher = new EnvHttpProxyAgent({
    headersTimeout: stallMs,
    bodyTimeout: stallMs,
    connect: { timeout: stallMs },
  });
  const home = new URL(endpoint).origin;

  const get: Transport['get'] = async (start, repo, headers = {}) => {
    let url = new URL(start);
    for (let n = 0; n <= MOST_REDIRECTS; n++) {
      const isHome = url.origin === home;
      const authorization = isHome && token !== undefined ? { authorization: `Bearer ${token}` } : {};
      const answer = await send(url, {
        'accept-encoding': 'identity',
        'user-agent': 'grafo',
        ...headers,
        ...authorization,
      });
      const next = answer.header('location');
      if (answer.status >= 300 && answer.status < 400 && next !== undefined) {
        answer.drop();
        url = new URL(next, url);
        if (!/^https?:$/.test(url.protocol)) break;
        continue;
      }
      if (answer.status >= 200 && answer.status < 300) return answer;
      answer.drop();
      // A store lets one in by the address that the hub made for this request, and not for long.
      if (!isHome && answer.status < 500)
        throw new TransientError(
          `${url.host} refuses (${answer.status}) what the hub sent us there for`,
          'try again later',
        );
      throw refusal(answer, { url, repo, hasToken: token !== undefined });
    }
    throw new UserError(
      'network',
      `${new URL(start).host} sends requests for ${repo} round in circles`,
      'try again later',
    );
  };

  const send = async (url: URL, headers: Readonly<Record<string, string>>): Promise<Answer> => {
    const {
      statusCode,
      headers: got,
      body,
    } = await request(url, { headers, dispatcher }).catch((error: unknown) => {
      throw brokenConnection(url, error);
    });
    // Whoever drops a body does not wait for what becomes of its connection.
    body.on('error', () => undefined);
    return {
      status: statusCode,
      header(name) {
        const value = got[name];
        return Array.isArray(value) ? value[0] : value;
      },
      async *pieces() {
        try {
          for await (const piece of body) yield piece as Uint8Array;
        } catch (error) {
          throw brokenConnection(url, error);
        }
      },
      drop: () => body.destroy(),
    };
  };

  return {
    get,
    fetchFor: (repo) => async (input) => {
      const answer = await get(input instanceof Request ? input.url : String(input), repo, {
        accept: 'application/json',
      });
      const pieces: Uint8Array[] = [];
      for await (const piece of answer.pieces()) pieces.push(piece);
      const link = answer.header('link');
      return new Response(Buffer.concat(pieces), {
        status: answer.status,
        headers: link === undefined ? {} : { link },
      });
    },
    close: () => dispatcher.close(),
  };
};
