interface Closable {
  close(): Promise<void>;
}

/**
 * Opens something for each item, one after the other, for a caller that closes them all; where one fails, those before
 * it are closed again.
 */
export const openAll = async <I, T extends Closable>(
  items: readonly I[],
  open: (item: I) => Promise<T>,
): Promise<readonly (readonly [I, T])[]> => {
  const opened: [I, T][] = [];
  try {
    for (const item of items) opened.push([item, await open(item)]);
    return opened;
  } catch (error) {
    for (const [, one] of opened) await one.close();
    throw error;
  }
};
