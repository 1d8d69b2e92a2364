/** The stages of a graph on its way to a device: ours, lowered to ONNX, and as ONNX Runtime loads it. */
import { UserError } from '../../errors.ts';
import { optimised } from '../../graph/device/optimise.ts';
import { lower } from '../../graph/lower/lower.ts';
import { MOST_BYTES, withWeights } from '../../graph/lower/onnx-embed.ts';
import { readOnnx } from '../../graph/lower/onnx-read.ts';
import { viewOfOnnx } from '../../graph/print/onnx-view.ts';
import type { View } from '../../graph/print/view.ts';
import { viewOf } from '../../graph/print/view.ts';
import type { ChosenGraph } from './model.ts';
import type { GraphFlags } from './options.ts';

type StageFlags = Pick<GraphFlags, 'stage' | 'flash-attn' | 'compute'> & Partial<Pick<GraphFlags, 'with-weights'>>;

/** Positions of a cache whose size nobody gave: what is lowered needs one. */
const DEFAULT_CTX = 4096;

/**
 * The ONNX model of a graph; its weights are in no file unless they are asked for.
 * @throws UserError 'usage' or 'capacity' for weights that no single file can have
 */
export const onnxOf = async ({ graph, sizes }: ChosenGraph, flags: StageFlags): Promise<Uint8Array> => {
  const target = { provider: 'cpu', compute: flags.compute, fused: flags['flash-attn'] !== 'off' } as const;
  const program = lower(graph, target, { nCtx: sizes.nCtx ?? DEFAULT_CTX, B: sizes.B ?? 1 });
  if (!flags['with-weights']) return flags.stage === 'optimized' ? optimised(program) : program.onnx;
  if (flags.stage === 'optimized') throw new UserError('usage', '--with-weights and --stage optimized', 'choose one');
  if (program.weightBytes > MOST_BYTES)
    throw new UserError('capacity', `${program.weightBytes} bytes of weights are more than an ONNX file can have`);
  return withWeights(program);
};

/** The graph at the stage that the flags name, all of it. */
export const viewAtStage = async (chosen: ChosenGraph, flags: StageFlags): Promise<View> =>
  flags.stage === 'graph'
    ? viewOf(chosen.graph, chosen.sizes)
    : viewOfOnnx(readOnnx(await onnxOf(chosen, flags)), chosen.graph, chosen.sizes);
