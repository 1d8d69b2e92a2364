/** Rows of a cache as bytes, for whatever keeps them outside of a session. A state has the dimensions `[B, n, nCtx, d]`. */

/** The memory of a tensor's data. Throws an Error where they are no array of numbers. */
export const bytesOf = (data: unknown): Uint8Array => {
  if (!ArrayBuffer.isView(data)) throw new Error('a tensor has no numbers');
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
};

/** A copy of the first sequence's first `nRow` rows, `[n, nRow, d]`. */
export const firstRows = (dims: readonly number[], state: Uint8Array, nRow: number): Uint8Array => {
  const { n, nCtx, rowBytes } = layoutOf(dims, state);
  const rows = new Uint8Array(n * nRow * rowBytes);
  for (let i = 0; i < n; i++)
    rows.set(state.subarray(i * nCtx * rowBytes, (i * nCtx + nRow) * rowBytes), i * nRow * rowBytes);
  return rows;
};

/** Writes rows `[n, nRow, d]` to the beginning of the first sequence. */
export const putRows = (dims: readonly number[], state: Uint8Array, rows: Uint8Array): void => {
  const { n, nCtx, rowBytes } = layoutOf(dims, state);
  const length = rows.length / n;
  if (length % rowBytes !== 0 || length > nCtx * rowBytes)
    throw new Error(`${rows.length} bytes are no rows of a cache of ${n} x ${nCtx} x ${rowBytes}`);
  for (let i = 0; i < n; i++) state.set(rows.subarray(i * length, (i + 1) * length), i * nCtx * rowBytes);
};

const layoutOf = (dims: readonly number[], state: Uint8Array) => {
  const [nSeq = 1, n = 1, nCtx = 1] = dims;
  return { n, nCtx, rowBytes: state.length / (nSeq * n * nCtx) };
};
