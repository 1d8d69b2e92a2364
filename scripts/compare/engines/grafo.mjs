/** grafo as its users get it: a file on disk, the engine in its worker, defaults but for what is compared. */
import { archOf } from '../../../dist/commands/family.js';
import { plainPlacement } from '../../../dist/commands/placement.js';
import { asStored, openText, withGguf } from '../../../dist/commands/text/open.js';
import { openImageModel } from '../../../dist/commands/vit/model.js';
import { openSpeech } from '../../../dist/commands/whisper/open.js';
import { familiesOf } from '../../../dist/models/index.js';

export const openGrafoText = async ({ file, threads, nCtx, mla = 'auto', notice = () => undefined }) => {
  const [family] = await withGguf(file, async ({ metadata }) => familiesOf(metadata, archOf(metadata)));
  const { decoder, close } = await openText(file, {
    ...plainPlacement(threads),
    ...asStored,
    notice,
    family,
    mla,
    nCtx,
  });
  let length = 0;
  const append = async (tokens) => {
    const logits = await decoder.last(tokens, length);
    length += tokens.length;
    return logits;
  };
  return {
    clear: async () => {
      length = 0;
    },
    prompt: append,
    step: async (token) => likeliest(await append([token])),
    close,
  };
};

const likeliest = (logits) => {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
  return best;
};

export const openGrafoImages = async ({ file, threads, compute, batches }) => {
  const { classifier, close } = await openImageModel(file, {
    ...plainPlacement(threads),
    compute,
    batchSize: Math.max(...batches),
    looks: false,
  });
  return {
    classify: async (images, nImage) => (await classifier.classify(images, nImage))[0].logits,
    close,
  };
};

/** Texts that are decoded together, as whisper-bench does. */
const BEAMS = 5;

export const openGrafoSpeech = async ({ file, threads, compute }) => {
  const { model, close } = await openSpeech(file, {
    ...plainPlacement(threads),
    compute,
    audioCtx: 0,
    nSequence: BEAMS,
  });
  const step = async (token, position) => (await model.step([[token]], position, [0]))[0];
  return {
    async hear(mel) {
      await model.hear(mel);
      await step(0, 0);
    },
    step,
    beams: (position) =>
      model.step(
        Array.from({ length: BEAMS }, (_, s) => [s + position]),
        position,
        [...new Array(BEAMS).keys()],
      ),
    close,
  };
};
