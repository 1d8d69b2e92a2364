/** `grafo bench`: how fast models run here, as llama-bench tells it and more. */
import { exitCodes } from '../errors.ts';
import { describeMachine, loadBefore, markRunning } from './bench/machine.ts';
import { benchOptions } from './bench/options.ts';
import { createProgress } from './bench/progress.ts';
import { runBench } from './bench/run.ts';
import { command } from './command.ts';
import { printDevices } from './devices.ts';
import { interruptible } from './interrupts.ts';
import { showsProgress, write } from './terminal.ts';

/** Something became slower than is let pass. */
const REGRESSION = 1;

/** `grafo bench`. */
export const benchCommand = command({
  options: benchOptions,
  examples: [
    ['grafo bench --shape tinyllama-1.1b:q4_0', 'this machine, without any file'],
    ['grafo bench -m a.gguf -m ggml-base.bin -m vit.gguf', 'models of any kind'],
    ['grafo bench -m a.gguf -p 512 -n 128 -d 0-4096*2 -t 1,2,4', 'lists and ranges'],
    ['grafo bench -m a.gguf -dev cpu,webgpu -o jsonl > base.jsonl', 'devices side by side'],
    ['grafo bench -m a.gguf --compare base.jsonl --threshold 3', 'exit 1 if it became slower'],
    ['grafo bench --shape vit-base:f16 -ni 1,8,64 --plot vit.svg', 'images a second'],
    ['grafo bench -m ggml-base.bin -f talk.wav', 'how much faster than it is said'],
  ],
  async run(flags) {
    if (flags['list-devices']) {
      await printDevices(false);
      return 0;
    }
    const note = (text: string): void => {
      if (!flags.quiet) process.stderr.write(text);
    };
    const progress = createProgress({
      isShown: showsProgress(flags.quiet),
      write: (text) => process.stderr.write(text),
      now: () => performance.now(),
    });
    const mark = await markRunning();
    return interruptible(async (interrupts) => {
      try {
        const { failures, hasRegression, wasInterrupted } = await runBench(flags, {
          clock: () => performance.now(),
          signal: interrupts.signal,
          describe: describeMachine,
          busyBefore: [mark.isTaken ? 'another grafo bench runs' : '', loadBefore()].filter((text) => text !== ''),
          progress,
          write,
          note,
          complain: ({ message, hint }) => {
            process.stderr.write(`grafo bench: ${message}${hint ? `\n  ${hint}` : ''}\n`);
          },
        });
        if (wasInterrupted) return interrupts.exitCode;
        if (failures.some(({ kind }) => kind === 'device')) return exitCodes.device;
        if (failures.length > 0) return exitCodes.partial;
        return hasRegression ? REGRESSION : 0;
      } finally {
        progress.clear();
        await mark.release();
      }
    });
  },
});
