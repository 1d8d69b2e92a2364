/** Where and how a model runs, as the flags that all commands share say it. */
import type { Activations, Wish } from '../graph/device/device.ts';
import type { Progress } from '../graph/device/files.ts';
import type { Compute } from '../graph/lower/target.ts';
import type { Parsed } from './command.ts';
import type { deviceOptions } from './options.ts';
import { physicalCores } from './options.ts';

export interface PlacementOptions {
  readonly wish: Wish;
  readonly strictDevice: boolean;
  readonly threads: number;
  readonly compute: 'auto' | Compute;
  readonly fused: boolean;
  readonly activations: Activations;
  /** Whether prepared weights are kept for later starts. */
  readonly cache: boolean;
  readonly progress?: Progress;
  /** One line for a person. */
  notice(line: string): void;
}

/** The processor, whatever else there is: what `-ngl 0` and `--no-gpu` ask for. */
export const onProcessor: Wish = { kind: 'named', provider: 'cpu', index: 0 };

/** On the processor by so many threads, all else as commands have it by themselves; nothing is told. */
export const plainPlacement = (threads: number): PlacementOptions => ({
  wish: onProcessor,
  strictDevice: false,
  threads,
  compute: 'auto',
  fused: true,
  activations: 'auto',
  cache: true,
  notice: () => undefined,
});

/** What the flags say of it; notices go to a person. */
export const placementOf = (flags: Parsed<typeof deviceOptions>, notice: (line: string) => void): PlacementOptions => ({
  wish: flags.device,
  strictDevice: flags['strict-device'],
  threads: flags.threads ?? physicalCores(),
  compute: flags.compute,
  activations: flags.activations,
  fused: flags['flash-attn'] !== 'off',
  cache: flags.cache,
  notice,
});
