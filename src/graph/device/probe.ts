/**
 * Starts one provider with a program and prints what came of it. Runs as a process of its own: a driver may print,
 * hang or crash, and none of this should happen to somebody who only asked what there is.
 */
import { messageOf } from '../../errors.ts';
import type { EngineOptions, HostTensor } from './engine.ts';
import { Engine } from './engine.ts';

export interface ProbeRequest {
  readonly options: EngineOptions;
  /** Inputs of one run, f32. */
  readonly inputs: Readonly<Record<string, { readonly dims: readonly number[]; readonly values: readonly number[] }>>;
}

export interface ProbeResult {
  /** Absent when the provider works. */
  readonly error?: string;
}

const probe = async ({ options, inputs }: ProbeRequest): Promise<ProbeResult> => {
  try {
    const engine = await Engine.open(options);
    const feeds = Object.entries(inputs).map(([name, { dims, values }]): [string, HostTensor] => [
      name,
      { dtype: 'f32', dims, data: Float32Array.from(values) },
    ]);
    await engine.run(Object.fromEntries(feeds));
    await engine.close();
    return {};
  } catch (error) {
    return { error: messageOf(error) };
  }
};

console.log(JSON.stringify(await probe(JSON.parse(process.argv[2] ?? '') as ProbeRequest)));
