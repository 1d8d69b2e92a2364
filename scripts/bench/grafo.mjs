/** grafo as its users get it: a file on disk, the engine in its worker, prompts in runs of the default length. */
import { openText, withGguf } from '../../dist/commands/open.js';
import { familiesOf } from '../../dist/models/index.js';
import { CONTEXT } from './measure.mjs';

export const openGrafo = async (file, threads, mla = 'auto', notice = () => {}) => {
  const [family] = await withGguf(file, async ({ metadata }) =>
    familiesOf(metadata, metadata.get('general.architecture')),
  );
  const { decoder, close } = await openText(file, {
    family,
    mla,
    expertStats: false,
    speculation: { kind: 'none' },
    overrides: new Map(),
    rope: {},
    adapters: [],
    wish: { kind: 'named', provider: 'cpu', index: 0 },
    strictDevice: false,
    threads,
    compute: 'auto',
    activations: 'auto',
    fused: true,
    nCtx: CONTEXT,
    cache: true,
    notice,
    detail() {},
  });
  return { ...growing(decoder), close };
};

/** A decoder with the one context that `measure` speaks of. */
export const growing = (decoder) => {
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
  };
};

const likeliest = (logits) => {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
  return best;
};
