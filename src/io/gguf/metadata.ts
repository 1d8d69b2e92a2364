/** Metadata with the value type of every key, as a GGUF file stores it. */
import type { MetadataValue } from '../../graph/weights.ts';

/** One value and its type; u64 and i64 are the types of bigints. An array's elements are all of type `of`. */
export type TypedValue =
  | { readonly type: 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'f32' | 'f64'; readonly value: number }
  | { readonly type: 'u64' | 'i64'; readonly value: bigint }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'array'; readonly of: 'i16' | 'u32' | 'i32' | 'f32' | 'f64'; readonly value: readonly number[] }
  | { readonly type: 'array'; readonly of: 'string'; readonly value: readonly string[] }
  | { readonly type: 'array'; readonly of: 'bool'; readonly value: readonly boolean[] };

/** Typed values by key, in the order they are written. */
export type TypedMetadata = Readonly<Record<string, TypedValue>>;

/** The values without their types, as a reader gives them. */
export const plainValues = (metadata: TypedMetadata): ReadonlyMap<string, MetadataValue> =>
  new Map(Object.entries(metadata).map(([key, { value }]) => [key, value]));
