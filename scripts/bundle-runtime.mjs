/**
 * Before and after `npm pack`: the package carries ONNX Runtime with it, since the runtime's own install script downloads
 * CUDA libraries and fails the whole installation where their host is out of reach. While the package is packed, the
 * runtime's description names no scripts and only the binaries of this platform (all of them together are 280 MB).
 */
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const described = fileURLToPath(new URL('../node_modules/onnxruntime-node/package.json', import.meta.url));
const saved = `${described}.saved`;

const restore = () => {
  if (existsSync(saved)) renameSync(saved, described);
};

const trim = () => {
  restore(); // what an interrupted run left
  copyFileSync(described, saved);
  const { scripts: _scripts, ...about } = JSON.parse(readFileSync(described, 'utf8'));
  const { platform, arch } = process;
  const files = ['dist', `bin/*/${platform}/${arch}/*`];
  writeFileSync(described, JSON.stringify({ ...about, files }, null, 2));
};

const tasks = { trim, restore };
const task = tasks[process.argv[2]];
if (!task) throw new Error(`expected one of ${Object.keys(tasks).join(', ')}`);
task();
