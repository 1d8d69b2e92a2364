/**
 * A hub in this process: a server that tells of a repository's files as the real one does, and a store on another port
 * that it sends requests for bytes on to. Every request is noted; how the store answers can be changed.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** Answers the n-th request (from 0) to the store for these bytes. */
export type Serve = (request: IncomingMessage, response: ServerResponse, bytes: Buffer, n: number) => void;

export interface Noted {
  readonly where: 'hub' | 'store';
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

export interface HubServer {
  readonly endpoint: string;
  readonly requests: readonly Noted[];
  close(): Promise<void>;
}

interface HubOptions {
  /** Files by path; those of more than 1000 bytes are told of with a sha256, as large ones are. */
  readonly files: Readonly<Record<string, Buffer>>;
  readonly serve?: Serve;
  /** Answers the n-th request to the hub itself instead, and says whether it did. */
  readonly refuse?: (request: IncomingMessage, response: ServerResponse, n: number) => boolean;
  /** The size that is told of every file, if not the true one. */
  readonly toldSize?: number;
}

/** The wanted part of the bytes, as a good server sends it. */
export const serveWell: Serve = (request, response, bytes) => {
  const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const to = Number(/-(\d+)$/.exec(request.headers.range ?? '')?.[1] ?? bytes.length - 1);
  const part = bytes.subarray(from, to + 1);
  const range =
    request.headers.range === undefined
      ? {}
      : { 'content-range': `bytes ${from}-${from + part.length - 1}/${bytes.length}` };
  response.writeHead(request.headers.range === undefined ? 200 : 206, { 'content-length': part.length, ...range });
  response.end(part);
};

/** Sends a part of what is asked for, then cuts the connection. */
export const cutAfter =
  (length: number): Serve =>
  (request, response, bytes) => {
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const rest = bytes.length - from;
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': rest,
      ...(from > 0 && { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    });
    if (length === 0) response.flushHeaders();
    response.write(bytes.subarray(from, from + length), () => response.socket?.destroySoon());
  };

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const gitSum = (bytes: Buffer): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

export const blobName = (bytes: Buffer): string => (bytes.length > 1000 ? sha256(bytes) : gitSum(bytes));

const listen = (server: Server): Promise<string> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });

const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

/** Opens the hub with one repository, `some/model`. */
export const openHubServer = async ({ files, serve = serveWell, refuse, toldSize }: HubOptions): Promise<HubServer> => {
  const requests: Noted[] = [];
  const note = (where: Noted['where'], { url = '', headers: { range, authorization } }: IncomingMessage): number =>
    requests.push({ where, path: url, range, authorization }) - 1;
  let nStored = 0;
  const store = createServer((request, response) => {
    note('store', request);
    serve(request, response, files[decodeURIComponent((request.url ?? '').slice(1))] ?? Buffer.of(), nStored++);
  });
  const storeAddress = await listen(store);

  const json = (response: ServerResponse, value: unknown): void => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  };
  const tree = () =>
    Object.entries(files).map(([path, bytes]) => ({
      type: 'file',
      path,
      size: toldSize ?? bytes.length,
      oid: gitSum(bytes),
      ...(bytes.length > 1000 && { lfs: { oid: sha256(bytes), size: toldSize ?? bytes.length, pointerSize: 130 } }),
    }));
  let nAsked = 0;
  const hub = createServer((request, response) => {
    note('hub', request);
    const path = (request.url ?? '').split('?')[0] ?? '';
    if (refuse?.(request, response, nAsked++)) return;
    if (path === `/api/models/some/model/revision/main`)
      return json(response, { _id: '1', id: 'some/model', private: false, gated: false, sha: COMMIT });
    if (path === `/api/models/some/model/tree/${COMMIT}`) return json(response, tree());
    const [, file] = new RegExp(`^/some/model/resolve/${COMMIT}/(.+)$`).exec(path) ?? [];
    if (file === undefined) response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end();
    else response.writeHead(302, { location: `${storeAddress}/${encodeURIComponent(decodeURIComponent(file))}` }).end();
  });
  const endpoint = await listen(hub);
  return {
    endpoint,
    requests,
    close: async () => {
      await closed(hub);
      await closed(store);
    },
  };
};
