/** vit.cpp by the program that vit-cpp.cpp is the source of: it times its own runs. */
import { median } from '../table.mjs';
import { runProgram } from '../turns.mjs';

/** Milliseconds an image. */
export const runVitCpp = async ({ program, file, threads, runs }) => {
  const { stderr } = await runProgram(program, [file, String(threads), String(runs)]);
  const times = JSON.parse(stderr.trim().split('\n').at(-1));
  return { 'batch 1': median(times.map(([wall]) => wall)) };
};
