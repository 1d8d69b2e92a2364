/** The device that a run asks for, and the table of all. */
import type { Device, Wish } from '../graph/device/device.ts';
import { chooseDevice, deviceId } from '../graph/device/device.ts';
import { fallbackLine } from '../graph/device/fallbacks.ts';
import { listDevices, listLikelyDevices } from '../graph/device/list.ts';
import type { OnnxSession } from '../graph/device/session.ts';
import { cacheFolder } from './options.ts';
import { write } from './terminal.ts';

/** Starts only what the wish needs to know about. */
export const findDevice = async (wish: Wish, needBytes: number): Promise<{ device: Device; why: string }> => {
  const folder = cacheFolder();
  const all = wish.kind === 'auto' ? await listLikelyDevices(folder) : await listDevices(folder, [wish]);
  return chooseDevice(all, wish, needBytes);
};

const stateText = ({ state }: Device): string => {
  switch (state.kind) {
    case 'available':
      return 'available';
    case 'failing':
      return `present, but does not start: ${state.why}`;
    case 'absent':
      return 'not on this platform';
  }
};

/** Tells once what sessions on a device leave to the processor, if anything. */
export const noticeFallbacks = (
  device: Device,
  sessions: readonly OnnxSession[],
  notice: (line: string) => void,
): void => {
  const line = fallbackLine(
    deviceId(device),
    sessions.flatMap(({ opening }) => opening.fallbacks),
  );
  if (line !== undefined) notice(line);
};

/** The text of `--list-devices`. */
const deviceTable = (devices: readonly Device[]): string =>
  ['Available devices:', ...devices.map((d) => `  ${deviceId(d).padEnd(7)} ${d.name}: ${stateText(d)}`)].join('\n');

/** Prints every device and its state. */
export const printDevices = async (asJson: boolean): Promise<void> => {
  const devices = await listDevices(cacheFolder());
  const plain = devices.map((d) => ({ id: deviceId(d), name: d.name, ...d.state }));
  await write(`${asJson ? JSON.stringify(plain) : deviceTable(devices)}\n`);
};
