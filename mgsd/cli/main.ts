/** The command line. The launcher calls `main`; every command has a file of its own in cli/. */
import { Command, CommanderError } from 'commander';
import { addAblateCommand } from './ablate.js';
import { addConfigCommand } from './config.js';
import { addDataCommand } from './data.js';
import { addExportCommand } from './export.js';
import { DeviceError } from '../../core/index.js';
import { errorLine, ExitError, exitCodes, InputError } from './errors.js';
import { addEvalCommand } from './eval.js';
import { addExperimentCommand } from './experiment.js';
import { addInfoCommand } from './info.js';
import type { CommandContext } from './options.js';
import { addExamples } from './options.js';
import { packageVersion } from '../runs/package.js';
import { addPlanCommand } from './plan.js';
import { addReportCommand } from './report.js';
import { processTerminal } from './terminal.js';
import type { Terminal } from './terminal.js';
import { addTrainCommand } from './train.js';

/**
 * Runs one command.
 * @param argv arguments after the program's name
 * @returns exit code: 0, those of cli/errors.ts, 128 + n when a signal ended a training
 */
export async function main(argv: readonly string[], terminal: Terminal = processTerminal()): Promise<number> {
  const context: CommandContext = { terminal, exitCode: 0 };
  // Errors of event handlers and worker threads reach nobody else.
  const crash = (error: unknown) => process.exit(report(error, terminal));
  process.on('uncaughtException', crash);
  try {
    await createProgram(context).parseAsync([...argv], { from: 'user' });
    return context.exitCode;
  } catch (error) {
    return report(error, terminal);
  } finally {
    process.off('uncaughtException', crash);
  }
}

/** Writes the one line that a user sees, and picks the exit code. */
function report(error: unknown, terminal: Terminal): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0; // help and version
  if (error instanceof CommanderError && error.code === 'commander.help') return exitCodes.input; // no command was given
  terminal.err(errorLine(error));
  if (process.env['MGSD_DEBUG'] === '1' && error instanceof Error && error.stack !== undefined)
    terminal.err(error.stack);
  return exitCodeOf(error);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof ExitError) return error.exitCode;
  if (error instanceof DeviceError) return exitCodes[error.fault];
  return error instanceof CommanderError || error instanceof InputError ? exitCodes.input : exitCodes.failure;
}

function createProgram(context: CommandContext): Command {
  const { terminal } = context;
  const trimmed = (text: string) => text.replace(/\n$/, '');
  const program = new Command('mgsd-lite')
    .description(
      'Learns to plan from pictures: a small vision-language model, trained on this machine from nothing, by modality-gap-aware self-distillation (arXiv 2606.06076).',
    )
    .version(packageVersion(), '-v, --version')
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: text => terminal.out(trimmed(text)),
      writeErr: text => terminal.err(trimmed(text)),
      outputError: () => {}, // `report` writes it
    });
  addExamples(program, [
    ['train', 'the whole method on FrozenLake; 3.5 minutes on two processor cores'],
    ['plan', 'solves a puzzle it has never seen with the model that comes with the package'],
    ['info', 'which devices there are on this machine'],
  ]);
  addTrainCommand(program, context);
  addEvalCommand(program, context);
  addPlanCommand(program, context);
  addDataCommand(program, context);
  addExportCommand(program, context);
  addAblateCommand(program, context);
  addConfigCommand(program, context);
  addReportCommand(program, context);
  addExperimentCommand(program, context);
  addInfoCommand(program, context);
  return program;
}
