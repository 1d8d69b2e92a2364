/** Text from outside on a drawn screen: what would move the cursor or change the terminal has no effect there. */

/**
 * Text of which only line breaks are left of all control characters; tabs become spaces, since their width depends on
 * where they stand.
 */
export const printable = (text: string): string =>
  text
    .replace(/\r\n?/g, '\n')
    .replaceAll('\t', '    ')
    .replace(/(?!\n)\p{Cc}/gu, '');
