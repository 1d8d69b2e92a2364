/** Messages from outside: a list of role and content, as chat programs exchange it. */
import type { ChatMessage } from './chat.ts';

/** Whether a JSON value is a list of messages. */
export const isMessages = (value: unknown): value is readonly ChatMessage[] =>
  Array.isArray(value) && value.every(isMessage);

const isMessage = (value: unknown): value is ChatMessage =>
  typeof value === 'object' &&
  value !== null &&
  'role' in value &&
  'content' in value &&
  typeof value.content === 'string' &&
  (value.role === 'system' || value.role === 'user' || value.role === 'assistant');
