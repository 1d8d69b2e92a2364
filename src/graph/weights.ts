/**
 * Weights as the graph sees them: a source gives tensors by name, a cursor walks their names, checks every shape it
 * hands out and remembers who asked for what. Nothing here reads a byte of weights; lowering does.
 */
import { UserError } from '../errors.ts';
import { elements, sameShape, showShape } from './tensor.ts';

export type MetadataValue = string | number | bigint | boolean | readonly MetadataValue[];

/** Where weights come from: a file's reader, a generator of random weights, a Map in a test. */
export interface WeightSource {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** What is added to stored matrices, by their names. */
  readonly adapters?: ReadonlyMap<string, readonly StoredAdapter[]>;
  /** Where there is no file: makes up every tensor that is asked for beyond those. */
  readonly invented?: InventedTensors;
}

export interface InventedTensors {
  /** Whether a tensor that a model can do without is there. */
  has(name: string): boolean;
  make(name: string, shape: readonly number[]): StoredTensor;
}

/** Rows `from` up to, not including, `to`; a row is one run of the innermost axis, leading axes flattened. */
export interface RowRange {
  readonly from: number;
  readonly to: number;
}

/** Integers of `bits` bits in blocks of `blockSize` along a row, each block with one float32 scale. */
export interface BlockLayout {
  readonly bits: 4 | 8;
  readonly blockSize: 16 | 32 | 64 | 128;
  /** Whether each block's values are also moved by a float32 offset. */
  readonly hasOffsets: boolean;
}

/**
 * Rows in the layout of ONNX Runtime's MatMulNBits: w = scale * (q - 2^(bits-1)) + offset.
 * `data` is `[rows, nIn / blockSize, blockSize * bits / 8]`, low nibble first; `scales` and `offsets` are
 * `[rows, nIn / blockSize]`; a layout without offsets leaves them out, they are 0.
 */
export interface BlockQuantized {
  readonly data: Uint8Array;
  readonly scales: Float32Array;
  readonly offsets?: Float32Array;
}

/** One tensor of a source. The shape is outermost axis first: a linear layer is `[nOut, nIn]`. */
export interface StoredTensor {
  readonly name: string;
  /** The stored type in lower case, as ggml names it: 'f32', 'f16', 'bf16', 'q4_0', ... */
  readonly type: string;
  readonly shape: readonly number[];
  /** Length of the stored bytes. */
  readonly byteLength: number;
  /** The stored bytes of these rows (default: all). */
  read(rows?: RowRange): Promise<Uint8Array>;
  /** These rows (default: all) as float32 values, exactly. */
  decode(rows?: RowRange): Promise<Float32Array>;
  /** Present when a runtime kernel takes the blocks as they are. */
  readonly blocks?: BlockLayout & { pack(rows?: RowRange): Promise<BlockQuantized> };
}

/** A matrix of low rank that is added to a stored one `[nOut, nIn]`: up `[nOut, rank]` times down `[rank, nIn]`. */
export interface StoredAdapter {
  /** What it comes from, for errors. */
  readonly from: string;
  readonly down: StoredTensor;
  readonly up: StoredTensor;
  readonly scale: number;
}

/** A stored tensor, or rows of one, as a model names it. */
export interface WeightRef {
  /** Unique: the tensor's name, with its rows where it is a part of one. */
  readonly name: string;
  readonly tensor: StoredTensor;
  readonly shape: readonly number[];
  readonly rows?: RowRange;
  /** Its slices along the outermost axis do not follow each other in the file: it is read slice by slice. */
  readonly isScattered?: true;
  /** The i-th slice along the outermost axis. */
  at(i: number): WeightRef;
}

/** Throws a UserError unless a tensor is stored in this shape. */
const expectStored = (tensor: StoredTensor, shape: readonly number[], what: string): void => {
  if (sameShape(tensor.shape, shape)) return;
  throw new UserError('model', `${what}: shape ${showShape(tensor.shape)}, expected ${showShape(shape)}`);
};

/** What the i-th adapter of a tensor is called: several files may have one for it. */
const adapterName = (tensor: string, i: number): string => `adapter.${i}.${tensor}`;

const wholeRef = (tensor: StoredTensor): WeightRef => refOf(tensor, tensor.name, tensor.shape, undefined);

const refOf = (
  tensor: StoredTensor,
  name: string,
  shape: readonly number[],
  rows: RowRange | undefined,
): WeightRef => ({
  name,
  tensor,
  shape,
  ...(rows && { rows }),
  at(i) {
    const rest = shape.slice(1);
    const height = elements(rest.slice(0, -1));
    const from = (rows?.from ?? 0) + i * height;
    return refOf(tensor, `${name}[${i}]`, rest, { from, to: from + height });
  },
});

/** Some elements of a vector of a plain type: it is a single row, which cannot be cut by rows. */
const elementsOf = (vector: StoredTensor, from: number, to: number): WeightRef =>
  wholeRef({
    name: `${vector.name}[${from}:${to}]`,
    type: vector.type,
    shape: [to - from],
    byteLength: (vector.byteLength / (vector.shape[0] ?? 1)) * (to - from),
    read: async () => {
      const bytes = await vector.read();
      const each = bytes.length / (vector.shape[0] ?? 1);
      return bytes.subarray(from * each, to * each);
    },
    decode: async () => (await vector.decode()).subarray(from, to),
  });

/** Of each of the slices `[height, width]` that make up a stored matrix, some rows: `[n, rows, width]`. */
const partOfSlices = (whole: WeightRef, [n, height, width]: SliceShape, rows: RowRange): WeightRef => {
  const isAll = rows.to - rows.from === height;
  const name = isAll ? whole.name : `${whole.name}[:, ${rows.from}..${rows.to}]`;
  return {
    name,
    tensor: whole.tensor,
    shape: [n, rows.to - rows.from, width],
    ...(!isAll && { isScattered: true }),
    at(i) {
      const [from, to] = [i * height + rows.from, i * height + rows.to];
      return refOf(whole.tensor, `${name}[${i}]`, [rows.to - rows.from, width], { from, to });
    },
  };
};

type SliceShape = readonly [n: number, height: number, width: number];

/** A product that is added to a layer's: x times down `[rank, nIn]`, then up `[nOut, rank]`, both transposed, scaled. */
export interface Adapter {
  readonly down: WeightRef;
  readonly up: WeightRef;
  readonly scale: number;
}

/** A linear layer: weight `[nOut, nIn]`, bias `[nOut]`. */
export interface Linear {
  readonly weight: WeightRef;
  readonly bias?: WeightRef;
  readonly adapters?: readonly Adapter[];
}

/** A linear layer of each head's own: weight `[nHead, nOut, nIn]`, or turned over, `[nHead, nIn, nOut]`. */
export interface HeadLinear {
  readonly weight: WeightRef;
  readonly isTurned: boolean;
}

/** A normalisation: by root mean square, or by mean and variance. */
export type Norm =
  | { readonly kind: 'rms'; readonly weight: WeightRef; readonly eps: number }
  | { readonly kind: 'layer'; readonly weight: WeightRef; readonly bias: WeightRef; readonly eps: number };

/** A cursor over tensor names. Every shape is checked when it is handed out. */
export class Weights {
  readonly #source: WeightSource;
  readonly #prefix: string;
  readonly #claimed: Set<string>;

  constructor(source: WeightSource, prefix = '', claimed = new Set<string>()) {
    this.#source = source;
    this.#prefix = prefix;
    this.#claimed = claimed;
  }

  /** The cursor below `name`. */
  at(name: string): Weights {
    return new Weights(this.#source, `${this.#prefix}${name}.`, this.#claimed);
  }

  /** The weights of n layers named `name.0`, `name.1`, ... */
  each<W>(name: string, n: number, read: (w: Weights, i: number) => W): W[] {
    return Array.from({ length: n }, (_, i) => read(this.at(`${name}.${i}`), i));
  }

  has(name: string): boolean {
    const path = this.#prefix + name;
    return this.#source.tensors.has(path) || this.#source.invented?.has(path) === true;
  }

  /** The stored shape of a tensor, where it tells what the header does not. Throws a UserError if there is none. */
  shape(name: string): readonly number[] {
    const path = this.#prefix + name;
    const tensor = this.#source.tensors.get(path);
    if (!tensor) throw new UserError('model', `tensor '${path}' is missing`);
    return tensor.shape;
  }

  /** The tensor of this name and shape. Throws a UserError that names what is missing or misshapen. */
  tensor(name: string, shape: readonly number[]): WeightRef {
    const path = this.#prefix + name;
    const tensor = this.#source.tensors.get(path) ?? this.#source.invented?.make(path, shape);
    if (!tensor) throw new UserError('model', `tensor '${path}' is missing, expected with shape ${showShape(shape)}`);
    expectStored(tensor, shape, `tensor '${path}'`);
    this.#claimed.add(path);
    return wholeRef(tensor);
  }

  /** The same, or undefined where the file has none. */
  optional(name: string, shape: readonly number[]): WeightRef | undefined {
    return this.has(name) ? this.tensor(name, shape) : undefined;
  }

  /**
   * One stored matrix seen as several, no bytes moved: each of its n slices holds `heights[0]` rows of the first, then
   * `heights[1]` of the second, ...; gives `[n, height, width]` for each. The file may write it with two axes or three.
   */
  slices(name: string, n: number, heights: readonly number[], width: number): WeightRef[] {
    const height = heights.reduce((a, b) => a + b, 0);
    const isFlat = this.#source.tensors.get(this.#prefix + name)?.shape.length === 2;
    const whole = this.tensor(name, isFlat ? [n * height, width] : [n, height, width]);
    let from = 0;
    return heights.map((rows) => {
      const part = partOfSlices(whole, [n, height, width], { from, to: from + rows });
      from += rows;
      return part;
    });
  }

  /** `name.weight` as `[nOut, nIn]`, with `name.bias` where the file has one, and what adapters add to it. */
  linear(name: string, nIn: number, nOut: number): Linear {
    const weight = this.tensor(`${name}.weight`, [nOut, nIn]);
    const bias = this.optional(`${name}.bias`, [nOut]);
    const adapters = this.#adapters(`${name}.weight`, nIn, nOut);
    return { weight, ...(bias && { bias }), ...(adapters.length > 0 && { adapters }) };
  }

  /** `name.weight` as `[nOut, nIn, ...kernel]`, and `name.bias` where the file has one. */
  conv(name: string, nIn: number, nOut: number, kernel: readonly number[]): Linear {
    const weight = this.tensor(`${name}.weight`, [nOut, nIn, ...kernel]);
    const bias = this.optional(`${name}.bias`, [nOut]);
    return bias ? { weight, bias } : { weight };
  }

  /** One stored layer seen as several by rows, `heights[i]` of them in the i-th; no bytes are moved. */
  linears(name: string, nIn: number, heights: readonly number[]): Linear[] {
    const { adapters, ...whole } = this.linear(
      name,
      nIn,
      heights.reduce((a, b) => a + b, 0),
    );
    if (adapters)
      throw new UserError(
        'model',
        `adapters of '${this.#prefix}${name}', which is several layers in one, are not supported`,
      );
    let to = 0;
    return heights.map((nOut) => {
      const from = to;
      to += nOut;
      const rows = refOf(whole.weight.tensor, `${whole.weight.name}[${from}:${to}]`, [nOut, nIn], { from, to });
      return whole.bias ? { weight: rows, bias: elementsOf(whole.bias.tensor, from, to) } : { weight: rows };
    });
  }

  rmsNorm(name: string, n: number, eps: number): Norm {
    return { kind: 'rms', weight: this.tensor(`${name}.weight`, [n]), eps };
  }

  layerNorm(name: string, n: number, eps: number): Norm {
    return { kind: 'layer', weight: this.tensor(`${name}.weight`, [n]), bias: this.tensor(`${name}.bias`, [n]), eps };
  }

  /** Marks tensors as known and unused, such as what later training stages left in a file. */
  ignore(name: string): void {
    if (this.has(name)) this.#claimed.add(this.#prefix + name);
  }

  /** The same of all tensors below `name`. */
  ignoreBelow(name: string): void {
    const prefix = `${this.#prefix}${name}.`;
    for (const path of this.#source.tensors.keys()) if (path.startsWith(prefix)) this.#claimed.add(path);
  }

  /** Adapters that nobody asked for: what they add to is no layer of the model, or none that can be added to. */
  unusedAdapters(): readonly { readonly name: string; readonly from: string }[] {
    return [...(this.#source.adapters ?? [])].flatMap(([name, [adapter]]) =>
      adapter && !this.#claimed.has(adapterName(name, 0)) ? [{ name, from: adapter.from }] : [],
    );
  }

  #adapters(name: string, nIn: number, nOut: number): Adapter[] {
    const path = this.#prefix + name;
    return (this.#source.adapters?.get(path) ?? []).map(({ from, down, up, scale }, i) => {
      const rank = down.shape[0] ?? 0;
      expectStored(down, [rank, nIn], `tensor '${down.name}' of '${from}'`);
      expectStored(up, [nOut, rank], `tensor '${up.name}' of '${from}'`);
      const label = adapterName(path, i);
      this.#claimed.add(label);
      return {
        down: refOf(down, `${label}.lora_a`, down.shape, undefined),
        up: refOf(up, `${label}.lora_b`, up.shape, undefined),
        scale,
      };
    });
  }

  /** The names of tensors that nobody asked for. */
  unclaimed(): string[] {
    return [...this.#source.tensors.keys()].filter((name) => !this.#claimed.has(name));
  }
}
