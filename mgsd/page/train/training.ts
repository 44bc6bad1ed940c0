/** A training as the page follows it: started in a worker of its own, told as states that the panel draws. */
import type { TableRow } from '../../evaluation/table.js';
import type { RunConfig } from '../../method/config.js';
import type { RunEstimate } from '../../runs/estimate.js';
import { startEngine } from '../engine.js';
import type { Engine } from '../engine.js';
import { messageOf } from '../protocol.js';
import type { Place, TrainEvent } from './calls.js';

export interface TrainState {
  readonly phase: 'idle' | 'measuring' | 'training' | 'done';
  /** Of the run that is measured, trained or done. */
  readonly config?: RunConfig;
  readonly estimate?: RunEstimate;
  readonly place?: Place;
  readonly evaluation?: Extract<TrainEvent, { evaluation: unknown }>['evaluation'];
  readonly notes: readonly string[];
  readonly table?: readonly TableRow[];
  /** Why it ended before its table. */
  readonly problem?: string;
}

const idle: TrainState = { phase: 'idle', notes: [] };

/** One training at a time. Every method returns at once; `onState` hears of all that follows. */
export class Training {
  #state = idle;
  #engine: Engine | undefined;
  readonly #onState: (state: TrainState) => void;

  constructor(onState: (state: TrainState) => void) {
    this.#onState = onState;
  }

  /** Measures what the run would take. */
  measure(config: RunConfig): void {
    this.#begin({ ...idle, config, phase: 'measuring' }, async engine => {
      const estimate = await engine.call('estimate', config);
      this.#change({ phase: 'idle', estimate });
    });
  }

  /** Trains to the table; measures first, unless that was done. */
  start(config: RunConfig): void {
    const known = this.#state.config === config ? this.#state.estimate : undefined;
    this.#begin({ ...idle, config, phase: 'measuring' }, async engine => {
      const estimate = known ?? (await engine.call('estimate', config));
      this.#change({ phase: 'training', estimate });
      const table = await engine.call('trainRun', config, { onEvent: event => this.#told(event) });
      this.#change({ phase: 'done', table });
    });
  }

  /** Ends what runs, and all that it has learnt. */
  stop(): void {
    const engine = this.#engine;
    this.#engine = undefined;
    engine?.stop();
    this.#state = { ...idle, notes: ['Stopped.'] };
    this.#onState(this.#state);
  }

  #begin(state: TrainState, body: (engine: Engine) => Promise<void>): void {
    const engine = (this.#engine ??= ownEngine());
    this.#state = state;
    this.#onState(state);
    body(engine).catch((error: unknown) => {
      if (this.#engine !== engine) return; // stopped
      engine.stop();
      this.#engine = undefined;
      this.#change({ phase: 'idle', problem: messageOf(error) });
    });
  }

  #told(event: TrainEvent): void {
    if ('note' in event) this.#change({ notes: [...this.#state.notes, event.note] });
    else if ('place' in event) {
      const { evaluation: _, ...before } = this.#state;
      this.#state = before;
      this.#change(event);
    } else this.#change(event);
  }

  #change(changes: Partial<TrainState>): void {
    this.#state = { ...this.#state, ...changes };
    this.#onState(this.#state);
  }
}

/** An engine that trains for minutes leaves the page's to the other panels. */
function ownEngine(): Engine {
  const engine = startEngine();
  engine.device.catch(() => undefined); // calls say so too
  return engine;
}

/** Seconds to the end of a run, by its estimate and the speed that is measured now. */
export function secondsLeft({ stages }: RunEstimate, { stage, step, steps, updatesPerSecond }: Place): number {
  const at = stages.findIndex(each => each.stage === stage);
  const { secondsPerStep, evaluationSeconds } = stages[at]!;
  const perStep = updatesPerSecond === undefined ? secondsPerStep : 1 / updatesPerSecond;
  const later = stages.slice(at + 1).reduce((sum, each) => sum + each.trainingSeconds + each.evaluationSeconds, 0);
  return (steps - step) * perStep + (perStep / secondsPerStep) * (evaluationSeconds + later);
}
