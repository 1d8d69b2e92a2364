import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const json = (name: string) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));

/** Licences that ask for no more than that their text is kept. */
const permissive: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Unlicense',
]);

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

  it('depends on nothing that others may not pass on: LGPL only in packages that can be exchanged', () => {
    const packages: Record<string, { readonly license?: string; readonly dev?: boolean }> =
      json('package-lock.json').packages;
    const installed = Object.entries(packages).filter(([path, { dev }]) => path !== '' && !dev);
    const wordsOf = (license = 'none') => license.replace(/[()]/g, '').split(/ AND | OR /);
    const strict = installed.filter(([, { license }]) => !wordsOf(license).every((word) => permissive.has(word)));
    expect(strict.filter(([, { license }]) => !wordsOf(license).includes('LGPL-3.0-or-later'))).toEqual([]);
    const names = new Set(strict.map(([path]) => path.split('node_modules/').at(-1)!));
    expect([...names].filter((name) => !name.startsWith('@img/sharp-'))).toEqual(['codec-parser']);
  });
});
