/** Devices as a user names them, and the pure choice among them. */
import { UserError } from '../../errors.ts';
import type { Provider, Target } from '../lower/target.ts';

export type DeviceState =
  | { readonly kind: 'available' }
  /** The runtime has the provider, but it does not start here. */
  | { readonly kind: 'failing'; readonly why: string }
  /** The runtime has no such provider on this platform. */
  | { readonly kind: 'absent' };

export interface Device {
  readonly provider: Provider;
  /** Which of several cards; 0 is the first. */
  readonly index: number;
  /** What a person calls it: 'AMD EPYC, 2 cores'. */
  readonly name: string;
  readonly state: DeviceState;
  /** A processor that stands in for a graphics card. */
  readonly isSoftware?: boolean;
  /** Whether it computes in float16. */
  readonly hasHalves?: boolean;
  /** Memory for weights and caches, if known. */
  readonly memoryBytes?: number;
}

/** What `--device` asks for. */
export type Wish =
  | { readonly kind: 'auto' }
  | { readonly kind: 'named'; readonly provider: Provider; readonly index: number };

/** The kinds of devices, in the order they are listed. */
export const providers: readonly Provider[] = ['cpu', 'cuda', 'webgpu', 'dml', 'coreml'];

/** 'auto', 'cpu', 'cuda:1', ...; 'none' is the CPU. Throws a UserError for anything else. */
export const parseWish = (text: string): Wish => {
  if (text === 'auto') return { kind: 'auto' };
  if (text === 'none') return { kind: 'named', provider: 'cpu', index: 0 };
  const [, name, index] = /^([a-z]+)(?::(\d+))?$/.exec(text) ?? [];
  const provider = providers.find((p) => p === name);
  const indexed = provider !== 'cpu' && provider !== 'coreml';
  if (!provider || (index !== undefined && !indexed))
    throw new UserError(
      'usage',
      `unknown device '${text}'`,
      `devices are auto, ${providers.join(', ')}, and cuda:1, dml:1 for a second card`,
    );
  return { kind: 'named', provider, index: Number(index ?? 0) };
};

/** 'cpu', 'cuda:1'. */
export const deviceId = ({ provider, index }: Pick<Device, 'provider' | 'index'>): string =>
  index === 0 ? provider : `${provider}:${index}`;

/** In the order in which `auto` likes them. */
const preference: readonly Provider[] = ['cuda', 'coreml', 'dml', 'webgpu', 'cpu'];

/**
 * The device to run on and why, in words for a person.
 * @param needBytes weights and caches together
 * @throws UserError 'device' when a named device cannot run; 'auto' always finds the CPU
 */
export const chooseDevice = (
  all: readonly Device[],
  wish: Wish,
  needBytes: number,
): { readonly device: Device; readonly why: string } => {
  if (wish.kind === 'named') {
    const device = all.find((d) => d.provider === wish.provider && d.index === wish.index);
    if (device?.state.kind === 'available') return { device, why: 'as asked' };
    const id = deviceId(wish);
    const hint = '--list-devices shows what this machine has';
    if (device?.state.kind === 'failing')
      throw new UserError('device', `device '${id}' does not start: ${device.state.why}`, hint);
    throw new UserError('device', `device '${id}' does not exist on this platform`, hint);
  }
  const passedOver: string[] = [];
  const candidates = [...all].sort((a, b) => preference.indexOf(a.provider) - preference.indexOf(b.provider));
  for (const device of candidates) {
    const fits = device.memoryBytes === undefined || device.memoryBytes >= needBytes;
    if (device.state.kind === 'available' && (fits || device.provider === 'cpu')) {
      const why = passedOver.length > 0 ? passedOver.join('; ') : 'the fastest here';
      return { device, why: device.provider === 'cpu' && passedOver.length === 0 ? 'no other device here' : why };
    }
    if (device.state.kind === 'failing') passedOver.push(`${deviceId(device)} does not start: ${device.state.why}`);
    else if (device.state.kind === 'available') passedOver.push(`${deviceId(device)} has too little memory`);
  }
  throw new UserError('device', 'no device is available');
};

/**
 * Whether the fused kernel may be used for attention among many tokens at once: ONNX Runtime's for WebGPU shares values
 * within subgroups from 32 tokens on, and silently goes wrong where these are as narrow as a software renderer's.
 */
export const attendsWidely = ({ isSoftware = false }: Device): boolean => !isSoftware;

/**
 * Whether the likeliest tokens are best found by the device: where memory is not the processor's, and sorting by
 * workgroups, which a software renderer does value by value, takes less than fetching every logit.
 */
export const picksBest = ({ provider, isSoftware = false }: Device): boolean =>
  (provider === 'webgpu' || provider === 'cuda' || provider === 'dml') && !isSoftware;

/** What is computed between weights; 'auto' is float16 where the device has it and nobody asks for exact arithmetic. */
export type Activations = 'auto' | 'f32' | 'f16';

/**
 * What graphs are lowered for on a device.
 * @throws UserError 'device' where float16 is asked for and the device has none
 */
export const targetOn = (
  device: Device,
  o: Pick<Target, 'compute' | 'fewRows' | 'fused'> & { readonly activations: Activations },
): Target => {
  const { compute, fewRows, fused, activations } = o;
  const { provider, hasHalves = false } = device;
  if (activations === 'f16' && !hasHalves)
    throw new UserError('device', `device '${deviceId(device)}' does not compute in float16`, 'use f32, or auto');
  const halves = activations === 'f16' || (activations === 'auto' && hasHalves && compute !== 'f32');
  return { provider, compute, fused, ...(fewRows && { fewRows }), ...(halves && { halves }) };
};
