/** A training as the page follows it: in a worker of its own, told as states that the panel draws. */
import type { TableRow } from '../../evaluation/table.js';
import type { RunConfig } from '../../method/config.js';
import type { RunEstimate } from '../../runs/estimate.js';
import type { Look } from '../../runs/looks.js';
import type { LogRecord } from '../../runs/store.js';
import { startEngine } from '../engine.js';
import type { Engine } from '../engine.js';
import { messageOf } from '../protocol.js';
import type { NamedFile } from '../student.js';
import type { Place, StoredRun, TrainEvent } from './calls.js';

/** What curves are made of. */
export interface Told {
  readonly log: readonly LogRecord[];
  readonly looks: readonly Look[];
}

export interface TrainState {
  /** `paused`: a run can go on, of this visit or an earlier one. */
  readonly phase: 'idle' | 'measuring' | 'training' | 'pausing' | 'paused' | 'done';
  /** Of the run that is measured, trained, paused or done. */
  readonly config?: RunConfig;
  readonly estimate?: RunEstimate;
  readonly place?: Place;
  readonly evaluation?: Extract<TrainEvent, { evaluation: unknown }>['evaluation'];
  /** As of a moment ago, while it trains. */
  readonly told: Told;
  readonly notes: readonly string[];
  readonly table?: readonly TableRow[];
  /** Why it ended before its table. */
  readonly problem?: string;
}

const nothing: Told = { log: [], looks: [] };
export const idle: TrainState = { phase: 'idle', notes: [], told: nothing };

/** The place, and the curves, are drawn anew this often, in milliseconds: drawing takes time from training. */
const [moveEvery, drawEvery] = [100, 2000];

/** One training at a time. Every method returns at once; `onState` hears of all that follows. */
export class Training {
  #state = idle;
  #log: LogRecord[] = [];
  #looks: Look[] = [];
  #drawn = 0;
  #moved = 0;
  #engine: Engine | undefined;
  readonly #onState: (state: TrainState) => void;

  constructor(onState: (state: TrainState) => void) {
    this.#onState = onState;
  }

  /** Shows the run that this browser has kept. */
  restore({ table, log, looks, ...run }: StoredRun): void {
    if (this.#state !== idle) return;
    this.#keep({ log, looks });
    this.#change({ ...run, ...(table ? { phase: 'done', table } : { phase: 'paused' }), told: this.#told() });
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
    const { config: before, estimate: known } = this.#state;
    this.#keep(nothing);
    this.#begin({ ...idle, config, phase: 'measuring' }, async engine => {
      const estimate = before === config && known ? known : await engine.call('estimate', config);
      this.#change({ phase: 'training', estimate });
      await this.#train(engine, config, estimate);
    });
  }

  /** Goes on with the run that is paused. */
  goOn(): void {
    const { config } = this.#state;
    const { problem: _, ...state } = this.#state;
    this.#begin({ ...state, phase: 'training' }, engine => this.#train(engine, config!));
  }

  /** Pauses after the update that runs, with a checkpoint. */
  pause(): void {
    this.#change({ phase: 'pausing' });
    void this.#engine?.call('pauseRun', undefined);
  }

  /** Ends what runs, and forgets it. */
  stop(): void {
    this.#engine?.stop();
    this.#engine = undefined;
    this.#keep(nothing);
    this.#state = { ...idle, notes: ['Stopped.'] };
    this.#onState(this.#state);
  }

  /** The newest checkpoint of the run. @throws Error if there is none yet @param engine where this one has none */
  newestCheckpoint(engine: Engine): Promise<NamedFile> {
    return (this.#engine ?? engine).call('newestCheckpoint', undefined);
  }

  async #train(engine: Engine, config: RunConfig, begin?: RunEstimate): Promise<void> {
    const onEvent = (event: TrainEvent) => this.#hear(event);
    const table = await engine.call('trainRun', { config, ...(begin && { begin }) }, { onEvent });
    this.#change({ ...(table ? { phase: 'done', table } : { phase: 'paused' }), told: this.#told() });
  }

  #begin(state: TrainState, body: (engine: Engine) => Promise<void>): void {
    const engine = (this.#engine ??= ownEngine());
    this.#state = state;
    this.#onState(state);
    body(engine).catch((error: unknown) => {
      if (this.#engine !== engine) return; // stopped
      engine.stop();
      this.#engine = undefined;
      const phase = this.#state.phase === 'measuring' ? 'idle' : 'paused';
      this.#change({ phase, problem: messageOf(error), told: this.#told() });
    });
  }

  #hear(event: TrainEvent): void {
    if ('note' in event) this.#change({ notes: [...this.#state.notes, event.note] });
    else if ('record' in event) this.#log.push(event.record);
    else if ('look' in event) this.#looks.push(event.look);
    else if ('stage' in event) {
      const { stage, step } = event.stage;
      const isKept = (past: LogRecord | Look) => past.stage !== stage || past.step <= step;
      this.#keep({ log: this.#log.filter(isKept), looks: this.#looks.filter(isKept) });
      this.#move(event.stage);
    } else if ('evaluation' in event) this.#change(event);
    else if (performance.now() - this.#moved > moveEvery) this.#move(event.place);
  }

  #move(place: Place): void {
    const { evaluation: _, ...state } = this.#state;
    this.#state = state;
    this.#moved = performance.now();
    const isDue = this.#moved - this.#drawn > drawEvery;
    if (isDue) this.#drawn = this.#moved;
    this.#change({ place, ...(isDue && { told: this.#told() }) });
  }

  #keep({ log, looks }: Told): void {
    this.#log = [...log];
    this.#looks = [...looks];
  }

  #told(): Told {
    return { log: [...this.#log], looks: [...this.#looks] };
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
