/** `grafo bench` as a user runs it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { listDevices } from '../../src/graph/device/list.ts';
import { fixture, scratch } from '../fixtures.ts';
import { cacheFolder, grafo } from './run.ts';

vi.setConfig({ testTimeout: 120_000 });

const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';
const env = existsSync(swiftShader) ? { VK_ICD_FILENAMES: swiftShader, XDG_RUNTIME_DIR: scratch } : {};
Object.assign(process.env, env);

const [webgpu] = await listDevices(cacheFolder, [{ provider: 'webgpu', index: 0 }]);
const hasWebgpu = webgpu?.state.kind === 'available';
if (!hasWebgpu) console.warn('skipped: grafo bench on webgpu, because no adapter starts here');

const model = () => fixture('llama/gqa-q4_0.gguf');
const quick = ['-t', '1', '-r', '2', '--no-roofline'];

const base = join(scratch, 'base.jsonl');

describe('grafo bench', () => {
  it('prints a table and what else is known below it; a device that is absent does not stop the others, exit 5', async () => {
    const args = ['bench', '-m', model(), '-dev', 'coreml,cpu', '-p', '8', '-n', '4', '--history', base, ...quick];
    const { code, stdout, stderr } = await grafo(args);
    expect(code).toBe(5);
    expect(stderr).toContain("grafo bench: device 'coreml' does not exist on this platform");
    expect(stdout).toMatch(/^\| model .* t\/s \|\n\| -+ .*\n\| llama 99K Q4_0 .* pp8 \| .* ± /);
    expect(stdout).toMatch(
      /not in the times of llama 99K Q4_0: choosing a token [\d.]+ ms, tokenising [\d.]+ µs a token/,
    );
    expect(stdout).toMatch(/\nbuild: grafo [\d.]+ \(onnxruntime [\d.]+, node [\d.]+\)\n$/);
  });

  it('measures its demo where no model is named, and says so', async () => {
    const { code, stdout, stderr } = await grafo(['bench', '-p', '4', '-n', '0', '-o', 'brief', ...quick]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^llama \d+M F16 +\w+ +pp4 .* t\/s\n/);
    expect(stderr).toMatch(/no model is named, so this is grafo's small demo; .* --shape tinyllama-1.1b:q4_0\n/);
  });

  it('slower than before is exit code 1', async () => {
    const [line = ''] = readFileSync(base, 'utf8').split('\n');
    const before = JSON.parse(line);
    expect(before.cpu_info).not.toBe('');
    writeFileSync(base, JSON.stringify({ ...before, avg_ts: 1e9, samples_ts: [1e9, 1.001e9] }));
    const args = ['bench', '-m', model(), '-dev', 'cpu', '-p', '8', '-n', '0', '--compare', base, ...quick];
    const { code, stdout } = await grafo(args);
    expect(code).toBe(1);
    expect(stdout).toMatch(/\| regression \|\n$/);
  });

  it('Ctrl-C leaves what was finished, as whole JSON', async () => {
    const args = ['bench', '-m', model(), '-dev', 'cpu', '-p', '4', '-n', '100', '-r', '1000', '--no-roofline'];
    let isSent = false;
    const { code, stdout } = await grafo([...args, '-o', 'json'], {
      onStdout: (text, child) => {
        // A short test is done, a long one runs.
        if (!isSent && text.includes('pp4')) {
          isSent = true;
          child.kill('SIGINT');
        }
      },
    });
    expect(code).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject([{ test: 'pp4' }]);
  });

  it.skipIf(!hasWebgpu)('measures devices side by side', async () => {
    const args = ['bench', '-m', model(), '-dev', 'cpu,webgpu', '-p', '0', '-n', '2', '-o', 'json', ...quick];
    const { code, stdout, stderr } = await grafo([...args, '--strict-device'], { env });
    expect(code, stderr).toBe(0);
    const records: readonly Record<string, unknown>[] = JSON.parse(stdout);
    expect(records.map((r) => `${r.backends} ${r.test}`)).toEqual(['CPU tg2', 'WebGPU tg2']);
    expect(records.every((r) => Number(r.avg_ts) > 0)).toBe(true);
  });
});
