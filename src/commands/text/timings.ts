/** What a run took, as people and programs read it. */

export interface Timings {
  /** Opening the file, preparing the weights, creating the session. */
  readonly loadMs: number;
  readonly promptTokens: number;
  /** From the prompt's first run to its last logits. */
  readonly promptMs: number;
  /** From the start of the request to the first token chosen. */
  readonly firstTokenMs: number;
  readonly generatedTokens: number;
  /** From the first token chosen to the last. */
  readonly generateMs: number;
}

const rate = (n: number, ms: number): number => (ms > 0 ? (1000 * n) / ms : 0);

/** Tokens after the first: the first one is the prompt's work. */
const steps = (t: Timings): number => Math.max(0, t.generatedTokens - 1);

/** Tokens a second after the first one. */
export const generationRate = (t: Timings): number => rate(steps(t), t.generateMs);

/** `[ Prompt: 123.4 t/s | Generation: 56.7 t/s | first token 12 ms ]` */
export const shortTimings = (t: Timings): string => {
  const parts = [`Prompt: ${rate(t.promptTokens, t.promptMs).toFixed(1)} t/s`];
  if (steps(t) > 0) parts.push(`Generation: ${rate(steps(t), t.generateMs).toFixed(1)} t/s`);
  if (t.generatedTokens > 0) parts.push(`first token ${t.firstTokenMs.toFixed(0)} ms`);
  return `[ ${parts.join(' | ')} ]`;
};

/** llama.cpp's table. */
export const timingsTable = (t: Timings): string => {
  const line = (name: string, ms: number, n?: number, unit?: string): string => {
    const head = `${name.padStart(18)} time = ${ms.toFixed(2).padStart(10)} ms`;
    if (n === undefined || n === 0) return head;
    const each = `${(ms / n).toFixed(2).padStart(8)} ms per token, ${rate(n, ms).toFixed(2).padStart(8)} tokens per second`;
    return `${head} / ${String(n).padStart(5)} ${unit} (${each})`;
  };
  return [
    line('load', t.loadMs),
    line('first token', t.firstTokenMs),
    line('prompt eval', t.promptMs, t.promptTokens, 'tokens'),
    line('eval', t.generateMs, steps(t), 'runs  '),
    line('total', t.loadMs + t.promptMs + t.generateMs, t.promptTokens + t.generatedTokens, 'tokens'),
  ].join('\n');
};

/** Names as in `--json`. */
export const timingsJson = (t: Timings) => ({
  load_ms: t.loadMs,
  prompt_tokens: t.promptTokens,
  prompt_ms: t.promptMs,
  prompt_per_second: rate(t.promptTokens, t.promptMs),
  first_token_ms: t.firstTokenMs,
  generated_tokens: t.generatedTokens,
  generate_ms: t.generateMs,
  generate_per_second: rate(steps(t), t.generateMs),
});
