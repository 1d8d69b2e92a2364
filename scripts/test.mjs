/** `npm test`: build, types, lint and format, dead code, then the tests; ends with one line that counts them all. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const bin = (name) => join('node_modules', '.bin', name);
const run = (command, args) =>
  spawnSync(command, args, { stdio: 'inherit', shell: process.platform === 'win32' }).status === 0;

const checks = [
  ['build', bin('tsc'), ['-p', 'tsconfig.build.json']],
  ['build of the page', bin('tsc'), ['-p', 'tsconfig.page.json']],
  ['types', bin('tsc'), ['--noEmit']],
  ['lint and format', bin('biome'), ['check', '--error-on-warnings', '.']],
  ['no dead code', bin('knip'), []],
];
let passed = 0;
let failed = 0;
for (const [name, command, args] of checks) {
  const ok = run(command, args);
  console.log(`${ok ? '✓' : '✗'} ${name}`);
  if (ok) passed++;
  else failed++;
}

const folder = mkdtempSync(join(tmpdir(), 'grafo-results-'));
const results = join(folder, 'results.json');
const args = ['run', '--reporter=default', '--reporter=json', `--outputFile=${results}`, ...process.argv.slice(2)];
const finished = run(bin('vitest'), args);
let skipped = 0;
try {
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(results, 'utf8'));
  passed += numPassedTests;
  // A test file that does not even load fails the run without a failed test of its own.
  failed += finished ? 0 : Math.max(1, numFailedTests);
  skipped = numPendingTests;
} catch (error) {
  console.error(`the tests left no result: ${error.message}`);
  failed++;
}
rmSync(folder, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 ? 1 : 0;
