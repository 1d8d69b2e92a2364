/** llama.cpp through node-llama-cpp, which is no dependency: it is taken from the folder where somebody installed it. */
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** @param gpu 'vulkan', or false for the CPU */
export const openNodeLlamaCpp = async ({ folder, file, threads, nCtx, gpu = false }) => {
  const entry = join(resolve(folder), 'node_modules', 'node-llama-cpp', 'dist', 'index.js');
  const { getLlama } = await import(pathToFileURL(entry).href);
  const llama = await getLlama({ gpu, build: 'never', logLevel: 'error', maxThreads: threads });
  const model = await llama.loadModel({ modelPath: file });
  const context = await model.createContext({ contextSize: nCtx, batchSize: 512, threads });
  const sequence = context.getSequence({ contextShift: { size: 1 } });
  const greedily = { generateNext: { token: true, options: { temperature: 0 } } };
  return {
    clear: () => sequence.clearHistory(),
    // Like ours, a prompt ends with the logits of its last token.
    prompt: async (tokens) => {
      await sequence.controlledEvaluate([...tokens.slice(0, -1), [tokens.at(-1), greedily]]);
    },
    step: async (token) => (await sequence.controlledEvaluate([[token, greedily]]))[0].next.token,
    close: () => llama.dispose(),
  };
};
