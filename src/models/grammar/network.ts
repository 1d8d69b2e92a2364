/**
 * A grammar as a network of states: bytes lead from one to the next, and rules that are large or recursive are called
 * and return (a recursive transition network, Woods 1970). Small rules are built in where they are named.
 */
import { UserError } from '../../errors.ts';
import type { ByteRange } from './byte-ranges.ts';
import { byteSequences } from './byte-ranges.ts';
import type { Expression, Grammar } from './gbnf.ts';
import { namesIn } from './gbnf.ts';

export interface State {
  /** Bytes that lead on. */
  readonly bytes: readonly (ByteRange & { readonly next: number })[];
  /** States that it also is. */
  readonly jumps: readonly number[];
  /** Rules that may begin here, and where the text goes on after them; nowhere where this rule ends with them. */
  readonly calls: readonly { readonly start: number; readonly to: number | undefined }[];
  /** Whether a rule may end here. */
  readonly isEnd: boolean;
}

export interface Network {
  readonly states: readonly State[];
  /** Where `root` begins. */
  readonly start: number;
}

/** Rules of at most so many states are built in. */
const SMALL = 64;

/** Where grammars stop being small enough to be worth it. */
const MAX_STATES = 500_000;

const utf8 = new TextEncoder();

interface Draft {
  bytes: (ByteRange & { next: number })[];
  jumps: number[];
  calls: { rule: string; to: number }[];
  isEnd: boolean;
}

/**
 * Builds the network of a grammar.
 * @throws UserError 'usage' for a rule that begins with itself, and for a grammar that is far too large
 */
export const buildNetwork = (grammar: Grammar): Network => {
  const sizes = new Map<string, number>();
  const recursive = recursiveRules(grammar);
  const sizeOf = (name: string): number => {
    if (recursive.has(name)) return Number.POSITIVE_INFINITY;
    const known = sizes.get(name) ?? expressionSize(ruleOf(grammar, name), sizeOf);
    sizes.set(name, known);
    return known;
  };
  const states: Draft[] = [];
  const state = (): number => {
    if (states.length >= MAX_STATES)
      throw new UserError('usage', 'the grammar is too large', 'use fewer or shorter repetitions');
    states.push({ bytes: [], jumps: [], calls: [], isEnd: false });
    return states.length - 1;
  };
  const draft = (at: number): Draft => {
    const found = states[at];
    if (!found) throw new Error(`no state ${at}`);
    return found;
  };
  const byte = (from: number, range: ByteRange, next = state()): number => {
    draft(from).bytes.push({ ...range, next });
    return next;
  };

  /** Draws an expression from a state on; gives the state after it. */
  const draw = (e: Expression, from: number): number => {
    switch (e.kind) {
      case 'text':
        return [...utf8.encode(e.text)].reduce((at, b) => byte(at, { from: b, to: b }), from);
      case 'chars': {
        const end = state();
        for (const sequence of e.ranges.flatMap(byteSequences))
          sequence.reduce((at, range, i) => byte(at, range, i === sequence.length - 1 ? end : state()), from);
        return end;
      }
      case 'rule': {
        if (sizeOf(e.name) <= SMALL) return draw(ruleOf(grammar, e.name), from);
        const to = state();
        draft(from).calls.push({ rule: e.name, to });
        return to;
      }
      case 'sequence':
        return e.items.reduce((at, item) => draw(item, at), from);
      case 'choice': {
        const end = state();
        for (const option of e.options) {
          const start = state();
          draft(from).jumps.push(start);
          draft(draw(option, start)).jumps.push(end);
        }
        return end;
      }
      case 'repeat':
        return drawRepeat(e, from);
    }
  };

  const drawRepeat = ({ item, least, most }: Expression & { kind: 'repeat' }, from: number): number => {
    let at = from;
    for (let i = 0; i < least; i++) at = draw(item, at);
    const end = state();
    if (most === Number.POSITIVE_INFINITY) {
      draft(at).jumps.push(end);
      draft(draw(item, end)).jumps.push(end);
      return end;
    }
    for (let i = least; i < most; i++) {
      draft(at).jumps.push(end);
      const start = state();
      draft(at).jumps.push(start);
      at = draw(item, start);
    }
    draft(at).jumps.push(end);
    return end;
  };

  const starts = new Map<string, number>();
  for (const name of ['root', ...reachable(grammar, 'root')]) {
    if (starts.has(name) || (name !== 'root' && sizeOf(name) <= SMALL)) continue;
    const start = state();
    starts.set(name, start);
    draft(draw(ruleOf(grammar, name), start)).isEnd = true;
  }
  const startOf = (name: string): number => {
    const start = starts.get(name);
    if (start === undefined) throw new Error(`no rule '${name}'`);
    return start;
  };
  /** Whether nothing comes after a state but the end of its rule: lists that call themselves need no stack then. */
  const isLast = (at: number): boolean => {
    const { bytes, jumps, calls, isEnd } = draft(at);
    if (bytes.length > 0 || calls.length > 0) return false;
    const [next] = jumps;
    return next === undefined ? isEnd : !isEnd && jumps.length === 1 && next > at && isLast(next);
  };
  const network = {
    states: states.map(({ bytes, jumps, calls, isEnd }) => ({
      bytes,
      jumps,
      calls: calls.map(({ rule, to }) => ({ start: startOf(rule), to: isLast(to) ? undefined : to })),
      isEnd,
    })),
    start: startOf('root'),
  };
  refuseLeftRecursion(network, starts);
  return network;
};

const ruleOf = (grammar: Grammar, name: string): Expression => {
  const rule = grammar.get(name);
  if (!rule) throw new Error(`no rule '${name}'`);
  return rule;
};

/** States that an expression takes, about. */
const expressionSize = (e: Expression, ruleSize: (name: string) => number): number => {
  switch (e.kind) {
    case 'text':
      return utf8.encode(e.text).length;
    case 'chars':
      return e.ranges.flatMap(byteSequences).reduce((sum, sequence) => sum + sequence.length, 0);
    case 'rule':
      return ruleSize(e.name);
    case 'sequence':
      return e.items.reduce((sum, item) => sum + expressionSize(item, ruleSize), 0);
    case 'choice':
      return e.options.reduce((sum, option) => sum + 1 + expressionSize(option, ruleSize), 1);
    case 'repeat': {
      const copies = Number.isFinite(e.most) ? e.most : e.least + 1;
      return 1 + copies * expressionSize(e.item, ruleSize);
    }
  }
};

/** Rules that a rule names, by way of others or not. */
const reachable = (grammar: Grammar, start: string): ReadonlySet<string> => {
  const seen = new Set<string>();
  const waiting = [...namesIn(ruleOf(grammar, start))];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    waiting.push(...namesIn(ruleOf(grammar, name)));
  }
  return seen;
};

/** Rules that name themselves. */
const recursiveRules = (grammar: Grammar): ReadonlySet<string> =>
  new Set([...grammar.keys()].filter((name) => reachable(grammar, name).has(name)));

/** A rule that may begin with itself could be called for ever without a byte being read. */
const refuseLeftRecursion = ({ states }: Network, starts: ReadonlyMap<string, number>): void => {
  const empty = new Set<number>(); // starts of rules that may be empty
  /** Rules that may be called from a state on before a byte, and whether the end may be reached so. */
  const leftmost = (start: number): { readonly called: ReadonlySet<number>; readonly isEmpty: boolean } => {
    const [seen, called] = [new Set<number>(), new Set<number>()];
    let isEmpty = false;
    const waiting = [start];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const state = states[at];
      if (seen.has(at) || !state) continue;
      seen.add(at);
      isEmpty ||= state.isEnd;
      waiting.push(...state.jumps);
      for (const call of state.calls) {
        called.add(call.start);
        if (!empty.has(call.start)) continue;
        if (call.to === undefined) isEmpty = true;
        else waiting.push(call.to);
      }
    }
    return { called, isEmpty };
  };
  for (let known = -1; known < empty.size; ) {
    known = empty.size;
    for (const start of starts.values()) if (leftmost(start).isEmpty) empty.add(start);
  }
  const first = new Map([...starts.values()].map((start) => [start, leftmost(start).called]));
  for (const [name, start] of starts) {
    const seen = new Set<number>();
    const waiting = [...(first.get(start) ?? [])];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (at === start)
        throw new UserError('usage', `the grammar's rule '${name}' begins with itself`, 'write it with * or + instead');
      if (seen.has(at)) continue;
      seen.add(at);
      waiting.push(...(first.get(at) ?? []));
    }
  }
};
