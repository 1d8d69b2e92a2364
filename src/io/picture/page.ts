/** One HTML file that shows a graph and needs nothing else: data, styles, code and Graphviz are in it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The compiled code of the page, also when this file runs from sources in tests. */
const root = import.meta.url.endsWith('.ts')
  ? new URL('../../../dist/', import.meta.url)
  : new URL('../../', import.meta.url);

/** @param data what the page's code reads, as JSON */
export const writePage = (title: string, data: unknown): string => {
  const modules = modulesFrom(new URL('page/graph.js', root));
  const imports = Object.fromEntries(
    [...modules].map(([name, code]) => [name, `data:text/javascript;base64,${base64(code)}`]),
  );
  const policy = "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' data:; style-src 'unsafe-inline'";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${escaped(title)}</h1>
<input id="search" type="search" placeholder="Search  ( / )" aria-label="Search names and operations">
<label><input id="repeats" type="checkbox" checked> alike layers once</label>
<label><input id="weights" type="checkbox"> weights</label>
<button id="fit" type="button">Fit (0)</button>
<button id="close" type="button">Close all</button>
<span id="message" role="status"></span>
</header>
<main>
<div id="view"><div id="stage"></div></div>
<aside>
<div id="results"></div>
<div id="details"><p>Click a box, or move with Tab, to see what it is. A double click or Enter opens a layer or block, and closes
an open one by its frame. Drag or arrow keys move, the wheel or + and − zoom.</p></div>
</aside>
</main>
<script type="application/json" id="graph">${inScript(data)}</script>
<script type="importmap">${inScript({ imports })}</script>
<script type="module">import 'page/graph.js';</script>
</body>
</html>
`;
};

/** A module and all that it imports, under names that an import map can give them. */
const modulesFrom = (entry: URL): ReadonlyMap<string, string> => {
  const modules = new Map<string, string>();
  const add = (url: URL, name: string): void => {
    if (modules.has(name)) return;
    modules.set(name, '');
    const code = readFileSync(fileURLToPath(url), 'utf8').replace(/^\/\/# sourceMappingURL=.*$/m, '');
    const named = code.replace(
      /(\bfrom\s*|\bimport\s*)(['"])(\.{1,2}\/[^'"]+|@hpcc-js\/[^'"]+)\2/g,
      (_, word: string, quote: string, target: string) => {
        const inner = target.startsWith('.') ? new URL(target, url) : new URL(import.meta.resolve(target));
        const innerName = target.startsWith('.') ? nameOf(inner) : target;
        add(inner, innerName);
        return `${word}${quote}${innerName}${quote}`;
      },
    );
    modules.set(name, named);
  };
  add(entry, nameOf(entry));
  return modules;
};

const nameOf = (url: URL): string => url.href.slice(root.href.length);

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** JSON that no HTML parser takes for the end of its script. */
const inScript = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c');

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const STYLE = `
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --panel: #f6f8fa; --accent: #0550ae; }
@media (prefers-color-scheme: dark) { :root { --paper: #0f1318; --ink: #e8edf3; --soft: #9aa7b4; --line: #303a45; --panel: #171d24; --accent: #79b8ff; } }
* { box-sizing: border-box; }
body { margin: 0; height: 100vh; display: flex; flex-direction: column; background: var(--paper); color: var(--ink); font: 14px/1.45 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center; padding: 8px 12px; border-bottom: 1px solid var(--line); background: var(--panel); }
h1 { font-size: 15px; margin: 0; } h2 { font-size: 14px; margin: 0 0 8px; overflow-wrap: anywhere; }
input[type=search] { width: 15em; padding: 4px 8px; } label { display: flex; gap: 4px; align-items: center; }
input, button { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 6px; }
button { padding: 4px 10px; cursor: pointer; } :focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
#message { color: var(--accent); }
main { flex: 1; display: flex; min-height: 0; }
#view { flex: 1; overflow: hidden; position: relative; cursor: grab; touch-action: none; user-select: none; }
#stage { position: absolute; transform-origin: 0 0; } #stage svg { display: block; }
#stage text { font-family: ui-monospace, 'DejaVu Sans Mono', 'Liberation Mono', Menlo, Courier, monospace; }
g.node { cursor: pointer; } g.node:focus-visible, g.cluster:focus-visible { outline: 3px solid var(--accent); }
g.node.selected :is(polygon, path) { stroke: var(--accent); stroke-width: 3; }
aside { width: 300px; flex: none; overflow: auto; padding: 12px; border-left: 1px solid var(--line); background: var(--panel); }
dl { display: grid; grid-template-columns: auto 1fr; gap: 4px 12px; margin: 0 0 12px; } dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.link { display: block; border: 0; background: none; padding: 1px 0; color: var(--accent); text-align: left; overflow-wrap: anywhere; }
#results:not(:empty) { margin-bottom: 12px; padding-bottom: 8px; border-bottom: 1px solid var(--line); }
@media (max-width: 700px) { main { flex-direction: column; } aside { width: auto; height: 38%; border-left: 0; border-top: 1px solid var(--line); } h1 { width: 100%; } }
`;
