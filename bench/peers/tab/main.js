// The page of bench:tab: each engine runs in a worker of its own, one at a time.
const workers = new Map();

const ask = (worker, request) =>
  new Promise((resolve, reject) => {
    worker.onerror = ({ message }) => reject(new Error(message || 'the worker does not start'));
    worker.onmessage = ({ data }) => ('error' in data ? reject(new Error(data.error)) : resolve(data.value));
    worker.postMessage(request);
  });

/** Starts an engine; resolves to the losses of its first steps. */
globalThis.start = (name, request) => {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  workers.set(name, worker);
  return ask(worker, request);
};

/** Milliseconds of its training steps for so many seconds. */
globalThis.turn = (name, seconds) => ask(workers.get(name), { seconds });
