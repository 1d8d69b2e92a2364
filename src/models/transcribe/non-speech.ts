/** Words that stand for no speech: brackets, notes and the like (openai/whisper's `non_speech_tokens`). */

const symbols = [
  ...'"#()*+/:;<=>@[\\]^_`{|}~「」『』'.split(''),
  ...'<< >> <<< >>> -- --- -( -[ (\' (" (( )) ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪ ♩ ♪ ♫ ♬ ♭ ♮ ♯'.split(' '),
];

/** Their ids, alone and after a space; hyphens and quotes only where they begin a word. */
export const nonSpeechWords = (idOf: (text: string) => number | undefined): number[] =>
  [...symbols.flatMap((symbol) => [symbol, ` ${symbol}`]), ' -', " '"].flatMap((text) => idOf(text) ?? []);
