/** What an answer must be: `--grammar`, `--json-schema`, or either from a file. */
import { UserError } from '../../errors.ts';
import { readText } from '../../io/plain-file.ts';
import type { Tokenizer } from '../../io/text/tokenizer.ts';
import { type Constraint, createConstraints } from '../../models/grammar/constraint.ts';
import { type Grammar, parseGrammar } from '../../models/grammar/gbnf.ts';
import { schemaGrammar } from '../../models/grammar/json-schema.ts';
import type { LlamaFlags } from './options.ts';

/**
 * The grammar that the flags ask for, if any.
 * @throws UserError 'usage' for what cannot be read, or for two of them at once
 */
export const readGrammar = async (flags: LlamaFlags): Promise<Grammar | undefined> => {
  const given = (['grammar', 'grammar-file', 'json-schema', 'json-schema-file'] as const).filter(
    (name) => flags[name] !== undefined,
  );
  if (given.length > 1) throw new UserError('usage', `--${given[0]} and --${given[1]} do not go together`);
  const text = await textOf(flags);
  return text === undefined ? undefined : parseGrammar(text);
};

const textOf = async (flags: LlamaFlags): Promise<string | undefined> => {
  const { grammar, 'grammar-file': file, 'json-schema': schema, 'json-schema-file': schemaFile } = flags;
  if (grammar !== undefined) return grammar;
  if (file !== undefined) return readText(file);
  const json = schemaFile === undefined ? schema : await readText(schemaFile);
  return json === undefined ? undefined : schemaGrammar(parseSchema(json));
};

const parseSchema = (json: string): unknown => {
  try {
    return JSON.parse(json);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UserError('usage', `the JSON schema is no JSON: ${error.message}`);
  }
};

/** Texts of a grammar in the vocabulary of a model, each beginning anew. */
export const grammarConstraints = (grammar: Grammar, tokenizer: Tokenizer): (() => Constraint) =>
  createConstraints(grammar, {
    size: tokenizer.vocabSize,
    bytes: (id) => tokenizer.piece(id),
    ends: tokenizer.endOfGeneration,
  });
