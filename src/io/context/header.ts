/** The header of a context file, checked field by field: nothing that a file says is trusted. */
import { isMessages } from '../text/messages.ts';
import type { ContextHeader } from './file.ts';

/** The header that a JSON text is; undefined for anything else. */
export const parseHeader = (json: string): ContextHeader | undefined => {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { model, tokens, messages, states } = value;
  if (!isRecord(model) || !isMessages(messages)) return undefined;
  const { name, content, form } = model;
  if (typeof name !== 'string' || typeof content !== 'string' || typeof form !== 'string') return undefined;
  if (!Array.isArray(tokens) || !tokens.every(isCount)) return undefined;
  if (!Array.isArray(states) || !states.every(isState)) return undefined;
  return { model: { name, content, form }, tokens, messages, states };
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

const isState = (value: unknown): value is ContextHeader['states'][number] =>
  isRecord(value) && typeof value.name === 'string' && isCount(value.byteLength);
