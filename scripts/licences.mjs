/**
 * Prints the licence of every package that an installed grafo may have, and with --dev of those that only building and
 * testing need: by licence, from package-lock.json. Packages for other platforms count too.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { dev: { type: 'boolean', default: false } } });
const { packages } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));
const byLicence = new Map();
for (const [path, { version, license = 'none named', dev = false }] of Object.entries(packages)) {
  if (path === '' || dev !== values.dev) continue;
  const name = path.split('node_modules/').at(-1);
  byLicence.set(license, [...(byLicence.get(license) ?? []), `${name} ${version}`]);
}
for (const [licence, names] of [...byLicence].toSorted(([, a], [, b]) => b.length - a.length))
  console.log(`${licence} (${names.length})\n  ${[...new Set(names)].toSorted().join('\n  ')}\n`);
