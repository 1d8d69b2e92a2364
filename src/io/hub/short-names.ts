/** Names by which whisper.cpp's own download scripts call models, and the files that they stand for. */
import type { HubReference } from './reference.ts';

const SPEECH = 'ggerganov/whisper.cpp';
const VOICE = 'ggml-org/whisper-vad';

const small = (['tiny', 'base', 'small'] as const).flatMap((size) => [
  size,
  `${size}-q5_1`,
  `${size}-q8_0`,
  `${size}.en`,
  `${size}.en-q5_1`,
  `${size}.en-q8_0`,
]);

/** Models of speech by whisper.cpp's names. */
export const speechNames: readonly string[] = [
  ...small,
  ...['medium', 'medium.en', 'large-v2', 'large-v3-turbo'].flatMap((name) => [name, `${name}-q5_0`, `${name}-q8_0`]),
  'large-v1',
  'large-v3',
  'large-v3-q5_0',
];

/** What people type for the newest of its size. */
const aliases: Readonly<Record<string, string>> = {
  large: 'large-v3',
  turbo: 'large-v3-turbo',
  'turbo-q5_0': 'large-v3-turbo-q5_0',
  'turbo-q8_0': 'large-v3-turbo-q8_0',
};

const voiceNames: readonly string[] = ['silero-v5.1.2', 'silero-v6.2.0'];

const fileOf = (repo: string, name: string): HubReference => ({
  repo,
  revision: 'main',
  wanted: { kind: 'file', path: `ggml-${name}.bin` },
});

/** The speech model of a name like `base.en-q5_1`; undefined where it is none. */
export const speechModelNamed = (name: string): HubReference | undefined => {
  const known = aliases[name] ?? name;
  return speechNames.includes(known) ? fileOf(SPEECH, known) : undefined;
};

/** The voice detector of a name like `silero-v6.2.0`; undefined where it is none. */
export const voiceDetectorNamed = (name: string): HubReference | undefined =>
  voiceNames.includes(name) ? fileOf(VOICE, name) : undefined;
