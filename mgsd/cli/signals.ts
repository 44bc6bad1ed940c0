/** What ends a training early: Ctrl-C, SIGTERM, a terminal that is closed, a reader that goes away. */
import os from 'node:os';

const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Name = (typeof names)[number] | 'SIGPIPE';

/** Seconds within which a repeated signal is the same one: npx passes on a Ctrl-C that has reached us already. */
const echoPeriod = 0.25;

export interface InterruptSignals {
  /** Aborts at the first signal. */
  readonly signal: AbortSignal;
  /** 128 and the signal's number, as shells count: 130 after SIGINT, 143 after SIGTERM; 1 without one. */
  readonly exitCode: number;
  /** Why standard output could not be written, if it could not. */
  readonly outputError: Error | undefined;
  /** Gives the signals back to the system, and broken outputs to the terminal (terminal.ts). */
  release(): void;
}

/**
 * Turns the first signal into an abort; Ctrl-C or SIGTERM again ends the process at once. A different one does not: the
 * launcher sends SIGTERM when npx, which got the same Ctrl-C, is gone. Nor does a repeated SIGHUP, which a terminal
 * sends once itself and once by its shell.
 *
 * A reader that goes away (`| head -1`) counts as a signal. Any other failure of standard output, such as a full disk,
 * ends nothing: the run's results are in its folder. What standard error cannot take is dropped.
 *
 * @param onFirst told the signal's name
 * @param onOutputError told once why standard output is lost
 */
export function catchSignals(
  onFirst: (name: string) => void,
  onOutputError: (error: Error) => void = () => {},
): InterruptSignals {
  const controller = new AbortController();
  let first: Name | undefined;
  let time = 0;
  let outputError: Error | undefined;
  const codeOf = (name: Name) => 128 + os.constants.signals[name];
  const stop = (name: Name) => {
    if (first !== undefined) return;
    first = name;
    time = performance.now();
    controller.abort();
    onFirst(name);
  };
  const handlers = names.map(name => {
    const handler = () => {
      const echo = performance.now() - time < 1000 * echoPeriod;
      if (first === name && !echo && name !== 'SIGHUP') process.exit(codeOf(name));
      stop(name);
    };
    process.on(name, handler);
    return { name, handler };
  });
  const broken = new Set<NodeJS.WriteStream>();
  const outputs = [process.stdout, process.stderr] as const;
  function onBroken(this: NodeJS.WriteStream, error: NodeJS.ErrnoException): void {
    if (!broken.has(this) && this === process.stdout && error.code !== 'EPIPE') onOutputError((outputError = error));
    broken.add(this);
    if (this === process.stdout && error.code === 'EPIPE') stop('SIGPIPE');
  }
  for (const stream of outputs) stream.on('error', onBroken);
  return {
    signal: controller.signal,
    get exitCode() {
      return first === undefined ? 1 : codeOf(first);
    },
    get outputError() {
      return outputError;
    },
    release: () => {
      for (const { name, handler } of handlers) process.off(name, handler);
      // a broken one fails again with every further line
      for (const stream of outputs) if (!broken.has(stream)) stream.off('error', onBroken);
    },
  };
}
