/**
 * What the runtime says of a failure, in words for a person: without source files, function names and status codes.
 * Dawn ends its sentences after 'was false.', other parts after the last 'Message:' or ' : '.
 */
export const runtimeCause = (message: string): string => {
  const line = message.split('\n')[0] ?? '';
  const cut = [/ was false\. (.+)$/, /Status Message: (.+)$/, /^OrtSession\w+: (.+)$/]
    .map((pattern) => pattern.exec(line)?.[1])
    .find((text) => text !== undefined);
  const text = (cut ?? line).trim();
  return text === 'Failed to load shared library' ? 'its libraries are not installed' : text;
};
