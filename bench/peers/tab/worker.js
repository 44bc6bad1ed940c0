// An engine in a worker of bench:tab's page.
import { readTask } from '../task.mjs';

async function ours({ backend, threads }) {
  const { openDevice } = await import('../../../dist/core/index.js');
  const { Transformer } = await import('../../../dist/bench/transformer.js');
  const transformer = new Transformer(await openDevice(backend, { threads }));
  return () => transformer.step();
}

async function jax({ backend, threads }) {
  // as many as its pool takes, which it makes at its first step
  Object.defineProperty(navigator, 'hardwareConcurrency', { value: threads });
  const { defaultDevice, init } = await import('@jax-js/jax');
  await init(backend);
  defaultDevice(backend);
  const { makeModel } = await import('../jax-model.mjs');
  const [task, data] = await Promise.all(['task.json', 'data.bin'].map(file => fetch(new URL(`/${file}`, location))));
  const model = makeModel(readTask(await task.json(), new Float32Array(await data.arrayBuffer())));
  return () => model.step();
}

let step;

async function answer(request) {
  if (request.engine) {
    step = await (request.engine === 'jax' ? jax : ours)(request);
    const losses = [];
    while (losses.length < request.losses) losses.push(await step());
    return losses;
  }
  const milliseconds = [];
  for (const end = performance.now() + 1000 * request.seconds; performance.now() < end || milliseconds.length < 3;) {
    const start = performance.now();
    await step();
    milliseconds.push(performance.now() - start);
  }
  return milliseconds;
}

globalThis.onmessage = ({ data }) =>
  answer(data).then(
    value => postMessage({ value }),
    error => postMessage({ error: String(error?.stack ?? error) }),
  );
