/** `grafo bench`: how fast models run here, as llama-bench tells it and more. */
import { describeMachine, loadBefore, markRunning } from './bench/machine.ts';
import { benchOptions } from './bench/options.ts';
import { createProgress } from './bench/progress.ts';
import { runBench } from './bench/run.ts';
import { command } from './command.ts';
import { printDevices } from './devices.ts';
import { Interrupts } from './interrupts.ts';
import { onClosedPipe, write } from './terminal.ts';

/** A device that was asked for is not there. */
const NO_DEVICE = 5;
/** Some of what was asked for could not be measured. */
const SOME_FAILED = 7;
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
    const interrupts = new Interrupts();
    onClosedPipe(() => interrupts.end(0));
    const note = (text: string): void => {
      if (!flags.quiet) process.stderr.write(text);
    };
    const progress = createProgress({
      isShown: process.stderr.isTTY === true && !process.env.CI && !flags.quiet,
      write: (text) => process.stderr.write(text),
      now: () => performance.now(),
    });
    const mark = await markRunning();
    try {
      const busyBefore = [mark.isTaken ? 'another grafo bench runs' : '', loadBefore()].filter((text) => text !== '');
      for (const reason of busyBefore) note(`busy: ${reason}\n`);
      progress.say('asking what machine this is');
      const outcome = await runBench(flags, {
        clock: () => performance.now(),
        signal: interrupts.signal,
        machine: await describeMachine(),
        busyBefore: busyBefore.join('; '),
        progress,
        write,
        note,
        complain: ({ message, hint }) => {
          process.stderr.write(`grafo bench: ${message}${hint ? `\n  ${hint}` : ''}\n`);
        },
      });
      if (outcome.wasInterrupted) return interrupts.exitCode;
      const kinds = new Set(outcome.failures.map(({ kind }) => kind));
      if (kinds.has('device')) return NO_DEVICE;
      if (kinds.size > 0) return SOME_FAILED;
      return outcome.hasRegression ? REGRESSION : 0;
    } finally {
      progress.clear();
      interrupts.dispose();
      await mark.release();
    }
  },
});
