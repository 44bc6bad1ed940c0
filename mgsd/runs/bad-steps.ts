/**
 * Updates whose numbers were not finite. The device has already skipped them (core/optimizer.ts), so nothing is lost; a
 * run with too many of them is stopped. `explainNaN` finds out where they come from by running them again.
 */
import { stateFields } from '../../core/index.js';
import type { AdamW } from '../../core/index.js';
import type { Metrics, StageName } from '../method/stages/stage.js';

/** Bad updates in a row, and in all of a stage, after which a run is stopped. */
export const badStepsInARow = 3;
const badStepsInAll = 20;

/** Too many updates were not finite for the run to continue. */
export class TooManyBadSteps extends Error {
  override name = 'TooManyBadSteps';
  /** Number (from 1) of the first bad update of the last row of them. */
  readonly first: number;

  constructor(message: string, first: number) {
    super(message);
    this.first = first;
  }
}

/** Counts the bad updates of a stage. */
export class BadSteps {
  readonly #stage: StageName;
  #skipped: number;
  #lossScale: number;
  #inARow = 0;
  #inAll = 0;
  #overflows = 0;

  private constructor(stage: StageName, skipped: number, lossScale: number) {
    this.#stage = stage;
    this.#skipped = skipped;
    this.#lossScale = lossScale;
  }

  /** Begins to count in a stage, which may resume in the middle. */
  static async start(stage: StageName, optimizer: Pick<AdamW, 'state'>): Promise<BadSteps> {
    const state = await optimizer.state.read();
    const field = (name: (typeof stateFields)[number]) => state[stateFields.indexOf(name)];
    return new BadSteps(stage, field('skipped') ?? 0, field('lossScale') ?? 1);
  }

  /** Bad updates in a row up to now. */
  get inARow(): number {
    return this.#inARow;
  }

  /**
   * Counts update number `step` (from 1), in order. A gradient that overflowed at a loss scale above 1 is no fault: the
   * scale finds its size that way.
   * @returns a note if the update was skipped
   * @throws TooManyBadSteps
   */
  after(step: number, { loss = NaN, skipped = 0, lossScale = 1 }: Metrics): string | undefined {
    const wasSkipped = skipped > this.#skipped;
    const scale = this.#lossScale;
    this.#skipped = skipped;
    this.#lossScale = lossScale;
    const where = `${this.#stage}, update ${step}`;
    if (wasSkipped && scale > 1 && Number.isFinite(loss))
      return `${where}: skipped, since gradients overflowed at loss scale ${scale} (${++this.#overflows} so far)`;
    if (!wasSkipped && Number.isFinite(loss)) {
      this.#inARow = 0;
      return undefined;
    }
    this.#inARow++;
    this.#inAll++;
    const finding = `${where}: the ${Number.isFinite(loss) ? 'gradient' : 'loss'} is not finite; the update was skipped`;
    const count = this.#inARow >= badStepsInARow ? `${this.#inARow} in a row` : `${this.#inAll}`;
    if (this.#inARow >= badStepsInARow || this.#inAll >= badStepsInAll)
      throw new TooManyBadSteps(
        `${finding}. This was bad update number ${count}: try a smaller learning rate or clip harder (optimizer.maxNorm)`,
        step - this.#inARow + 1,
      );
    return finding;
  }
}
