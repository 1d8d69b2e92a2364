/** What a graph is lowered for. Blocks and ops never see it; the emitter and the fusions choose by it. */

/** ONNX Runtime's execution providers. */
export type Provider = 'cpu' | 'cuda' | 'webgpu' | 'dml' | 'coreml';

/**
 * How weights are multiplied.
 * f32: widened, float32 arithmetic; the yardstick. block: 4- and 8-bit blocks as the file has them, or nearly (pairs.ts).
 * int8: rounded to 8 bits, one scale for each output and one for each row of activations; block where a target has no
 * such kernel.
 */
export type Compute = 'f32' | 'block' | 'int8';

export interface Target {
  readonly provider: Provider;
  readonly compute: Compute;
  /** Whether activations, caches and weights that are no integers are float16 instead of float32. */
  readonly halves?: boolean;
  /** Whether products are of few rows, as those of a text that is written word by word: they take other forms of int8. */
  readonly fewRows?: boolean;
  /** Whether kernels for whole patterns may be used; the plain form must give the same values. */
  readonly fused: boolean;
}

const everywhere = [
  'MatMulNBits',
  'GatherBlockQuantized',
  'GroupQueryAttention',
  'MultiHeadAttention',
  'QuickGelu',
  'SimplifiedLayerNormalization',
  'SkipSimplifiedLayerNormalization',
];

/** Kernels beyond the ONNX standard, by provider; CoreML leaves what it lacks to the CPU's. */
const kernels: Readonly<Record<Provider, ReadonlySet<string>>> = {
  cpu: new Set([...everywhere, 'DynamicQuantizeMatMul', 'FusedMatMul', 'RotaryEmbedding']),
  coreml: new Set([...everywhere, 'FusedMatMul']),
  cuda: new Set([...everywhere, 'FusedMatMul']),
  webgpu: new Set(everywhere),
  dml: new Set(everywhere),
};

/** Kernels that take quantised weights: they stand for no pattern, so fused or not does not matter to them. */
const blockKernels: ReadonlySet<string> = new Set(['MatMulNBits', 'GatherBlockQuantized', 'DynamicQuantizeMatMul']);

/** Whether the target has a kernel of this name and may use it. */
export const hasKernel = (target: Target, name: string): boolean =>
  kernels[target.provider].has(name) && (target.fused || blockKernels.has(name));

/**
 * MatMulNBits' accuracy_level: 4 rounds activations to int8 per block, as llama.cpp's kernels do, and is the fast
 * form on CPUs; GPUs gain nothing from it and compute in float.
 */
export const accuracyLevel = (target: Target): number =>
  target.provider === 'cpu' || target.provider === 'coreml' ? 4 : 0;

/**
 * Whether a table of 16-bit floats can be read on the target: to WebGPU they are a feature that an adapter may lack,
 * bfloat16 is known to the CPU and to CUDA alone.
 */
export const readsHalves = ({ provider }: Target, type: 'f16' | 'bf16'): boolean =>
  type === 'f16' ? provider !== 'webgpu' : provider === 'cpu' || provider === 'coreml' || provider === 'cuda';
