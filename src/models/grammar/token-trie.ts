/** The texts of a vocabulary as a tree of bytes, laid out so that a walk over it is a loop over arrays. */

/** What a grammar needs of a vocabulary. */
export interface Tokens {
  readonly size: number;
  /** The bytes that a token writes; none for control tokens. */
  bytes(id: number): Uint8Array;
  /** Tokens that end a text. */
  readonly ends: ReadonlySet<number>;
}

/** Nodes in the order of a walk: each before its children, these by their bytes. Node 0 is the root. */
export interface TokenTrie {
  /** The byte that leads to a node. */
  readonly bytes: Uint8Array;
  /** Bytes from the root to a node. */
  readonly depths: Uint16Array;
  /** The first node that is not below this one. */
  readonly next: Uint32Array;
  /** Where a node's tokens begin in `ids`; they end where the next one's begin. */
  readonly firstId: Uint32Array;
  readonly ids: Uint32Array;
  readonly maxDepth: number;
}

/** The tree of all tokens that write something and do not end the text. */
export const createTokenTrie = ({ size, bytes, ends }: Tokens): TokenTrie => {
  const texts: { readonly text: string; readonly id: number }[] = [];
  for (let id = 0; id < size; id++) {
    const written = ends.has(id) ? [] : bytes(id);
    // One character for each byte: strings compare faster than arrays.
    if (written.length > 0) texts.push({ text: String.fromCharCode(...written), id });
  }
  texts.sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : a.id - b.id));

  const most = 1 + texts.reduce((sum, { text }) => sum + text.length, 0);
  const nodes = { bytes: new Uint8Array(most), depths: new Uint16Array(most), firstId: new Uint32Array(most + 1) };
  const next = new Uint32Array(most);
  const path = [0]; // the nodes from the root to the last one
  let [n, maxDepth, before] = [1, 0, ''];
  const leaveTo = (depth: number): void => {
    for (const node of path.splice(depth + 1)) next[node] = n;
  };
  texts.forEach(({ text }, i) => {
    let shared = 0;
    while (shared < before.length && before.charCodeAt(shared) === text.charCodeAt(shared)) shared++;
    leaveTo(shared);
    for (let depth = shared; depth < text.length; depth++) {
      nodes.bytes[n] = text.charCodeAt(depth);
      nodes.depths[n] = depth + 1;
      nodes.firstId[n] = i;
      path.push(n++);
    }
    maxDepth = Math.max(maxDepth, text.length);
    before = text;
  });
  leaveTo(-1);
  nodes.firstId[n] = texts.length;
  return {
    bytes: nodes.bytes.slice(0, n),
    depths: nodes.depths.slice(0, n),
    next: next.slice(0, n),
    firstId: nodes.firstId.slice(0, n + 1),
    ids: Uint32Array.from(texts, ({ id }) => id),
    maxDepth,
  };
};
