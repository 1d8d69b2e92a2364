/** The plainest FLAC file there is, for tests: frames that hold samples as they are. */

const BLOCK = 4096;

/** 16-bit samples of one channel at 16 kHz. */
export const plainFlac = (samples: Int16Array): Buffer => {
  const info = Buffer.alloc(34);
  info.writeUInt16BE(BLOCK, 0);
  info.writeUInt16BE(BLOCK, 2);
  // 20 bits of rate, 3 of channels - 1, 5 of bits - 1, 36 of length.
  info.writeBigUInt64BE((16_000n << 44n) | (15n << 36n) | BigInt(samples.length), 10);
  const frames: Buffer[] = [];
  for (let at = 0; at < samples.length; at += BLOCK) frames.push(frame(at / BLOCK, samples.subarray(at, at + BLOCK)));
  return Buffer.concat([Buffer.from('fLaC'), Buffer.of(0x80, 0, 0, info.length), info, ...frames]);
};

const frame = (number: number, samples: Int16Array): Buffer => {
  if (number > 127) throw new Error('a longer number takes several bytes');
  // Sync; the size of the block in 16 bits behind the number, 16 kHz; one channel of 16 bits.
  const header = Buffer.of(0xff, 0xf8, 0x75, 0x08, number, (samples.length - 1) >> 8, (samples.length - 1) & 0xff);
  const values = Buffer.alloc(2 * samples.length);
  samples.forEach((value, i) => void values.writeInt16BE(value, 2 * i));
  const whole = Buffer.concat([header, Buffer.of(crc(header, 8, 0x07), 0x02), values]);
  const check = Buffer.alloc(2);
  check.writeUInt16BE(crc(whole, 16, 0x8005));
  return Buffer.concat([whole, check]);
};

const crc = (bytes: Buffer, width: number, polynomial: number): number => {
  const [top, mask] = [1 << (width - 1), 2 ** width - 1];
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << (width - 8);
    for (let i = 0; i < 8; i++) sum = ((sum & top) === 0 ? sum << 1 : (sum << 1) ^ polynomial) & mask;
  }
  return sum;
};
