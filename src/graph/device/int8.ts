/** Whether the processor's products of 8-bit integers are right: the one question that its kernels leave open. */

import { GraphBuilder } from '../builder.ts';
import { lower } from '../lower/lower.ts';
import { withWeights } from '../lower/onnx-embed.ts';
import { linear } from '../ops/matmul.ts';
import type { StoredTensor } from '../weights.ts';
import { Weights } from '../weights.ts';
import { InferenceSession, Tensor } from './runtime.ts';

const [N_IN, N_OUT] = [64, 16];

/**
 * Asked by the largest product there is. x86 without VNNI adds two products in 16 bits, which these overflow (the notes
 * on `session.x64quantprecision` in ONNX Runtime's onnxruntime_session_options_config_keys.h).
 * @param isPrecise whether the runtime is to take its slower kernels there, which have no such limit
 */
export const multipliesInt8 = async (isPrecise = false): Promise<boolean> => {
  const g = new GraphBuilder('int8');
  g.output('y', linear(g, g.input('x', 'f32', [1, N_IN]), { weight: largest('w', [N_OUT, N_IN]) }));
  const model = await withWeights(lower(g.build(), { provider: 'cpu', compute: 'int8', fused: true }, {}));
  const session = await InferenceSession.create(model, {
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
    extra: { session: preciseInt8(isPrecise) },
  });
  try {
    const { y } = await session.run({ x: new Tensor('float32', new Float32Array(N_IN).fill(1), [1, N_IN]) });
    return y !== undefined && (y.data as Float32Array).every((sum) => Math.abs(sum / N_IN - 1) < 1e-3);
  } finally {
    await session.release();
  }
};

/** The session's option that asks for these kernels. */
export const preciseInt8 = (isPrecise: boolean) => ({ ...(isPrecise && { x64quantprecision: '1' }) });

/** A matrix of ones: in 8 bits every weight is the largest. */
const largest = (name: string, shape: readonly [number, number]) => {
  const values = new Float32Array(shape[0] * shape[1]).fill(1);
  const stored: StoredTensor = {
    name,
    type: 'f32',
    shape,
    byteLength: values.byteLength,
    read: async () => new Uint8Array(values.buffer),
    decode: async (rows = { from: 0, to: shape[0] }) => values.slice(rows.from * shape[1], rows.to * shape[1]),
  };
  return new Weights({ metadata: new Map(), tensors: new Map([[name, stored]]) }).tensor(name, shape);
};
