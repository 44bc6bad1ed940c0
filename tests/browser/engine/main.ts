/** Hands questions of a test on to the worker that the engine runs in. */
import type { Answer, Question } from './worker.js';

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });

worker.onerror = ({ message }) => console.error(message || 'the worker does not start');

const ask = (question: Question) =>
  new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Answer>) =>
      'error' in data ? reject(new Error(data.error)) : resolve(data.value);
    worker.postMessage(question);
  });

Object.assign(globalThis, { ask });
