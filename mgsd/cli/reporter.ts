/** What a training says on its way: lines and a progress bar for people, or an event a line for programs. */
import { summarize } from '../evaluation/evaluate.js';
import { rowTitles } from '../evaluation/table.js';
import type { Metrics, StageName } from '../method/stages/stage.js';
import { Interrupted } from '../runs/train-options.js';
import type { TrainObserver } from '../runs/train-options.js';
import type { CommandContext } from './command.js';
import { exitCodes, oneLine } from './errors.js';
import { Progress } from './progress.js';
import { rowLine } from './results.js';
import { catchSignals } from './signals.js';
import type { Terminal } from './terminal.js';

/** Milliseconds between two notes on a pool that is being drawn. */
const drawingPeriod = 3000;

export class Reporter {
  readonly #terminal: Terminal;
  /** Undefined with --json. */
  readonly #progress: Progress | undefined;
  #nextDrawing = performance.now() + drawingPeriod;

  constructor(terminal: Terminal, json = false) {
    this.#terminal = terminal;
    this.#progress = json ? undefined : new Progress(terminal);
  }

  /** One message in both forms: the fields of an event, and the lines for people. */
  say(event: string, fields: object, lines: () => string): void {
    this.#progress?.end();
    this.#terminal.out(this.#progress ? lines() : JSON.stringify({ event, ...fields }));
  }

  /** A remark beside the progress bar. */
  readonly note = (note: string): void => {
    if (this.#progress) this.#progress.write(this.#terminal.colours.dim(oneLine(note)));
    else this.say('note', { note }, () => note);
  };

  /** A note on a large pool, every few seconds: nothing else runs while it is drawn. */
  readonly drawing = (board: string, drawn: number, total: number): void => {
    if (performance.now() < this.#nextDrawing) return;
    this.#nextDrawing = performance.now() + drawingPeriod;
    this.note(`drawing puzzles of ${board}: ${drawn} of ${total}`);
  };

  /**
   * Trains until the end or the first signal (see `catchSignals`), which sets the exit code.
   * @param onInterrupted says how to continue
   */
  async train(
    context: CommandContext,
    body: (signal: AbortSignal) => Promise<void>,
    onInterrupted: (error: Interrupted) => void,
  ): Promise<void> {
    const signals = catchSignals(
      name => this.note(`${name}: finishing this step and saving a checkpoint; send it again to stop at once`),
      ({ message }) =>
        this.#terminal.err(
          `standard output cannot be written (${message}): the run goes on, and its folder has all of it`,
        ),
    );
    try {
      await body(signals.signal);
      if (signals.outputError) context.exitCode = exitCodes.failure;
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      onInterrupted(error);
      context.exitCode = signals.exitCode;
    } finally {
      signals.release();
    }
  }

  /** Callbacks of a training. @param stages of the run, to count them in titles */
  observer(stages: readonly StageName[] = []): TrainObserver {
    const progress = this.#progress;
    const onNote = this.note;
    const onRow: TrainObserver['onRow'] = (name, items) => {
      const summary = summarize(items);
      this.say('row', { name, title: rowTitles[name], ...summary }, () => rowLine(rowTitles[name], summary));
    };
    if (!progress) {
      const event = (name: string, fields: object) => this.say(name, fields, () => '');
      return {
        onStage: stage => event('stage', stage),
        onStep: step => event('step', step),
        onEvaluation: (row, done, total) => event('evaluation', { row, done, total }),
        onRow,
        onNote,
      };
    }
    return {
      onStage: ({ stage, title, step, steps }) => {
        if (step < steps) progress.begin(`${stage}${placeIn(stages, stage)} ${title}`, steps, step);
      },
      onStep: ({ step, steps, metrics, samplesPerSecond }) =>
        progress.update(step, stepDetails(metrics, samplesPerSecond), steps),
      onEvaluation: (row, done, total) => {
        const title = `evaluating ${row}`;
        if (progress.title !== title) progress.begin(title, total);
        progress.update(done);
      },
      onRow,
      onNote,
    };
  }
}

const placeIn = (stages: readonly StageName[], stage: StageName) =>
  stages.length > 0 ? ` (${stages.indexOf(stage) + 1} of ${stages.length})` : ':';

function stepDetails({ loss = NaN, rolloutSuccess }: Metrics, samplesPerSecond: number): string {
  const success = rolloutSuccess === undefined ? '' : `, rollout success ${(100 * rolloutSuccess).toFixed(0)} %`;
  return `loss ${loss.toFixed(4)}${success}, ${samplesPerSecond.toFixed(0)} samples/s`;
}
