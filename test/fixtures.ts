/** Reference files of the repository, kept Brotli-compressed, and the arrays in them. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { afterAll } from 'vitest';
import { sharedData } from './shared-data.ts';

const root = fileURLToPath(new URL('./fixtures/', import.meta.url));

/** A folder for the files of one test file, removed after its tests. */
export const scratch = mkdtempSync(join(tmpdir(), 'grafo-test-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/**
 * The path of a reference, `llama/gqa-f16.gguf`: as it is in the repository, or decompressed into the scratch folder.
 * Names and neighbours are kept, so the parts of a split model find each other once each was asked for.
 */
export const fixture = (name: string): string => {
  if (existsSync(root + name)) return root + name;
  const path = join(scratch, name);
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, brotliDecompressSync(readFileSync(`${root}${name}.br`)));
  }
  return path;
};

/**
 * The path of a reference that is too large for the repository in full: from there, else from beside it, else
 * undefined, and the reason is printed.
 */
export const reference = (name: string, what: string): string | undefined =>
  existsSync(root + name) || existsSync(`${root}${name}.br`) ? fixture(name) : sharedData(name, what);

/**
 * An array file: bytes `NDA1`, u32 type (0 = float32), u32 number of dimensions, u32 each, then the values, last axis
 * fastest.
 */
export const readNda = (path: string): { readonly dims: readonly number[]; readonly values: Float32Array } => {
  const bytes = readFileSync(path);
  if (bytes.toString('latin1', 0, 4) !== 'NDA1' || bytes.readUInt32LE(4) !== 0) {
    throw new Error(`${path} is no array file of float32`);
  }
  const nDim = bytes.readUInt32LE(8);
  const dims = Array.from({ length: nDim }, (_, i) => bytes.readUInt32LE(12 + 4 * i));
  return { dims, values: new Float32Array(new Uint8Array(bytes.subarray(12 + 4 * nDim)).buffer) };
};

/** Normalised mean square error of `a` against the reference `b`: sum (a - b)² / sum b². */
export const nmse = (a: Float32Array, b: Float32Array): number => {
  if (a.length !== b.length) throw new Error(`${a.length} values against ${b.length}`);
  let error = 0;
  let power = 0;
  for (let i = 0; i < b.length; i++) {
    error += (a[i]! - b[i]!) ** 2;
    power += b[i]! ** 2;
  }
  return error / power;
};
