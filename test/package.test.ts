import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const json = (name: string) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));

describe('the package', () => {
  it('installs without the download of CUDA libraries that fails where their host is out of reach', () => {
    const runtime = json('package-lock.json').packages['node_modules/onnxruntime-node'];
    expect(runtime.version).toBe(json('package.json').dependencies['onnxruntime-node']);
    expect(runtime, 'run npm run lock').not.toHaveProperty('hasInstallScript');
  });

  it('has no install script of its own', () => {
    for (const name of ['preinstall', 'install', 'postinstall'])
      expect(json('package.json').scripts).not.toHaveProperty(name);
  });

  it('pins every dependency to one version and names no download address', () => {
    const { dependencies, devDependencies } = json('package.json');
    for (const version of Object.values({ ...dependencies, ...devDependencies }))
      expect(version).toMatch(/^\d+\.\d+\.\d+/);
    expect(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')).not.toContain('"resolved"');
  });
});
