import type { SpecialTokens } from './special-tokens.ts';
import type { SpeechModel } from './speech-model.ts';
import { probabilities } from './token-rules.ts';

/** What is spoken in the window that the model has heard: probabilities by code, the likeliest first. */
export const detectLanguage = async (
  model: Pick<SpeechModel, 'step'>,
  t: SpecialTokens,
): Promise<readonly (readonly [code: string, p: number])[]> => {
  const [logits] = await model.step([[t.startOfTranscript]], 0, [0]);
  if (!logits) throw new Error('the model gave no logits');
  const byId = probabilities(logits, t.languages.values());
  return [...t.languages].map(([code, id]) => [code, byId.get(id) ?? 0] as const).sort((a, b) => b[1] - a[1]);
};
