/** Whether the processor's products of 8-bit integers are right: the one question that its kernels leave open. */

import { GraphBuilder } from '../builder.ts';
import { lower } from '../lower/lower.ts';
import { withWeights } from '../lower/onnx-embed.ts';
import { linear } from '../ops/matmul.ts';
import { constantMatrix } from './constant-matrix.ts';
import { InferenceSession, Tensor } from './runtime.ts';

const [N_IN, N_OUT] = [64, 16];

/**
 * Asked by the largest product there is. x86 without VNNI adds two products in 16 bits, which these overflow (the notes
 * on `session.x64quantprecision` in ONNX Runtime's onnxruntime_session_options_config_keys.h).
 * @param isPrecise whether the runtime is to take its slower kernels there, which have no such limit
 */
export const multipliesInt8 = async (isPrecise = false): Promise<boolean> => {
  const g = new GraphBuilder('int8');
  // In 8 bits every weight of a matrix of ones is the largest.
  const weight = constantMatrix('w', [N_OUT, N_IN], 1);
  g.output('y', linear(g, g.input('x', 'f32', [1, N_IN]), { weight }));
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
