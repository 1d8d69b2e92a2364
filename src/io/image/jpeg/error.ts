/** What a damaged JPEG file has or lacks. */
export class JpegError extends Error {
  constructor(what: string) {
    super(`its JPEG data are damaged: ${what}`);
    this.name = 'JpegError';
  }
}
