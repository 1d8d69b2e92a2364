/** An image as rows of 8-bit colours. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** `[height, width, 3]`, red first. */
  readonly data: Uint8Array;
}

/** Red, green, blue. */
export const CHANNELS = 3;
