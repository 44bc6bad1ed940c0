/** Ctrl-C and SIGTERM during a training. */
import os from 'node:os';

const names = ['SIGINT', 'SIGTERM'] as const;

/** Seconds within which a repeated signal is the same one: npx passes on a Ctrl-C that has reached us already. */
const echoPeriod = 0.25;

export interface InterruptSignals {
  /** Aborts at the first signal. */
  readonly signal: AbortSignal;
  /** 130 after SIGINT, 143 after SIGTERM, as shells count. */
  readonly exitCode: number;
  /** Gives the signals back to the system. */
  release(): void;
}

/**
 * Turns the first signal into an abort; the same one again ends the process at once. A different one does not: the
 * launcher sends SIGTERM when npx, which got the same Ctrl-C, is gone.
 * @param onFirst told its name
 */
export function catchSignals(onFirst: (name: string) => void): InterruptSignals {
  const controller = new AbortController();
  let first: (typeof names)[number] | undefined;
  let time = 0;
  const codeOf = (name: (typeof names)[number]) => 128 + os.constants.signals[name];
  const handlers = names.map(name => {
    const handler = () => {
      const echo = performance.now() - time < 1000 * echoPeriod;
      if (first === name && !echo) process.exit(codeOf(name));
      if (first !== undefined) return;
      first = name;
      time = performance.now();
      controller.abort();
      onFirst(name);
    };
    process.on(name, handler);
    return { name, handler };
  });
  return {
    signal: controller.signal,
    get exitCode() {
      return first === undefined ? 1 : codeOf(first);
    },
    release: () => {
      for (const { name, handler } of handlers) process.off(name, handler);
    },
  };
}
