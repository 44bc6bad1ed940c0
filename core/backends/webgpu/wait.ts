/** Waiting for a device. */
import { nextTurn } from '../../platform.js';

/**
 * Resolves as `promise` does. Dawn for Node polls from the event loop while anything is pending, which keeps one core
 * busy. A software adapter needs that core for its own threads: with `sleep`, the main thread sleeps between polls,
 * for up to a millisecond (on two cores this doubles the speed of long waits; a timer does not help, since Dawn polls
 * beside it).
 */
export async function settle<T>(promise: Promise<T>, sleep: boolean): Promise<T> {
  if (!sleep) return await promise;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let pending = true;
  const settled = () => {
    pending = false;
  };
  promise.then(settled, settled);
  for (let milliseconds = 0.05; ; milliseconds = Math.min(1, 2 * milliseconds)) {
    await nextTurn();
    // `settled` runs while we wait.
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition
    if (!pending) return await promise;
    Atomics.wait(cell, 0, 0, milliseconds);
  }
}
