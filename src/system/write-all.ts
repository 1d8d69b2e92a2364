/** What is needed of an open file. */
interface Writer {
  write(bytes: Uint8Array, from: number, length: number, position: number): Promise<{ readonly bytesWritten: number }>;
}

/** Node writes at most 2 GiB at once. */
const MOST_BYTES = 2 ** 30;

/** Writes all bytes at a position of a file; the system may take fewer at a time, as where a disk gets full. */
export const writeAll = async (file: Writer, bytes: Uint8Array, position: number): Promise<void> => {
  for (let done = 0; done < bytes.length; ) {
    const n = Math.min(bytes.length - done, MOST_BYTES);
    done += (await file.write(bytes, done, n, position + done)).bytesWritten;
  }
};
