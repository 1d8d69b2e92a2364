/** Logits of every position in a file that other programs can compare with. */
import { open } from 'node:fs/promises';
import { fileError } from '../../io/gguf/file.ts';
import type { Decoder } from '../../models/decoder.ts';
import type { StoppableStep } from './writer.ts';

export interface LogitsFile {
  /** Rows `[n, nVocab]`, following those written before. */
  write(rows: Float32Array): Promise<void>;
  /** Writes the header, which holds the number of rows. */
  close(): Promise<void>;
}

const HEADER_BYTES = 20;

/**
 * Little-endian: 'NDA1', u32 type (0: float32), u32 number of dimensions, u32 rows, u32 nVocab, then the values.
 * @throws UserError 'file' when the file cannot be written
 */
export const createLogitsFile = async (path: string, nVocab: number): Promise<LogitsFile> => {
  const wrong = (error: unknown): never => {
    throw fileError('write', path, error);
  };
  const file = await open(path, 'w').catch(wrong);
  let nRow = 0;
  return {
    async write(rows) {
      const bytes = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength);
      await file.write(bytes, 0, bytes.length, HEADER_BYTES + 4 * nVocab * nRow).catch(wrong);
      nRow += rows.length / nVocab;
    },
    async close() {
      const header = Buffer.alloc(HEADER_BYTES);
      header.write('NDA1', 'latin1');
      header.writeUInt32LE(2, 8);
      header.writeUInt32LE(nRow, 12);
      header.writeUInt32LE(nVocab, 16);
      try {
        await file.write(header, 0, HEADER_BYTES, 0);
      } catch (error) {
        wrong(error);
      } finally {
        await file.close();
      }
    },
  };
};

/** A step that also saves the logits of every position it passes. */
export const savingStep =
  (decoder: Decoder, file: LogitsFile): StoppableStep =>
  async (tokens, pos, { signal }) => {
    let last = new Float32Array();
    for await (const rows of decoder.all(tokens, pos, signal)) {
      await file.write(rows);
      last = rows.slice(-decoder.nVocab);
    }
    return last;
  };
