/** `--messages`: a conversation from a file, as chat programs and their interfaces write it. */
import { UserError } from '../errors.ts';
import type { ChatMessage } from '../io/text/chat.ts';
import { readText } from './text-file.ts';

const ROLES: readonly ChatMessage['role'][] = ['system', 'user', 'assistant'];

/**
 * The messages of a file: a JSON list of `{ "role", "content" }`.
 * @throws UserError 'file' where it cannot be read, 'usage' naming the message that is none
 */
export const readMessages = async (path: string): Promise<readonly ChatMessage[]> => {
  const list = parse(path, await readText(path));
  if (!Array.isArray(list) || list.length === 0)
    throw new UserError('usage', `'${path}' is no list of messages`, 'like [{"role":"user","content":"Hello"}]');
  return list.map((value: unknown, i) => {
    const message = readMessage(value);
    if (message) return message;
    throw new UserError(
      'usage',
      `message ${i + 1} of '${path}' has no "role" of ${ROLES.join(', ')} with a text as its "content"`,
    );
  });
};

const parse = (path: string, json: string): unknown => {
  try {
    return JSON.parse(json);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UserError('usage', `'${path}' is no JSON: ${error.message}`);
  }
};

const readMessage = (value: unknown): ChatMessage | undefined => {
  if (typeof value !== 'object' || value === null || !('role' in value) || !('content' in value)) return undefined;
  const role = ROLES.find((name) => name === value.role);
  return role && typeof value.content === 'string' ? { role, content: value.content } : undefined;
};
