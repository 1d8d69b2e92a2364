/** `grafo deepseek`: writes text with DeepSeek's models, from the first to R1 and what was distilled from it. */
import { command } from './command.ts';
import { llamaOptions } from './text/options.ts';

/** `grafo deepseek`. */
export const deepseekCommand = command({
  options: llamaOptions,
  examples: [
    ['grafo deepseek -m r1.gguf', 'chat; thoughts are dim'],
    ['grafo deepseek -m r1.gguf -p "Is 91 prime?" -st --thinking hide', 'only the answer'],
    ['grafo deepseek -m r1.gguf -p "Is 91 prime?" --json | jq .reasoning', 'only the thoughts, for programs'],
    ['grafo deepseek -m r1.gguf --reasoning-budget 200', 'think for 200 tokens at most'],
    ['grafo deepseek -m v2.gguf --mla expand', 'keys and values of every head in the cache'],
    ['grafo deepseek -m v2.gguf --override-kv deepseek2.expert_used_count=int:4', 'fewer experts'],
  ],
  run: async (flags) => (await import('./text/run.ts')).runText(flags, 'deepseek'),
});
