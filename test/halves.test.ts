/** Programs in float16: the conversion of weights, and what models say with it. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../src/graph/builder.ts';
import { halvesOf } from '../src/graph/lower/halves.ts';
import { lower } from '../src/graph/lower/lower.ts';
import { floatToHalf, halfToFloat } from '../src/io/gguf/quants/half.ts';
import { openVit } from '../src/io/vit/open.ts';
import { readModel } from '../src/models/definition.ts';
import { vit } from '../src/models/vit.ts';
import { f32, fused, runAll } from './cpu.ts';
import { fixture, nmse } from './fixtures.ts';
import { idsOf, inPieces, referenceOf, topOfRows, withDecoder } from './models/decoders.ts';

it('float32 becomes the nearest half, of any size', () => {
  const every = Array.from({ length: 0x10000 }, (_, bits) => halfToFloat(bits)).filter(Number.isFinite);
  const between = every.flatMap((x) => [x * 1.0004, x + 2 ** -25, x + 2 ** -26]);
  const values = Float32Array.from([...every, ...between, 65519, 65520, 1e9, -1e9, 1e-9, Infinity, -Infinity]);
  const expected = Uint16Array.from(values, floatToHalf);
  expect(Buffer.compare(Buffer.from(halvesOf(values).buffer), Buffer.from(expected.buffer))).toBe(0);
  expect(halfToFloat(halvesOf(Float32Array.of(Number.NaN))[0]!)).toBeNaN();
});

// A processor has few kernels for halves and widens them between; what a graphics card rounds, it rounds as well.
describe('in float16', () => {
  it.each(['gqa-q4_0', 'gqa-f32', 'qwen3', 'gqa256-q4_k', 'moe'])('%s says what it says, nearly', async (name) => {
    const [ids, exact] = [idsOf(name), referenceOf(name, 'exact')];
    const arithmetic = { compute: 'block', fused: true, halves: true } as const;
    const logits = await withDecoder(fixture(`llama/${name}.gguf`), arithmetic, (decoder) =>
      inPieces(decoder, ids, [23, 1]),
    );
    expect(nmse(logits, exact)).toBeLessThanOrEqual(1e-3);
    const same = topOfRows(logits, 288).filter((id, i) => id === topOfRows(exact, 288)[i]).length;
    expect(same / ids.length).toBeGreaterThan(0.9);
  });

  it('an image model does too, from half the weights', async () => {
    const file = await openVit(fixture('vit/vit-micro-f16.bin'));
    try {
      const g = new GraphBuilder('vit');
      const model = readModel(vit, file);
      vit.graphs.classify(g, model);
      const { imageSize } = model.h;
      const image = f32([1, 3, imageSize, imageSize], (i) => Math.sin(0.37 * i));
      const [whole, halves] = [fused, { ...fused, halves: true }].map((target) => lower(g.build(), target, {}));
      const [[exact], [rounded]] = [await runAll(whole!, [{ image }]), await runAll(halves!, [{ image }])];
      expect(halves!.weightBytes / whole!.weightBytes).toBeLessThan(0.75);
      expect(rounded!.logits!.dtype).toBe('f32');
      const of = (outputs: typeof exact) => Float32Array.from(outputs!.logits!.values);
      expect(nmse(of(rounded), of(exact))).toBeLessThanOrEqual(1e-4);
      expect(of(rounded)).not.toEqual(of(exact));
    } finally {
      await file.close();
    }
  });
});
