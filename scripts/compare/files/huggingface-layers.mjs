/**
 * Layers in the operators that optimum's export of transformers' PyTorch code comes to: norms and GELU taken apart,
 * attention as products and a softmax. ONNX Runtime fuses what it knows of that when it loads a model. Shapes that the
 * export computes when running are written down where they are known, which spares the runtime a little.
 *
 * With `weights: 'u8'` or `'i8'`, products with weights are what onnxruntime.quantization makes of them dynamically, one
 * scale a tensor: this is how transformers.js' script writes `*_quantized.onnx`, unsigned in models with convolutions.
 */

/** All of a source's weights as float32, by name. */
export const readAll = async ({ tensors }) => {
  const all = new Map();
  for (const tensor of tensors.values()) all.set(tensor.name, { shape: tensor.shape, values: await tensor.decode() });
  return all;
};

/** Rows `from` to `to` of a matrix, or of a vector. */
export const rowsOf = ({ shape: [nRow, ...rest], values }, from, to) => {
  const width = values.length / nRow;
  return { shape: [to - from, ...rest], values: values.subarray(from * width, to * width) };
};

const transposed = ({ shape: [nOut, nIn], values }) => {
  const result = new Float32Array(values.length);
  for (let o = 0; o < nOut; o++) for (let i = 0; i < nIn; i++) result[i * nOut + o] = values[o * nIn + i];
  return result;
};

/** One scale for all values; signed about 0, unsigned with a zero point. As onnxruntime.quantization reckons them. */
const quantised = (values, isSigned) => {
  let [least, most] = [0, 0];
  for (const x of values) {
    if (x < least) least = x;
    if (x > most) most = x;
  }
  const scale = (isSigned ? Math.max(-least, most) / 127 : (most - least) / 255) || 1;
  const zero = isSigned ? 0 : Math.round(-least / scale);
  const integers = new (isSigned ? Int8Array : Uint8Array)(values.length);
  for (let i = 0; i < values.length; i++) integers[i] = Math.round(values[i] / scale) + zero;
  return { integers, scale, zero };
};

/**
 * The layers of a graph.
 * @param g nodes, of `newModel`
 * @param weights type of the weights of products: 'f32', 'u8' or 'i8'
 */
export const layersOf = (g, weights) => {
  const tensor = (name, { shape, values }) => g.constant(name, 'f32', shape, () => values);
  const isSigned = weights === 'i8';

  /** Names of integers, their scale and their zero point; made once for each name. */
  const integers = (name, dims, values) => {
    if (!g.initializers.has(name)) {
      const q = quantised(values(), isSigned);
      // Random weights may all have one range, trained ones never do: from equal scales the runtime would make one
      // constant, and would then leave products apart that it fuses in every real model.
      const scale = q.scale * (1 + 1e-6 * g.initializers.size);
      g.constant(name, weights, dims, () => q.integers);
      g.constant(`${name}_scale`, 'f32', [], () => Float32Array.of(scale));
      g.constant(`${name}_zero_point`, weights, [], () => q.integers.constructor.of(q.zero));
    }
    return [name, `${name}_scale`, `${name}_zero_point`];
  };
  /** An activation is quantised once, whoever multiplies it. */
  const dynamic = new Map();
  const quantise = (x) => {
    if (!dynamic.has(x)) dynamic.set(x, g.node('DynamicQuantizeLinear', [x], {}, 3));
    return dynamic.get(x);
  };
  const integerProduct = (opType, x, [w, wScale, wZero], attributes) => {
    const [q, scale, zero] = quantise(x);
    const sum = g.node('Cast', [g.node(opType, [q, w, zero, wZero], attributes)], { to: 1 });
    return g.node('Mul', [sum, g.node('Mul', [scale, wScale])]);
  };

  const product = (x, name, weight) => {
    const dims = weight.shape.toReversed();
    if (weights === 'f32') return g.node('MatMul', [x, g.constant(name, 'f32', dims, () => transposed(weight))]);
    return integerProduct(
      'MatMulInteger',
      x,
      integers(`${name}_q`, dims, () => transposed(weight)),
    );
  };
  const reshape = (x, dims) => g.node('Reshape', [x, g.i64(dims)]);
  const transpose = (x, perm) => g.node('Transpose', [x], { perm });

  return {
    tensor,
    reshape,
    transpose,

    /** @param weight `[nOut, nIn]` */
    linear(x, name, weight, bias) {
      const y = product(x, `${name}.weight`, weight);
      return bias ? g.node('Add', [tensor(`${name}.bias`, bias), y]) : y;
    },
    convolution(x, name, weight, bias, attributes) {
      const { shape, values } = weight;
      if (weights === 'f32') {
        const inputs = [x, tensor(`${name}.weight`, weight), tensor(`${name}.bias`, bias)];
        return g.node('Conv', inputs, attributes);
      }
      const sum = integerProduct(
        'ConvInteger',
        x,
        integers(`${name}_q`, shape, () => values),
        attributes,
      );
      const broadcast = { shape: [1, shape[0], ...shape.slice(2).map(() => 1)], values: bias.values };
      return g.node('Add', [sum, tensor(`${name}.bias`, broadcast)]);
    },
    /** Rows of a table `[n, width]`. */
    rows(table, name, ids) {
      if (weights === 'f32') return g.node('Gather', [tensor(name, table), ids]);
      const [q, scale, zero] = integers(`${name}_q`, table.shape, () => table.values);
      return g.node('DequantizeLinear', [g.node('Gather', [q, ids]), scale, zero]);
    },
    norm(x, name, weight, bias, eps) {
      const difference = g.node('Sub', [x, g.node('ReduceMean', [x], { axes: [-1] })]);
      const variance = g.node('ReduceMean', [g.node('Pow', [difference, g.f32(2)])], { axes: [-1] });
      const deviation = g.node('Sqrt', [g.node('Add', [variance, g.f32(eps)])]);
      const scaled = g.node('Mul', [g.node('Div', [difference, deviation]), tensor(`${name}.weight`, weight)]);
      return g.node('Add', [scaled, tensor(`${name}.bias`, bias)]);
    },
    gelu(x) {
      const erf = g.node('Erf', [g.node('Div', [x, g.f32(Math.SQRT2)])]);
      return g.node('Mul', [g.node('Mul', [x, g.node('Add', [erf, g.f32(1)])]), g.f32(0.5)]);
    },
    /** `[B, T, nEmbd]` to `[B, nHead, T, headDim]`. */
    heads: (x, nHead, headDim) => transpose(reshape(x, [0, -1, nHead, headDim]), [0, 2, 1, 3]),
    /**
     * Of heads; the result is `[B, T, nEmbd]`.
     * @param scaled queries already divided by the root of their size
     */
    attend(scaled, k, v, nEmbd, mask) {
      const products = g.node('MatMul', [scaled, transpose(k, [0, 1, 3, 2])]);
      const scores = mask ? g.node('Add', [products, mask]) : products;
      const y = g.node('MatMul', [g.node('Softmax', [scores], { axis: -1 }), v]);
      return reshape(transpose(y, [0, 2, 1, 3]), [0, -1, nEmbd]);
    },
  };
};
