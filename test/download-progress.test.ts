/** What is told of a download while it goes on. */
import { describe, expect, it } from 'vitest';
import { createMeter } from '../src/commands/download-progress.ts';

const GIB = 2 ** 30;

describe('the progress of a download', () => {
  it('is a bar at first, and speed and time that is left as soon as they are known', () => {
    const meter = createMeter();
    expect(meter(0, 4 * GIB, 0)).toBe('[....................] 0% of 4.0 GiB');
    expect(meter(GIB, 4 * GIB, 10_000)).toBe('[#####...............] 25% of 4.0 GiB');
    expect(meter(1.5 * GIB, 4 * GIB, 12_000)).toBe('[########............] 37% of 4.0 GiB, 256.0 MiB/s, 0:10 left');
  });

  it('forgets how fast it was before, and begins anew when the file does', () => {
    const meter = createMeter();
    meter(0, 100, 0);
    meter(90, 100, 1000);
    expect(meter(91, 100, 7000)).toBe('[##################..] 91% of 100 B');
    expect(meter(10, 100, 7500)).toBe('[##..................] 10% of 100 B');
    expect(meter(20, 100, 8500)).toBe('[####................] 20% of 100 B, 10 B/s, 0:08 left');
  });

  it('gives hours where it takes hours', () => {
    const meter = createMeter();
    meter(0, 10_000, 0);
    expect(meter(1, 10_000, 1000)).toMatch(/ 2:46:39 left$/);
  });
});
