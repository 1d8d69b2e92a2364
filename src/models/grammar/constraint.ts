/** Which tokens may come next, so that a text is of a grammar. */
import { UserError } from '../../errors.ts';
import type { Grammar } from './gbnf.ts';
import { DEAD, Matcher } from './matcher.ts';
import { buildNetwork } from './network.ts';
import type { Tokens, TokenTrie } from './token-trie.ts';
import { createTokenTrie } from './token-trie.ts';

/** A text on its way through a grammar. */
export interface Constraint {
  /** Whether a token may come next. */
  allows(id: number): boolean;
  /** All tokens that may come next, one bit each; good until the next call. */
  allowed(): Uint32Array;
  /**
   * The token that ends the text, for where it may end and nothing else is left to choose.
   * @throws UserError 'model' where no token of the vocabulary goes on as the grammar wants
   */
  end(): number;
  /** Goes on by a token that is allowed. */
  accept(id: number): void;
}

/** What a state of the grammar allows, whatever its rule is part of. */
interface Local {
  readonly allowed: Uint32Array;
  /** Nodes of the tree of tokens at which the rule has ended, and what comes after it decides. */
  readonly left: readonly number[];
}

/**
 * Texts of a grammar in a vocabulary, each beginning anew. What one finds out serves the others: most tokens are judged
 * once for each state of the grammar, and only those that reach over the end of a rule are judged by its surroundings
 * (as XGrammar does, Dong et al. 2024).
 * @throws UserError 'usage' for a grammar that cannot be followed
 */
export const createConstraints = (grammar: Grammar, tokens: Tokens): (() => Constraint) => {
  const matcher = new Matcher(buildNetwork(grammar));
  const walk = walker(matcher, createTokenTrie(tokens));
  const locals = new Map<number, Local>();
  const nWord = Math.ceil(tokens.size / 32);

  const localOf = (state: number): Local => {
    const known = locals.get(state);
    if (known) return known;
    const left: number[] = [];
    const local = { allowed: new Uint32Array(nWord), left };
    walk({ node: 0, place: matcher.within(state), allowed: local.allowed, onLeft: (node) => left.push(node) });
    locals.set(state, local);
    return local;
  };

  return () => {
    const allowed = new Uint32Array(nWord);
    let place = matcher.start();
    /** The place after a token's bytes. */
    const after = (id: number): number => {
      let at = place;
      for (const byte of tokens.bytes(id)) at = matcher.step(at, byte);
      return at;
    };
    return {
      allows(id) {
        if (tokens.ends.has(id)) return matcher.mayEnd(place);
        return tokens.bytes(id).length > 0 && after(id) !== DEAD;
      },
      allowed() {
        allowed.fill(0);
        if (matcher.mayEnd(place)) for (const id of tokens.ends) setBit(allowed, id);
        for (const stack of matcher.stacks(place)) {
          const local = localOf(matcher.top(stack));
          for (let i = 0; i < nWord; i++) allowed[i]! |= local.allowed[i]!;
          const outside = local.left.length > 0 ? matcher.after(stack) : DEAD;
          if (matcher.goesOn(outside)) for (const node of local.left) walk({ node, place: outside, allowed });
        }
        return allowed;
      },
      end() {
        const [id] = matcher.mayEnd(place) ? tokens.ends : [];
        if (id !== undefined) return id;
        throw new UserError('model', 'no token that may be chosen goes on as the grammar wants');
      },
      accept(id) {
        if (!tokens.ends.has(id)) place = matcher.tidy(after(id));
      },
    };
  };
};

interface Walk {
  /** The node whose descendants are looked at, and the place of the grammar at which it stands. */
  readonly node: number;
  readonly place: number;
  /** Gets a bit for every token that can be read from there on. */
  readonly allowed: Uint32Array;
  /** Is told of nodes at which the place's rule is left. */
  onLeft?(node: number): void;
}

/** Walks over the part of the tree that the grammar can follow. */
const walker = (matcher: Matcher, { bytes, depths, next, firstId, ids, maxDepth }: TokenTrie) => {
  const places = new Int32Array(maxDepth + 1); // on the way from the root
  return ({ node: root, place: start, allowed, onLeft }: Walk): void => {
    places[depths[root]!] = start;
    const end = next[root]!;
    for (let node = root + 1; node < end; ) {
      const depth = depths[node]!;
      const place = matcher.step(places[depth - 1]!, bytes[node]!);
      if (place === DEAD) {
        node = next[node]!;
        continue;
      }
      places[depth] = place;
      for (let i = firstId[node]!; i < firstId[node + 1]!; i++) setBit(allowed, ids[i]!);
      if (onLeft && matcher.isLeft(place)) onLeft(node);
      node++;
    }
  };
};

const setBit = (bits: Uint32Array, i: number): void => {
  bits[i >> 5]! |= 1 << (i & 31);
};
