/** `grafo llama`: writes text with LLaMA and what is built like it. */
import { command } from './command.ts';
import { llamaOptions } from './text/options.ts';

/** `grafo llama`. */
export const llamaCommand = command({
  options: llamaOptions,
  examples: [
    ['grafo llama -m model.gguf -p "Once upon a time" -n 100', 'go on from a text'],
    ['grafo llama -m model.gguf', 'chat, if the file has a chat template'],
    ['grafo llama -m model.gguf -sys "Be brief." -p "What is 2+2?" -st', 'one question, one answer'],
    ['cat notes.txt | grafo llama -m model.gguf -n 50', 'the prompt from a pipe'],
    ['grafo llama -m model.gguf -p Hi --json | jq .text', 'for programs'],
    ['grafo llama -m model.gguf --perplexity wiki.txt -c 512', 'measure a model'],
    ['grafo llama --list-devices', 'what this machine can run on'],
  ],
  // Read when there is work to do: the help and a mistyped flag need none of it.
  run: async (flags) => (await import('./text/run.ts')).runText(flags, 'llama'),
});
