/** From a type's number in a tensor header to its record, or to a sentence that names the type and where it comes from. */
import { GGMLQuantizationType } from '@huggingface/gguf';
import { UserError } from '../../errors.ts';
import { quantTypes } from './quants/index.ts';
import type { QuantType } from './quants/quant.ts';

/** Types that ggml once had; their numbers are not used again (ggml.h). */
const REMOVED: Readonly<Record<number, string>> = {
  4: 'Q4_2',
  5: 'Q4_3',
  31: 'Q4_0_4_4',
  32: 'Q4_0_4_8',
  33: 'Q4_0_8_8',
  36: 'IQ4_NL_4_4',
  37: 'IQ4_NL_4_8',
  38: 'IQ4_NL_8_8',
};

/** The numbers ik_llama.cpp uses for its own types, and their names in files (its ggml.h; `_R4`, `_R8` interleave rows). */
const IK_FIRST = 97;
const IK_LAST = 399;
const IK_LLAMA: Readonly<Record<number, string>> = {
  133: 'Q6_0',
  134: 'IQ1_BN',
  135: 'IQ2_BN',
  137: 'IQ2_K',
  138: 'IQ3_K',
  139: 'IQ4_K',
  140: 'IQ5_K',
  141: 'IQ6_K',
  144: 'IQ4_KS',
  145: 'IQ2_KS',
  146: 'IQ4_KSS',
  151: 'Q8_KV',
  152: 'IQ5_KS',
  153: 'IQ2_KT',
  154: 'IQ3_KT',
  155: 'IQ4_KT',
  156: 'IQ3_KS',
  157: 'IQ2_KL',
  158: 'IQ1_KT',
  202: 'Q4_0_R8',
  206: 'Q5_0_R4',
  208: 'Q8_0_R8',
  210: 'Q2_K_R4',
  211: 'Q3_K_R4',
  212: 'Q4_K_R4',
  213: 'Q5_K_R4',
  214: 'Q6_K_R4',
  216: 'IQ2_XXS_R4',
  217: 'IQ2_XS_R4',
  218: 'IQ3_XXS_R4',
  219: 'IQ1_S_R4',
  220: 'IQ4_NL_R4',
  221: 'IQ3_S_R4',
  222: 'IQ2_S_R4',
  223: 'IQ4_XS_R8',
  229: 'IQ1_M_R4',
  230: 'BF16_R16',
  233: 'Q6_0_R4',
  335: 'IQ2_BN_R4',
  337: 'IQ2_K_R4',
  338: 'IQ3_K_R4',
  339: 'IQ4_K_R4',
  340: 'IQ5_K_R4',
  344: 'IQ4_KS_R4',
  352: 'IQ5_KS_R4',
  398: 'Q8_KV_R8',
  399: 'Q8_K_R8',
};

const byId = new Map(quantTypes.map((type) => [type.id, type]));
const byName = new Map(quantTypes.map((type) => [type.name, type]));

const readable = quantTypes.map(({ name }) => name.toUpperCase()).join(', ');

/**
 * The type with this number in the header of `tensor`.
 * @throws UserError 'model' for a type grafo does not read, with its name and, if it is not ggml's, its origin
 */
export const typeOfId = (id: number, tensor: string): QuantType => {
  const type = byId.get(id);
  if (type) return type;
  const requantise = 'take or make a file of another type from the original model';
  if (id >= IK_FIRST && id <= IK_LAST) {
    const name = IK_LLAMA[id];
    throw new UserError(
      'model',
      `tensor '${tensor}': type ${name ? `${id} ${name}` : id} exists only in ik_llama.cpp`,
      requantise,
    );
  }
  const removed = REMOVED[id];
  if (removed) {
    throw new UserError('model', `tensor '${tensor}': type ${id} ${removed} was removed from ggml`, requantise);
  }
  const name: string | undefined = GGMLQuantizationType[id];
  if (name) {
    throw new UserError(
      'model',
      `tensor '${tensor}' has type ${name}, which is not supported yet; read are ${readable}`,
    );
  }
  throw new UserError('model', `tensor '${tensor}' has type ${id}, which ggml does not know; read are ${readable}`);
};

/** The type of this name, 'q4_0'; undefined where grafo has none. */
export const typeOfName = (name: string): QuantType | undefined => byName.get(name);
