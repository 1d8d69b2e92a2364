/**
 * The page of a graph, in the browser: folds and draws by the same functions as the command, and lets layers and
 * blocks be opened, closed, searched and looked at. It talks to nobody: everything is in the page.
 */
import { Graphviz } from '@hpcc-js/wasm-graphviz';
import { printDot } from '../graph/print/dot.ts';
import { foldedWhere, repeatsCollapsed, withoutWeights } from '../graph/print/filter.ts';
import { themes } from '../graph/print/theme.ts';
import type { Box, View } from '../graph/print/view.ts';

/** More boxes than this take Graphviz too long. */
const MAX_BOXES = 900;

const element = <E extends HTMLElement>(id: string): E => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no '${id}'`);
  return found as E;
};

const data = JSON.parse(element('graph').textContent ?? '') as Omit<View, 'repeats'>;
const whole: View = { ...data, repeats: new Map() };
const byId = new Map(whole.boxes.map((box) => [box.id, box]));
const readers = new Map<string, string[]>();
for (const box of whole.boxes) for (const id of box.inputs) readers.set(id, [...(readers.get(id) ?? []), box.id]);

const stage = element('stage');
const details = element('details');
const message = element('message');
const search = element<HTMLInputElement>('search');
const results = element('results');
const weights = element<HTMLInputElement>('weights');
const repeats = element<HTMLInputElement>('repeats');
const dark = window.matchMedia('(prefers-color-scheme: dark)');

const graphviz = await Graphviz.load();

/** Layers and blocks that are open: their paths, joined. */
const open = new Set<string>();
let selected: string | undefined;
let shown: View = whole;

/** The picture's place on the screen. */
let at = { x: 0, y: 0, scale: 1 };

const prefixes = (path: readonly string[]): string[] => path.map((_, i) => path.slice(0, i + 1).join('/'));

const seen = (): View => {
  const base = weights.checked ? whole : withoutWeights(whole);
  const view = foldedWhere(base, (group) => open.has(group));
  return repeats.checked ? repeatsCollapsed(view) : view;
};

/** Draws what is open; where that is too much, says so and gives false. */
const draw = (): boolean => {
  const view = seen();
  if (view.boxes.length > MAX_BOXES) {
    message.textContent = `${view.boxes.length} boxes are too many to draw at once: close something first`;
    return false;
  }
  message.textContent = '';
  shown = view;
  const theme = dark.matches ? themes.dark : themes.light;
  stage.innerHTML = graphviz.dot(printDot(view, { theme }), 'svg');
  const svg = stage.querySelector('svg');
  svg?.setAttribute('role', 'img');
  svg?.setAttribute('aria-label', `graph ${view.name} with ${view.boxes.length} boxes`);
  for (const node of stage.querySelectorAll<SVGGElement>('g.node')) {
    const id = node.querySelector('title')?.textContent ?? '';
    node.dataset.id = id;
    const box = boxOf(id);
    if (!box) continue;
    node.setAttribute('tabindex', '0');
    node.setAttribute('role', 'button');
    node.setAttribute('aria-label', box.kind === 'block' ? `${id}, closed block` : `${id}, ${box.op}`);
    if (id === selected) node.classList.add('selected');
  }
  for (const cluster of stage.querySelectorAll<SVGGElement>('g.cluster')) {
    const id = (cluster.querySelector('title')?.textContent ?? '').replace(/^cluster /, '');
    cluster.dataset.group = id;
    cluster.setAttribute('tabindex', '0');
    cluster.setAttribute('role', 'button');
    cluster.setAttribute('aria-label', `${id}, open; Enter closes it`);
  }
  move();
  return true;
};

const boxOf = (id: string): Box | undefined => shown.boxes.find((box) => box.id === id) ?? byId.get(id);

const move = (): void => {
  stage.style.transform = `translate(${at.x}px, ${at.y}px) scale(${at.scale})`;
};

const fit = (): void => {
  const svg = stage.querySelector('svg');
  const room = element('view').getBoundingClientRect();
  const [width, height] = [svg?.clientWidth || 1, svg?.clientHeight || 1];
  const scale = Math.min(1.25, Math.max(0.05, Math.min(room.width / width, room.height / height) * 0.96));
  // What does not fit legibly begins at its top.
  const legible = Math.max(scale, Math.min(0.55, room.width / width));
  at = { x: (room.width - width * legible) / 2, y: Math.max(8, (room.height - height * legible) / 2), scale: legible };
  move();
};

const zoom = (factor: number, x: number, y: number): void => {
  const scale = Math.min(8, Math.max(0.03, at.scale * factor));
  at = { x: x - ((x - at.x) * scale) / at.scale, y: y - ((y - at.y) * scale) / at.scale, scale };
  move();
};

/** Opens or closes a group; what cannot be drawn stays as it was. */
const toggle = (group: string): void => {
  const was = new Set(open);
  if (open.has(group)) {
    for (const other of [...open]) if (other === group || other.startsWith(`${group}/`)) open.delete(other);
  } else open.add(group);
  if (!draw()) {
    open.clear();
    for (const other of was) open.add(other);
  }
};

const nodeOf = (id: string): SVGGElement | undefined =>
  [...stage.querySelectorAll<SVGGElement>('g.node, g.cluster')].find(
    ({ dataset }) => dataset.id === id || dataset.group === id,
  );

const centre = (id: string): void => {
  const node = nodeOf(id);
  if (!node) return;
  const [room, box] = [element('view').getBoundingClientRect(), node.getBoundingClientRect()];
  at = {
    ...at,
    x: at.x + room.x + room.width / 2 - (box.x + box.width / 2),
    y: at.y + room.y + room.height / 2 - (box.y + box.height / 2),
  };
  move();
  node.focus({ preventScroll: true });
};

/** Opens everything around a tensor and shows it. */
const reveal = (id: string): void => {
  for (const group of prefixes(byId.get(id)?.path ?? [])) open.add(group);
  // A layer that another one stands for is seen only where each stands for itself.
  if (!seen().boxes.some((box) => box.id === id)) {
    if (byId.get(id)?.kind === 'weight') weights.checked = true;
    else repeats.checked = false;
    if (!seen().boxes.some((box) => box.id === id)) repeats.checked = false;
  }
  selected = id;
  draw();
  centre(id);
  tell(id);
};

const count = (n: number): string => n.toLocaleString('en-US');

/** What is known of a box, with links to what it reads and what reads it. */
const tell = (id: string): void => {
  selected = id;
  for (const node of stage.querySelectorAll('.selected')) node.classList.remove('selected');
  nodeOf(id)?.classList.add('selected');
  const box = boxOf(id);
  details.replaceChildren();
  if (!box) return;
  const heading = document.createElement('h2');
  heading.textContent = id;
  const list = document.createElement('dl');
  const row = (name: string, ...content: (string | Node)[]): void => {
    const [term, value] = [document.createElement('dt'), document.createElement('dd')];
    term.textContent = name;
    value.append(...content);
    list.append(term, value);
  };
  row('operation', box.op);
  row('formula', box.symbol);
  row('shape, outermost first', box.dtype === '' ? 'unknown' : `[${box.shape.join(', ')}]`);
  row(box.kind === 'weight' ? 'weight type' : 'type', box.dtype || 'unknown');
  for (const [name, value] of Object.entries(box.attributes))
    row(name, typeof value === 'string' ? value : JSON.stringify(value));
  if (box.nParameter > 0) row('parameters', count(box.nParameter));
  if (box.kind === 'block') row('operations', count(box.nOp));
  if (box.cost && box.cost.bytes > 0) {
    row('FLOPs', count(box.cost.flops));
    row('bytes', count(Math.round(box.cost.bytes)));
    row('FLOPs/byte', (box.cost.flops / box.cost.bytes).toFixed(2));
  }
  if (box.time) row('time', `${box.time.ms.toFixed(3)} ms on ${box.time.devices.join(', ')}`);
  if (box.mark)
    row(
      'of the two graphs',
      { added: 'only in the second', removed: 'only in the first', changed: 'differs' }[box.mark],
    );
  if (box.path.length > 0) row('in', box.path.join(' › '));
  const links = (ids: readonly string[]) => [...new Set(ids)].slice(0, 40).map(link);
  if (box.inputs.length > 0) row('reads', ...links(box.inputs));
  const used = shown.boxes.filter(({ inputs }) => inputs.includes(id)).map((other) => other.id);
  if (used.length > 0) row('read by', ...links(used));
  details.append(heading, list);
  if (box.kind === 'block') {
    const button = document.createElement('button');
    button.textContent = 'Open';
    button.addEventListener('click', () => toggle(id));
    details.append(button);
  }
};

const link = (id: string): HTMLButtonElement => {
  const button = document.createElement('button');
  button.className = 'link';
  button.textContent = id;
  button.addEventListener('click', () => {
    if (byId.has(id)) reveal(id);
    else {
      centre(id);
      tell(id);
    }
  });
  return button;
};

const find = (): void => {
  const wanted = search.value.trim().toLowerCase();
  results.replaceChildren();
  if (wanted === '') return;
  const found = whole.boxes.filter(({ id, op }) => id.toLowerCase().includes(wanted) || op.toLowerCase() === wanted);
  const more = found.length > 30 ? [`${found.length - 30} more`] : [];
  results.append(
    ...found.slice(0, 30).map(({ id }) => link(id)),
    ...more,
    ...(found.length === 0 ? ['nothing found'] : []),
  );
};

const act = (target: EventTarget | null, isOpening: boolean): void => {
  const node = target instanceof Element ? target.closest<SVGGElement>('g.node, g.cluster') : null;
  const { id, group } = node?.dataset ?? {};
  if (id !== undefined) {
    if (isOpening && boxOf(id)?.kind === 'block') {
      toggle(id);
      nodeOf(id)?.focus({ preventScroll: true });
    } else tell(id);
  } else if (group !== undefined && isOpening) {
    toggle(group);
    nodeOf(group)?.focus({ preventScroll: true });
  }
};

const view = element('view');
let drag: { x: number; y: number; moved: boolean } | undefined;
view.addEventListener('pointerdown', (event) => {
  drag = { x: event.clientX - at.x, y: event.clientY - at.y, moved: false };
});
window.addEventListener('pointermove', (event) => {
  if (!drag || event.buttons === 0) return;
  const [x, y] = [event.clientX - drag.x, event.clientY - drag.y];
  drag.moved ||= Math.hypot(x - at.x, y - at.y) > 4;
  if (drag.moved) at = { ...at, x, y };
  move();
});
view.addEventListener('click', (event) => {
  if (!drag?.moved) act(event.target, false);
});
view.addEventListener('dblclick', (event) => act(event.target, true));
view.addEventListener(
  'wheel',
  (event) => {
    event.preventDefault();
    const room = view.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 400), event.clientX - room.x, event.clientY - room.y);
  },
  { passive: false },
);

const STEP = 60;
const keys: Readonly<Record<string, () => void>> = {
  '+': () => zoom(1.25, view.clientWidth / 2, view.clientHeight / 2),
  '=': () => zoom(1.25, view.clientWidth / 2, view.clientHeight / 2),
  '-': () => zoom(0.8, view.clientWidth / 2, view.clientHeight / 2),
  '0': fit,
  '/': () => search.focus(),
  ArrowLeft: () => pan(STEP, 0),
  ArrowRight: () => pan(-STEP, 0),
  ArrowUp: () => pan(0, STEP),
  ArrowDown: () => pan(0, -STEP),
};

const pan = (x: number, y: number): void => {
  at = { ...at, x: at.x + x, y: at.y + y };
  move();
};

document.addEventListener('keydown', (event) => {
  if (event.target === search) {
    if (event.key === 'Escape') search.blur();
    if (event.key === 'Enter') results.querySelector('button')?.click();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if ((event.key === 'Enter' || event.key === ' ') && event.target instanceof SVGElement) {
    event.preventDefault();
    act(event.target, event.key === 'Enter');
    return;
  }
  const action = keys[event.key];
  if (action === undefined) return;
  event.preventDefault();
  action();
});

document.addEventListener('focusin', ({ target }) => {
  if (target instanceof SVGElement && target.dataset.id !== undefined) tell(target.dataset.id);
});
search.addEventListener('input', find);
for (const box of [weights, repeats]) box.addEventListener('change', () => draw());
element('fit').addEventListener('click', fit);
element('close').addEventListener('click', () => {
  open.clear();
  draw();
  fit();
});
dark.addEventListener('change', () => draw());

draw();
fit();
document.body.dataset.ready = 'true';
