/** One engine's figures, or grafo's profile, as a line of JSON: each runs in a process of its own, so that memory is too. */
import { openGrafo } from './grafo.mjs';
import { measure } from './measure.mjs';
import { openPeer } from './node-llama-cpp.mjs';
import { profileTokens } from './profile.mjs';

const [what, file, threads, peerFolder] = process.argv.slice(2);
const tasks = {
  grafo: () => measure(() => openGrafo(file, Number(threads))),
  'grafo-expanded': () => measure(() => openGrafo(file, Number(threads), 'expand')),
  peer: () => measure(() => openPeer(peerFolder, file, Number(threads))),
  'peer-vulkan': () => measure(() => openPeer(peerFolder, file, Number(threads), 'vulkan')),
  profile: () => profileTokens(file, Number(threads)),
};
const result = await tasks[what]();
console.log(JSON.stringify(result));
process.exit(0);
