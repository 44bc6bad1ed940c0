/** Metrics of the updates, which arrive late so that the device stays busy: logged, reported, and checked for NaN. */
import type { Metrics } from '../method/stages/stage.js';
import { BadSteps } from './bad-steps.js';
import type { OpenStage } from './open-stage.js';
import type { TrainOptions } from './train-options.js';

/** Updates whose metrics may be outstanding: enough to keep an asynchronous device busy. */
const stepsInFlight = 2;

/** Updates over which the speed is averaged. */
const speedWindow = 20;

export class StepLog {
  readonly #opened: OpenStage;
  readonly #options: TrainOptions;
  readonly #bad: BadSteps;
  readonly #outstanding: { step: number; metrics: Promise<Metrics> }[] = [];
  #times = [performance.now()];
  /** Number of the last update in the log, of this process. */
  written = 0;

  private constructor(opened: OpenStage, options: TrainOptions, bad: BadSteps) {
    this.#opened = opened;
    this.#options = options;
    this.#bad = bad;
  }

  static async start(opened: OpenStage, options: TrainOptions): Promise<StepLog> {
    return new StepLog(opened, options, await BadSteps.start(opened.stage.name, opened.optimizer));
  }

  /** After `step` updates. @throws TooManyBadSteps */
  async add(step: number, metrics: Promise<Metrics>): Promise<void> {
    metrics.catch(() => {}); // `#report` awaits it, unless another error comes first
    this.#outstanding.push({ step, metrics });
    if (this.#outstanding.length > stepsInFlight) await this.#report();
  }

  /** Waits for all outstanding metrics. @throws TooManyBadSteps */
  async drain(): Promise<void> {
    while (this.#outstanding.length > 0) await this.#report();
  }

  /** What was done since the last update does not count as training time. */
  restartClock(): void {
    this.#times = [performance.now()];
  }

  async #report(): Promise<void> {
    const { stage, model } = this.#opened;
    const { config, folder, observer } = this.#options;
    const { step, metrics: promise } = this.#outstanding.shift()!;
    const metrics = await promise;
    const times = this.#times;
    times.push(performance.now());
    if (times.length > speedWindow + 1) times.shift();
    const { batch } = stage.name === 'direct' ? config.stage1 : config[stage.name];
    const samplesPerSecond = (1000 * batch * (times.length - 1)) / (times.at(-1)! - times[0]!);
    const memory = { deviceBytes: model.device.memory().peakBytes, hostBytes: folder.hostBytes() };
    folder.appendLog({ stage: stage.name, step, ...metrics, samplesPerSecond, ...memory });
    this.written = step;
    observer?.onStep?.({ stage: stage.name, title: stage.title, step, steps: stage.steps, metrics, samplesPerSecond });
    const note = this.#bad.after(step, metrics);
    if (note !== undefined) observer?.onNote?.(note);
  }
}
