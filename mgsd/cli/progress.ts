/** Progress of a training: a bar on a terminal, a line every few seconds elsewhere. */
import cliProgress from 'cli-progress';
import type { SingleBar } from 'cli-progress';
import { formatDuration } from './terminal.js';
import type { Terminal } from './terminal.js';

/** Seconds between two lines where there is no bar. */
const linePeriod = 5;

interface Task {
  readonly title: string;
  total: number;
  /** Where this process began, and when: time left counts its own speed. */
  readonly first: number;
  readonly start: number;
  done: number;
  details: string;
}

export class Progress {
  readonly #terminal: Terminal;
  #task: Task | undefined;
  #bar: SingleBar | undefined;
  #lastLine = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Of the present task. */
  get title(): string | undefined {
    return this.#task?.title;
  }

  /** Shows a new task instead of the one before. */
  begin(title: string, total: number, done = 0): void {
    this.end();
    this.#task = { title, total, first: done, start: performance.now(), done, details: '' };
    this.#lastLine = performance.now();
    this.#showBar();
  }

  /** `details` follow the count: loss, success, speed. A task may get longer on its way. */
  update(done: number, details = '', total = this.#task?.total ?? done): void {
    const task = this.#task;
    if (!task) return;
    if (total !== task.total) this.#bar?.setTotal(total);
    task.total = total;
    task.done = done;
    task.details = details;
    const last = done === task.total;
    if (this.#bar) this.#bar.update(done);
    else if (last || performance.now() - this.#lastLine > 1000 * linePeriod) {
      this.#lastLine = performance.now();
      this.#terminal.out(`${task.title}: ${done}/${task.total}${suffix(task)}`);
    }
  }

  /** Writes lines without tearing the bar. */
  write(text: string): void {
    this.#hideBar();
    this.#terminal.out(text);
    if (this.#task) this.#showBar();
  }

  /** Takes the bar away. */
  end(): void {
    this.#task = undefined;
    this.#hideBar();
  }

  #showBar(): void {
    const task = this.#task;
    const stream = this.#terminal.bar;
    if (!task || !stream) return;
    this.#bar = new cliProgress.SingleBar({
      stream,
      format: (options, params) =>
        `${task.title} ${cliProgress.Format.BarFormat(params.progress, options)} ${params.value}/${params.total}${suffix(task)}`,
      barsize: 24,
      barCompleteChar: '\u2588',
      barIncompleteChar: '\u2591',
      hideCursor: true,
      clearOnComplete: true,
      gracefulExit: false, // signals are the trainer's
      linewrap: true, // cut at the terminal's width
      fps: 5,
    });
    this.#bar.start(task.total, task.done);
  }

  #hideBar(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

/** What follows the count: details, and the time left at this process's own speed. */
function suffix({ done, first, total, start, details }: Task): string {
  const left = done > first ? ((performance.now() - start) / 1000 / (done - first)) * (total - done) : NaN;
  const time = done < total && Number.isFinite(left) ? `, ${formatDuration(left)} left` : '';
  return `${details === '' ? '' : `, ${details}`}${time}`;
}
