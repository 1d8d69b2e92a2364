/**
 * Which type each tensor of a file gets when the file is quantised: by llama-quantize's rules (`llama_tensor_get_type`
 * of llama.cpp), as far as they are about types that grafo writes and no importance matrix is at hand.
 */
import { typeOfName } from './types.ts';

export interface Mixture {
  /** As a user writes it: 'Q4_K_M'. */
  readonly name: string;
  /** The type of most matrices. */
  readonly type: string;
  /** `general.file_type`: a label that readers show. */
  readonly fileType: number;
}

/** What `grafo quantize` makes, in the order its help lists them. */
export const mixtures: readonly Mixture[] = [
  { name: 'Q8_0', type: 'q8_0', fileType: 7 },
  { name: 'Q6_K', type: 'q6_k', fileType: 18 },
  { name: 'Q5_K_M', type: 'q5_k', fileType: 17 },
  { name: 'Q5_K_S', type: 'q5_k', fileType: 16 },
  { name: 'Q5_1', type: 'q5_1', fileType: 9 },
  { name: 'Q5_0', type: 'q5_0', fileType: 8 },
  { name: 'Q4_K_M', type: 'q4_k', fileType: 15 },
  { name: 'Q4_K_S', type: 'q4_k', fileType: 14 },
  { name: 'Q4_1', type: 'q4_1', fileType: 3 },
  { name: 'Q4_0', type: 'q4_0', fileType: 2 },
  { name: 'BF16', type: 'bf16', fileType: 32 },
  { name: 'F16', type: 'f16', fileType: 1 },
  { name: 'F32', type: 'f32', fileType: 0 },
];

/** The mixture of this name in any case; Q4_K and Q5_K are short for the medium ones. */
export const findMixture = (name: string): Mixture | undefined => {
  const upper = name.toUpperCase();
  return mixtures.find((m) => m.name === upper || (m.name === `${upper}_M` && upper.endsWith('_K')));
};

interface TensorShape {
  readonly name: string;
  readonly type: string;
  /** Outermost axis first. */
  readonly shape: readonly number[];
}

/** What takes the place of a type whose blocks do not fit a row. */
const forShortRows: Readonly<Record<string, string>> = { q4_k: 'q5_0', q5_k: 'q5_1', q6_k: 'q8_0' };

const blockSize = (type: string): number => typeOfName(type)?.blockSize ?? 1;

const fits = (type: string, nIn: number): boolean => nIn % blockSize(type) === 0;

const thatFits = (type: string, nIn: number): string => {
  if (fits(type, nIn)) return type;
  const other = forShortRows[type];
  return other !== undefined && fits(other, nIn) ? other : 'f16';
};

/** Norms, routers and everything that is no matrix keep what they have. */
const isQuantised = ({ name, shape }: TensorShape): boolean =>
  shape.filter((n) => n > 1).length >= 2 &&
  name.endsWith('weight') &&
  !name.includes('_norm.weight') &&
  !name.includes('ffn_gate_inp.weight');

/** The layers whose values and down projections medium mixtures give more bits: an eighth at each end, and every third. */
const getsMore = (i: number, n: number): boolean => {
  const eighth = Math.floor(n / 8);
  return i < eighth || i >= Math.floor((7 * n) / 8) || (i - eighth) % 3 === 2;
};

/** The i-th of all tensors of its kind, in the order of the file. */
interface Place {
  readonly i: number;
  readonly n: number;
}

const valuesType = ({ name, type }: Mixture, { i, n }: Place): string => {
  if (name.endsWith('_K_M')) return getsMore(i, n) ? 'q6_k' : type;
  return name === 'Q4_K_S' && i < 4 ? 'q5_k' : type;
};

const downType = ({ name, type }: Mixture, { i, n }: Place): string => {
  if (name.endsWith('_K_M')) return getsMore(i, n) ? 'q6_k' : type;
  return name === 'Q4_K_S' && i < Math.floor(n / 8) ? 'q5_k' : type;
};

const outputType = (type: string, nIn: number): string => (type === 'q8_0' || !fits('q6_k', nIn) ? 'q8_0' : 'q6_k');

const isPlain = (type: string): boolean => blockSize(type) === 1;

/**
 * The type of every tensor, by name.
 * @param isPure whether all matrices get the one type
 */
export const typesOf = (
  tensors: readonly TensorShape[],
  mixture: Mixture,
  { isPure, nExpert }: { readonly isPure: boolean; readonly nExpert: number },
): ReadonlyMap<string, string> => {
  const ofKind = (part: RegExp) => tensors.filter(({ name }) => part.test(name)).map(({ name }) => name);
  const values = ofKind(/attn_(v|qkv|kv_b)\.weight/);
  const downs = ofKind(/ffn_down/);
  const isTied = !tensors.some(({ name }) => name === 'output.weight');
  const chosen = (name: string, nIn: number): string => {
    if (isPure || isPlain(mixture.type)) return mixture.type;
    if (name === 'output.weight' || (isTied && name === 'token_embd.weight')) return outputType(mixture.type, nIn);
    if (values.includes(name)) {
      // Eight experts share one small matrix: full precision costs next to nothing.
      return nExpert === 8 ? 'q8_0' : valuesType(mixture, { i: values.indexOf(name), n: values.length });
    }
    if (nExpert === 8 && name.includes('attn_k.weight')) return 'q8_0';
    if (!downs.includes(name)) return mixture.type;
    const layer = Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? 0);
    const place = { i: nExpert > 1 ? layer : downs.indexOf(name), n: downs.length };
    return downType(mixture, place);
  };
  return new Map(
    tensors.map((tensor) => {
      const nIn = tensor.shape.at(-1) ?? 1;
      return [tensor.name, isQuantised(tensor) ? thatFits(chosen(tensor.name, nIn), nIn) : tensor.type];
    }),
  );
};
