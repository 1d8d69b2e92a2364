/** One engine's figures as a line of JSON: each runs in a process of its own, so that memory and start are its own too. */
import { peakBytes, watchOthers } from '../../dist/commands/bench/machine.js';
import { openGrafoImages, openGrafoSpeech, openGrafoText } from './engines/grafo.mjs';
import { openNodeLlamaCpp } from './engines/node-llama-cpp.mjs';
import { openTransformersImages, openTransformersSpeech } from './engines/transformers.mjs';
import { measureImages } from './measure/images.mjs';
import { measureSpeech } from './measure/speech.mjs';
import { measureText } from './measure/text.mjs';

const tasks = {
  'grafo text': [measureText, openGrafoText],
  'grafo images': [measureImages, openGrafoImages],
  'grafo speech': [measureSpeech, openGrafoSpeech],
  'node-llama-cpp text': [measureText, openNodeLlamaCpp],
  'transformers images': [measureImages, openTransformersImages],
  'transformers speech': [measureSpeech, openTransformersSpeech],
};
const [task, text] = process.argv.slice(2);
const { plan, ...options } = JSON.parse(text);
const [measure, open] = tasks[task];
const othersShare = watchOthers();
const figures = await measure(() => open(options), plan);
console.log(JSON.stringify({ ...figures, peakBytes: peakBytes(), othersShare: othersShare() }));
process.exit(0);
