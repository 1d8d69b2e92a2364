/**
 * A file that another thread or process runs: built code, also when this file runs from its source in tests.
 * @param path below src/, without its ending: 'graph/device/worker'
 */
export const builtFile = (path: string): URL =>
  new URL(`${import.meta.url.endsWith('.ts') ? '../../dist' : '..'}/${path}.js`, import.meta.url);
