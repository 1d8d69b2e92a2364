/** Times as the formats spell them; all are milliseconds. */

const digits = (n: number, width: number): string => String(n).padStart(width, '0');

/** '01:02:03.040', with a comma for SRT; hours may exceed two digits. */
export const clock = (ms: number, mark: '.' | ','): string => {
  const t = Math.max(0, Math.round(ms));
  const hours = digits(Math.floor(t / 3_600_000), 2);
  const minutes = digits(Math.floor(t / 60_000) % 60, 2);
  const seconds = digits(Math.floor(t / 1000) % 60, 2);
  return `${hours}:${minutes}:${seconds}${mark}${digits(t % 1000, 3)}`;
};

/** '62:03.04' for lyrics: minutes may exceed 59. */
export const lyricsClock = (ms: number): string => {
  const t = Math.max(0, Math.round(ms / 10));
  return `${digits(Math.floor(t / 6000), 2)}:${digits(Math.floor(t / 100) % 60, 2)}.${digits(t % 100, 2)}`;
};
