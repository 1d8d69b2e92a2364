/** transformers.js, which is no dependency: it is taken from the folder where somebody installed it. */
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** @param model folder of an export  @param dtype 'fp32' or 'q8' */
const load = async (className, { folder, model, dtype, threads }) => {
  const home = join(resolve(folder), 'node_modules', '@huggingface', 'transformers');
  const library = await import(pathToFileURL(join(home, 'dist', 'transformers.node.mjs')).href);
  library.env.allowRemoteModels = false;
  const loaded = await library[className].from_pretrained(resolve(model), {
    dtype,
    device: 'cpu',
    session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
  });
  return { library, loaded };
};

export const openTransformersImages = async (options) => {
  const { library, loaded } = await load('AutoModelForImageClassification', options);
  return {
    async classify(images, nImage) {
      const dims = [nImage, 3, options.imageSize, options.imageSize];
      const { logits } = await loaded({ pixel_values: new library.Tensor('float32', images, dims) });
      return logits.data.subarray(0, logits.data.length / nImage);
    },
    close: () => loaded.dispose(),
  };
};

/** The token that hearing ends with. */
const FIRST = 0;

/** The decoder's keys and values of what was heard are computed with its first token: so hearing ends with one. */
export const openTransformersSpeech = async (options) => {
  const { library, loaded } = await load('AutoModelForSpeechSeq2Seq', options);
  const { max_source_positions: nAudio, num_mel_bins: nMels } = loaded.config;
  let encoder_outputs;
  let past_key_values;
  const step = async (token) => {
    const decoder_input_ids = new library.Tensor('int64', BigInt64Array.of(BigInt(token)), [1, 1]);
    const { logits, ...present } = await loaded({ encoder_outputs, decoder_input_ids, past_key_values });
    const before = past_key_values;
    past_key_values = Object.fromEntries(
      Object.entries(present).map(([name, value]) => {
        const past = name.replace('present', 'past_key_values');
        // The graph gives keys and values of what was heard once, and afterwards nothing in their place.
        return [past, name.includes('encoder') ? (before?.[past] ?? value) : value];
      }),
    );
    return logits.data;
  };
  return {
    async hear(mel) {
      const input_features = new library.Tensor('float32', mel, [1, nMels, 2 * nAudio]).ort_tensor;
      const { last_hidden_state } = await loaded.sessions.model.run({ input_features });
      encoder_outputs = new library.Tensor(last_hidden_state);
      past_key_values = undefined;
      await step(FIRST);
    },
    step,
    close: () => loaded.dispose(),
  };
};
