/**
 * Keeps `npm ci` from running onnxruntime-node's install script, which downloads CUDA libraries and fails the whole
 * install where their host is out of reach. Run after every change of package-lock.json: npm writes the mark back.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(path, 'utf8'));
delete lock.packages['node_modules/onnxruntime-node'].hasInstallScript;
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
