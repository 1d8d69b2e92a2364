/** The stops of the tour that `grafo demo` makes: a command line each, and what there is to see in it. */
export interface Stop {
  /** What the user names the stop by: the command's name. */
  readonly name: string;
  readonly title: string;
  /** The words behind `grafo`; a file of demo/ is written `demo/NAME`. */
  readonly words: readonly string[];
  /** A picture of demo/ that is shown before. */
  readonly picture?: string;
  /** Where to go from here. */
  readonly further: string;
}

/** The tour, in the order it goes. */
export const stops: readonly Stop[] = [
  {
    name: 'llama',
    title: 'A LLaMA tells a story',
    words: ['llama', '-q', '-st', '-p', 'Once upon a time', '--seed', '7'],
    further: 'Chat with it: grafo llama; with another: -m model.gguf, -hf USER/REPO',
  },
  {
    name: 'deepseek',
    title: 'A DeepSeek thinks before it answers',
    words: ['deepseek', '-q', '-st', '-p', 'What is 58 + 67?', '--temp', '0'],
    further: 'Latent attention and experts like those of V3 and R1, only small',
  },
  {
    name: 'vit',
    title: 'A Vision Transformer says what a picture shows',
    words: ['vit', '-q', '-k', '3', 'demo/samples/red-fish.png'],
    picture: 'demo/samples/red-fish.png',
    further: 'It was trained on twelve things in six colours; see demo/vit.md',
  },
  {
    name: 'whisper',
    title: 'A Whisper writes down what is said',
    words: ['whisper', '-q', 'demo/samples/the-black-cup-is-on-the-floor.wav'],
    further: 'A real one, and subtitles: grafo whisper -m base talk.mp3 -osrt',
  },
  {
    name: 'graph-dump',
    title: 'What one more token costs that LLaMA, block by block',
    words: ['graph-dump', '-q', '--cost', '--part', 'decode', '--past', '64'],
    further: 'The same graph as a picture: grafo graph-dump -o llama.svg (or .html)',
  },
  {
    name: 'bench',
    title: 'How fast it is here: 64 tokens read, 32 written',
    words: ['bench', '-q', '-o', 'brief', '-p', '64', '-n', '32', '-r', '3', '--no-roofline'],
    further: '7B, and without a file: grafo bench --shape llama-2-7b:q4_0',
  },
];
