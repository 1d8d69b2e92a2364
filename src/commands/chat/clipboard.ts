/** The terminal's clipboard, which is the person's own even over ssh. */

/** What sets the clipboard (OSC 52); terminals that do not know it ignore it. */
export const clipboardSequence = (text: string): string => `\x1b]52;c;${Buffer.from(text).toString('base64')}\x07`;
