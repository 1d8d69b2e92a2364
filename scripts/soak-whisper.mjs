/**
 * Hours of sound through a pipe: whether grafo's memory stays as it is, and what is said is found where it was said.
 * Build first: npm run build; then: node scripts/soak-whisper.mjs [--hours 6] [--every 10] [--growth 48]
 * Silence, with a spoken sentence every so many minutes. The exit code is 1 where memory grows by more than so many MB
 * after the first tenth, or where the sentences are not the transcript. What JavaScript holds stays at 18 MB. glibc is
 * told to give back what is freed: left alone it keeps more of it for some hours, until the process has 350 to 380 MB,
 * and then no more; with this it has 270. Six hours of samples would be 1,382 MB.
 */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import wavefile from 'wavefile';

const { values } = parseArgs({
  options: {
    hours: { type: 'string', default: '6' },
    every: { type: 'string', default: '10' },
    growth: { type: 'string', default: '48' },
  },
});
const [hours, every, growth] = [values.hours, values.every, values.growth].map(Number);

const RATE = 16_000;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const sentence = 'Turn on the office fan.';
const recording = new wavefile.WaveFile(readFileSync(here('../demo/samples/turn-on-the-office-fan.wav')));
const spoken = Buffer.from(Int16Array.from(recording.getSamples(true, Int16Array)).buffer);

/** A minute of silence, and one that begins with the sentence. */
const silence = Buffer.alloc(2 * RATE * 60);
const speech = Buffer.concat([spoken, silence.subarray(spoken.length)]);

const start = performance.now();
const minutes = () => (performance.now() - start) / 60_000;
// Windows of 30 s as they come, each by itself: the demo model knows sentences that begin a window, and no context.
const flags = ['--input-format', 's16le', '-nt', '-mc', '0', '-bs', '1', '--json', '-pp'];
const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' };
const command = [here('../bin/grafo.js'), 'whisper', '-m', here('../demo/whisper.bin'), '-', ...flags];
const child = spawn(process.execPath, command, { env });
const ended = new Promise((resolve) => child.on('close', resolve));

/** Megabytes that the process has in memory. */
const resident = () => {
  const kilobytes =
    process.platform === 'linux'
      ? /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]
      : execFileSync('ps', ['-o', 'rss=', '-p', String(child.pid)], { encoding: 'utf8' });
  return Number(kilobytes) / 1024;
};

let [stdout, stderr] = ['', ''];
child.stdout.setEncoding('utf8').on('data', (part) => {
  stdout += part;
});
const memory = [];
child.stderr.setEncoding('utf8').on('data', (part) => {
  stderr += part;
  for (const [, percent] of part.matchAll(/progress = +(\d+)%/g)) {
    if (Number(percent) < 10 * (memory.length + 1) || child.exitCode !== null) continue;
    memory.push(resident());
    console.log(
      `${percent.padStart(3)} % ${minutes().toFixed(1).padStart(8)} min ${memory.at(-1).toFixed(0).padStart(6)} MB`,
    );
  }
});

const total = Math.round(60 * hours);
for (let at = 0; at < total; at++) {
  const hasRoom = child.stdin.write(at % every === 0 ? speech : silence);
  if (!hasRoom) await new Promise((resolve) => child.stdin.once('drain', resolve));
}
child.stdin.end();
console.log(`${total} minutes of sound sent in ${minutes().toFixed(1)} min, ${resident().toFixed(0)} MB`);
const code = await ended;
if (code !== 0) {
  console.error(stderr);
  process.exit(1);
}

const { segments } = JSON.parse(stdout);
const right = segments.filter(({ start, text }) => start % (60 * every) === 0 && text.trim() === sentence).length;
const expected = Math.ceil(total / every);
const grown = Math.max(...memory) - memory[0];
console.log(`${right} of ${expected} sentences found in their places, ${segments.length - right} others`);
console.log(`memory grew by ${grown.toFixed(0)} MB after the first tenth`);
process.exit(right === expected && segments.length === right && grown <= growth ? 0 : 1);
