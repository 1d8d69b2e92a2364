/** Where the code of other threads and processes is. */

/** A file of this folder that another thread or process runs: built code, also when this one runs from sources in tests. */
export const builtFile = (name: string): URL =>
  import.meta.url.endsWith('.ts')
    ? new URL(`../../../dist/graph/device/${name}.js`, import.meta.url)
    : new URL(`./${name}.js`, import.meta.url);
