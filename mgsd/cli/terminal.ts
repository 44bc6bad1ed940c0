/** Where commands write: lines for people and programs on standard output, progress and errors on standard error. */
export { formatDuration } from '../runs/duration.js';
import pc from 'picocolors';
import { explain } from '../runs/files.js';
import { errorLine, exitCodes } from './errors.js';

export type Colours = ReturnType<typeof pc.createColors>;

export interface Terminal {
  /** Writes lines to standard output; a line break is added. */
  readonly out: (text: string) => void;
  /** Writes lines to standard error; a line break is added. */
  readonly err: (text: string) => void;
  /** Standard error if it is a terminal that can show a progress bar. */
  readonly bar: NodeJS.WriteStream | undefined;
  /** Characters per line of standard output; undefined if it is not a terminal. */
  readonly columns: number | undefined;
  /** Change nothing where colours are not wanted: pipes, NO_COLOR. */
  readonly colours: Colours;
}

/** Output that cannot be written ends the process, unless a training listens too and ends in order (signals.ts). */
function onBroken(this: NodeJS.WriteStream, error: NodeJS.ErrnoException): void {
  if (this.listenerCount('error') > 1) return;
  if (error.code === 'EPIPE') process.exit(141); // 128 + SIGPIPE
  if (this === process.stdout)
    process.stderr.write(`${errorLine(explain(error, 'Cannot write', 'standard output'))}\n`);
  process.exit(exitCodes.failure);
}

/** The terminal of this process. A reader that goes away (`| head`) ends the process quietly, as other programs do. */
export function processTerminal(): Terminal {
  const { stdout, stderr } = process;
  for (const stream of [stdout, stderr])
    if (!stream.listeners('error').includes(onBroken)) stream.on('error', onBroken);
  const plain = Boolean(process.env['NO_COLOR']) || process.env['TERM'] === 'dumb';
  return {
    out: text => stdout.write(`${text}\n`),
    err: text => stderr.write(`${text}\n`),
    bar: stderr.isTTY && process.env['TERM'] !== 'dumb' && !process.env['CI'] ? stderr : undefined,
    columns: stdout.isTTY ? stdout.columns : undefined,
    // a pipe's isTTY is undefined, which createColors would take as: ask the environment
    colours: pc.createColors(!plain && stdout.isTTY ? true : false),
  };
}

/** `1.4 MB`: decimal units, as disks and most tools count. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value.toFixed(0) : value.toPrecision(3)} ${units[power]!}`;
}
