/**
 * What goes wrong on a GPU is known only later: shaders that do not compile, memory that is not there, a device that
 * is lost.
 */
import { DeviceError } from '../../faults.js';
import { nextTurn } from '../../platform.js';
import { settle } from './wait.js';

/** How long a failed wait may be kept back for the news that the device is lost. */
const MOST_MILLISECONDS = 1000;

/** Collects the faults of a device and throws them where its owner waits: the first that matters, once. */
export class Faults {
  readonly #sleeps: boolean;
  /** Validity of shaders, buffers and batches, not known yet. */
  readonly #checks = new Set<Promise<void>>();
  #errors: Error[] = [];
  #lost: Error | undefined;
  #closed = false;

  /** @param sleeps true if waiting is to leave the processor to the device; see `settle` */
  constructor(device: GPUDevice, sleeps: boolean) {
    this.#sleeps = sleeps;
    device.addEventListener('uncapturederror', event => {
      event.preventDefault(); // else Dawn prints each: after one failed buffer there are thousands
      this.#errors.push(new Error(event.error.message));
    });
    void device.lost.then(({ reason, message }) => {
      if (!this.#closed)
        this.#lost = new DeviceError(
          'lost',
          `The GPU device was lost (${message || reason}). Its memory is gone: start again from the last checkpoint. Common causes are a driver that ` +
            'was reset because one launch took too long, memory that ran out, or a GPU that was taken away.',
        );
    });
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** From now on losing the device is no fault. */
  close(): void {
    this.#closed = true;
  }

  /** @throws Error once the device is lost, or its backend was closed */
  assertUsable(): void {
    if (this.#lost) throw this.#lost;
    if (this.#closed) throw new Error('This webgpu backend was closed.');
  }

  /**
   * Remembers a check until it is known; its error is thrown by the next wait, before others if it is their cause
   * (`first`).
   */
  track(check: Promise<void>, first = false): void {
    const known = check
      .catch((reason: unknown) => {
        const error = reason instanceof Error ? reason : new Error('unknown GPU error', { cause: reason });
        if (first) this.#errors.unshift(error);
        else this.#errors.push(error);
      })
      .finally(() => this.#checks.delete(known));
    this.#checks.add(known);
  }

  /** Waits, then throws the first error that anything before has caused. */
  async wait(work: Promise<unknown>): Promise<void> {
    const checks = [...this.#checks];
    let failure: Error | undefined;
    const settled = work.catch((error: unknown) => {
      failure = error instanceof Error ? error : new Error('the device refused to map a buffer', { cause: error });
    });
    await settle(settled, this.#sleeps);
    await settle(Promise.all(checks), this.#sleeps);
    // What fails on a device that is gone may be known before its loss is: in a browser by some milliseconds.
    const failed = () => failure !== undefined || this.#errors.length > 0;
    const end = performance.now() + (failure ? MOST_MILLISECONDS : 0);
    for (let turns = 0; failed() && !this.isLost && (turns < 10 || performance.now() < end); turns++) await nextTurn();
    if (this.#lost) throw this.#lost;
    if (this.#errors.length > 0) {
      const [first, ...others] = this.#errors;
      const fault = this.#errors.find(error => error instanceof DeviceError);
      this.#errors = [];
      if (fault) throw fault;
      // A shader that does not compile makes every launch of it fail as well: only the first message matters.
      const more = others.length > 0 ? `\n(and ${others.length} more, the next one: ${others[0]!.message})` : '';
      throw new Error(first!.message + more, { cause: first });
    }
    if (failure) throw failure;
  }
}
