/** The command line. The launcher calls `main`; every command has a file of its own beside this one. */
import { Command, CommanderError } from 'commander';
import { packageVersion } from '../runs/package.js';
import { ablateCommand } from './ablate.js';
import { addHelp } from './command.js';
import type { CommandContext } from './command.js';
import { configCommand } from './config.js';
import { dataCommand } from './data/data.js';
import { errorLine, exitCodeOf, exitCodes, explained, oneLine, printable } from './errors.js';
import { evalCommand } from './eval.js';
import { experimentCommand } from './experiment.js';
import { exportCommand } from './export.js';
import { infoCommand } from './info.js';
import { planCommand } from './plan.js';
import { playCommand } from './play.js';
import { reportCommand } from './report.js';
import { processTerminal } from './terminal.js';
import type { Terminal } from './terminal.js';
import { trainCommand } from './train.js';

/** In the order of the help. */
const commands = [
  ...[trainCommand, evalCommand, planCommand, playCommand, dataCommand, exportCommand],
  ...[ablateCommand, configCommand, reportCommand, experimentCommand, infoCommand],
];

/**
 * Runs one command.
 * @param argv arguments after the program's name
 * @returns exit code: 0, those of errors.ts, or 128 + n when a signal ended a training
 */
export async function main(argv: readonly string[], terminal: Terminal = processTerminal()): Promise<number> {
  // whatever commands print may hold names and values from files
  const out = (text: string) => terminal.out(printable(text, terminal.colours.isColorSupported));
  const err = (text: string) => terminal.err(oneLine(text));
  const context: CommandContext = { terminal: { ...terminal, out, err }, exitCode: 0 };
  // nobody else sees the errors of event handlers and worker threads
  const crash = (error: unknown) => process.exit(reportError(error, terminal));
  process.on('uncaughtException', crash);
  try {
    await createProgram(context, terminal).parseAsync([...argv], { from: 'user' });
    return context.exitCode;
  } catch (error) {
    return reportError(error, terminal);
  } finally {
    process.off('uncaughtException', crash);
  }
}

/** Writes the one line that a user sees, and picks the exit code. */
function reportError(thrown: unknown, terminal: Terminal): number {
  if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0; // help and version
  // no command was given
  if (thrown instanceof CommanderError && thrown.code === 'commander.help') return exitCodes.input;
  const error = explained(thrown);
  terminal.err(errorLine(error));
  if (process.env['MGSD_DEBUG'] === '1' && error instanceof Error && error.stack !== undefined)
    terminal.err(printable(error.stack));
  return error instanceof CommanderError ? exitCodes.input : exitCodeOf(error);
}

function createProgram(context: CommandContext, terminal: Terminal): Command {
  const trimmed = (text: string) => text.replace(/\n$/, '');
  const program = new Command('mgsd-lite')
    .version(packageVersion(), '-v, --version')
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: text => terminal.out(trimmed(text)),
      writeErr: text => terminal.err(trimmed(text)),
      outputError: () => {}, // `reportError` writes it
    });
  addHelp(program, {
    summary: '',
    description:
      'Learns to plan from pictures: a small vision-language model, trained on this machine from nothing, by modality-gap-aware self-distillation (arXiv 2606.06076).',
    examples: [
      ['train', 'the whole method on three worlds; six to ten minutes on two processor cores'],
      ['plan', 'solves a puzzle it has never seen with the model that comes with the package'],
      ['info', 'which devices this machine has'],
    ],
  });
  for (const add of commands) add(program, context);
  return program;
}
