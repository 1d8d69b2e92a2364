/** The header of a context file, checked field by field: nothing that a file says is trusted. */
import { isObject, parsedJson } from '../json.ts';
import { isMessages } from '../text/messages.ts';
import type { ContextHeader } from './file.ts';

/** The header that a JSON text is; undefined for anything else. */
export const parseHeader = (json: string): ContextHeader | undefined => {
  const value = parsedJson(json);
  if (!isObject(value)) return undefined;
  const { model, tokens, messages, states } = value;
  if (!isObject(model) || !isMessages(messages)) return undefined;
  const { name, content, form } = model;
  if (typeof name !== 'string' || typeof content !== 'string' || typeof form !== 'string') return undefined;
  if (!Array.isArray(tokens) || !tokens.every(isCount)) return undefined;
  if (!Array.isArray(states) || !states.every(isState)) return undefined;
  return { model: { name, content, form }, tokens, messages, states };
};

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

const isState = (value: unknown): value is ContextHeader['states'][number] =>
  isObject(value) && typeof value.name === 'string' && isCount(value.byteLength);
