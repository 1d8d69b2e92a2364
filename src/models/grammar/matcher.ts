/**
 * Where a text stands in a grammar. A place is the set of all stacks that the bytes so far may have led to: a state of
 * the network and the states to return to below it. Places and the ways between them are numbered as they are met, so
 * that a byte met again is one look into a table: an automaton built while it runs.
 */
import type { Network, State } from './network.ts';

/** What a stack ends on: the whole text may end there. */
const TEXT_END = 0;

/** What a stack ends on whose lower part is not known. */
const UNKNOWN = 1;

/** No stack is left: the text is not of the grammar. */
export const DEAD = 0;

/** Not worked out yet. */
const NOT_KNOWN = -1;

interface Place {
  /** Stacks that a byte may lead on from. */
  readonly stacks: readonly number[];
  readonly mayEnd: boolean;
  /** Whether one of the stacks has been left through its unknown part. */
  readonly isLeft: boolean;
}

/** So many places are kept before all are forgotten but the one that counts. */
const MAX_PLACES = 16_384;

/** Visits a state that lies on a stack: all that it also is becomes part of a place. */
type Visit = (state: number, below: number) => void;

/** Where a text stands in a grammar, and what may follow. */
export class Matcher {
  readonly #network: Network;
  /** Of each stack: its state on top, and the stack below. The first two stand for the ends of stacks. */
  readonly #tops: number[] = [];
  readonly #below: number[] = [];
  readonly #stackIds = new Map<number, number>();
  readonly #places: Place[] = [];
  readonly #placeIds = new Map<string, number>();
  /** `[place, byte]`: the next place. */
  #next = new Int32Array();

  constructor(network: Network) {
    this.#network = network;
    this.#clear();
  }

  /** Where every text begins. */
  start(): number {
    return this.#placeOf((visit) => visit(this.#network.start, TEXT_END));
  }

  /** The place of one state, of which it is not known what comes after its rule. */
  within(state: number): number {
    return this.#placeOf((visit) => visit(state, UNKNOWN));
  }

  /** The place after the rule of a stack's top state; dead where the text ends with it. */
  after(stack: number): number {
    const below = this.#below[stack] ?? TEXT_END;
    return below > UNKNOWN ? this.#placeOf((visit) => this.#return(visit, below)) : DEAD;
  }

  /** The place after one more byte. */
  step(place: number, byte: number): number {
    const known = this.#next[place * 256 + byte] ?? NOT_KNOWN;
    if (known !== NOT_KNOWN) return known;
    const next = this.#placeOf((visit) => {
      for (const stack of this.stacks(place)) {
        for (const { from, to, next: state } of this.#state(stack).bytes)
          if (byte >= from && byte <= to) visit(state, this.#below[stack] ?? TEXT_END);
      }
    });
    this.#next[place * 256 + byte] = next;
    return next;
  }

  /** Whether the whole text may end here. */
  mayEnd(place: number): boolean {
    return this.#places[place]?.mayEnd === true;
  }

  /** Whether a rule was left whose surroundings are not known. */
  isLeft(place: number): boolean {
    return this.#places[place]?.isLeft === true;
  }

  /** Whether bytes may follow. */
  goesOn(place: number): boolean {
    return this.stacks(place).length > 0;
  }

  stacks(place: number): readonly number[] {
    return this.#places[place]?.stacks ?? [];
  }

  /** The state on top of a stack. */
  top(stack: number): number {
    return this.#tops[stack] ?? 0;
  }

  /** Forgets all other places where there are too many; gives the number that this one has from now on. */
  tidy(place: number): number {
    if (this.#places.length < MAX_PLACES) return place;
    const { mayEnd } = this.#places[place] ?? { mayEnd: false };
    const kept = this.stacks(place).map((stack) => {
      const states: number[] = [];
      for (let at = stack; at > UNKNOWN; at = this.#below[at] ?? TEXT_END) states.push(this.top(at));
      return states;
    });
    this.#clear();
    const stacks = kept.map((states) => states.reduceRight((below, state) => this.#stack(state, below), TEXT_END));
    return this.#number({ stacks, mayEnd, isLeft: false });
  }

  #clear(): void {
    this.#tops.splice(0, Number.POSITIVE_INFINITY, 0, 0);
    this.#below.splice(0, Number.POSITIVE_INFINITY, TEXT_END, TEXT_END);
    this.#stackIds.clear();
    this.#places.length = 0;
    this.#placeIds.clear();
    this.#next = new Int32Array(64 * 256).fill(NOT_KNOWN);
    this.#number({ stacks: [], mayEnd: false, isLeft: false }); // DEAD
  }

  #state(stack: number): State {
    const state = this.#network.states[this.top(stack)];
    if (!state) throw new Error(`no state on stack ${stack}`);
    return state;
  }

  /** The place of the states that are visited, and of all that they also are. */
  #placeOf(begin: (visit: Visit) => void): number {
    const seen = new Set<number>();
    const stacks: number[] = [];
    let mayEnd = false;
    let isLeft = false;
    const visit: Visit = (at, below) => {
      const stack = this.#stack(at, below);
      if (seen.has(stack)) return;
      seen.add(stack);
      const { bytes, jumps, calls, isEnd } = this.#state(stack);
      if (bytes.length > 0) stacks.push(stack);
      for (const jump of jumps) visit(jump, below);
      for (const { start, to } of calls) visit(start, to === undefined ? below : this.#stack(to, below));
      if (!isEnd) return;
      if (below === TEXT_END) mayEnd = true;
      else if (below === UNKNOWN) isLeft = true;
      else this.#return(visit, below);
    };
    begin(visit);
    stacks.sort((a, b) => a - b);
    return this.#number({ stacks, mayEnd, isLeft });
  }

  /** Goes on where a stack says. */
  #return(visit: Visit, stack: number): void {
    visit(this.top(stack), this.#below[stack] ?? TEXT_END);
  }

  #stack(state: number, below: number): number {
    const key = below * this.#network.states.length + state;
    const known = this.#stackIds.get(key);
    if (known !== undefined) return known;
    const id = this.#tops.push(state) - 1;
    this.#below.push(below);
    this.#stackIds.set(key, id);
    return id;
  }

  #number(place: Place): number {
    const key = `${place.stacks.join()} ${place.mayEnd} ${place.isLeft}`;
    const known = this.#placeIds.get(key);
    if (known !== undefined) return known;
    const id = this.#places.push(place) - 1;
    this.#placeIds.set(key, id);
    if (this.#next.length < this.#places.length * 256) {
      const longer = new Int32Array(this.#next.length * 2).fill(NOT_KNOWN);
      longer.set(this.#next);
      this.#next = longer;
    }
    return id;
  }
}
