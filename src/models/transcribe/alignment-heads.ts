/** The cross-attention heads that follow the sound, as OpenAI published them for its models. */

/** A head of the decoder, both counted from 0. */
export interface Head {
  readonly layer: number;
  readonly head: number;
}

/** By whisper.cpp's names of the models; 'layer,head' each. */
const published: Readonly<Record<string, string>> = {
  'tiny.en': '1,0 2,0 2,5 3,0 3,1 3,2 3,3 3,4',
  tiny: '2,2 3,0 3,2 3,3 3,4 3,5',
  'base.en': '3,3 4,7 5,1 5,5 5,7',
  base: '3,1 4,2 4,3 4,7 5,1 5,2 5,4 5,6',
  'small.en': '6,6 7,0 7,3 7,8 8,2 8,5 8,7 9,0 9,4 9,8 9,10 10,0 10,1 10,2 10,3 10,6 10,11 11,2 11,4',
  small: '5,3 5,9 8,0 8,4 8,7 8,8 9,0 9,7 9,9 10,5',
  'medium.en': '11,4 14,1 14,12 14,14 15,4 16,0 16,4 16,9 17,12 17,14 18,7 18,10 18,15 20,0 20,3 20,9 20,14 21,12',
  medium: '13,15 15,4 15,15 16,1 20,0 23,4',
  'large.v1': '9,19 11,2 11,4 11,17 22,7 22,11 22,17 23,2 23,15',
  'large.v2':
    '10,12 13,17 16,11 16,12 16,13 17,15 17,16 18,4 18,11 18,19 19,11 21,2 21,3 22,3 22,9 22,12 23,5 23,7 23,13 25,5 26,1 26,12 27,15',
  'large.v3': '7,0 10,17 12,18 13,12 16,1 17,14 19,11 21,4 24,1 25,6',
  'large.v3.turbo': '2,4 2,11 3,3 3,6 3,11 3,14',
};

/** The models whose heads are known, as `--dtw` names them. */
export const alignmentPresets: readonly string[] = Object.keys(published);

/** The published heads of a model; undefined for a name nobody knows. */
export const presetHeads = (preset: string): readonly Head[] | undefined =>
  published[preset]?.split(' ').map((pair) => {
    const [layer = 0, head = 0] = pair.split(',').map(Number);
    return { layer, head };
  });

/** What of a model tells which one it is. */
export interface DecoderShape {
  readonly nLayer: number;
  readonly nHead: number;
  readonly nVocab: number;
}

/** The published models: layers and heads of the decoder, words; the English ones have one word less. */
const shapes: readonly (readonly [preset: string, nLayer: number, nHead: number, nVocab: number])[] = [
  ['tiny.en', 4, 6, 51_864],
  ['tiny', 4, 6, 51_865],
  ['base.en', 6, 8, 51_864],
  ['base', 6, 8, 51_865],
  ['small.en', 12, 12, 51_864],
  ['small', 12, 12, 51_865],
  ['medium.en', 24, 16, 51_864],
  ['medium', 24, 16, 51_865],
  // large.v1 has the same shape; v2 is what people have.
  ['large.v2', 32, 20, 51_865],
  ['large.v3', 32, 20, 51_866],
  ['large.v3.turbo', 4, 20, 51_866],
];

/**
 * The heads of a model by its shape: the published ones, or, for a model that nobody has looked into, all heads of the
 * upper half of its layers, as openai/whisper does.
 */
export const headsFor = ({ nLayer, nHead, nVocab }: DecoderShape): readonly Head[] => {
  const known = shapes.find(([, layers, heads, words]) => layers === nLayer && heads === nHead && words === nVocab);
  const heads = known && presetHeads(known[0]);
  if (heads) return heads;
  const lower = Math.floor(nLayer / 2);
  return Array.from({ length: (nLayer - lower) * nHead }, (_, i) => ({
    layer: lower + Math.floor(i / nHead),
    head: i % nHead,
  }));
};
