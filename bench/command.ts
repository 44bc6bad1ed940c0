/** The command line of a bench: help, options, errors in one line, and progress. */
import { Command, CommanderError } from 'commander';
import { flagsOf } from '../mgsd/cli/command.js';
import { errorLine, exitCodeOf, exitCodes, explained } from '../mgsd/cli/errors.js';
import { commaList, deviceOptions, factor, option, seedOf, toggle, wholeNumber } from '../mgsd/cli/options.js';
import type { Flags, Options } from '../mgsd/cli/options.js';
import { Progress } from '../mgsd/cli/progress.js';
import { processTerminal } from '../mgsd/cli/terminal.js';

interface BenchCommand<O extends Options> {
  /** As it is typed, as in `npm run bench:train --`. */
  readonly command: string;
  readonly about: string;
  /** What it can measure, one line each. */
  readonly measures: readonly string[];
  /** How long it takes as it is, and on what. */
  readonly takes: string;
  readonly options: O;
  /** Words behind the command, and what they do. */
  readonly examples: readonly (readonly [words: string, what: string])[];
}

const terminal = processTerminal();

/** How far a bench is: a bar on a terminal, elsewhere a line every few seconds; on standard error. */
export const progress = new Progress({ ...terminal, out: terminal.err });

/** Ends the process with one line, or with the place of a mistake of our own. */
function fail(thrown: unknown): never {
  const isOption = thrown instanceof CommanderError;
  if (isOption && thrown.exitCode === 0) process.exit(0); // help
  const error = explained(thrown);
  const code = isOption ? exitCodes.input : exitCodeOf(error);
  const isMistake = code === exitCodes.failure && error instanceof Error; // nobody's input: say where
  terminal.err((isMistake ? error.stack : undefined) ?? errorLine(error));
  process.exit(code);
}

/**
 * Reads the options of the running bench. `--help` and wrong options end the process here, with 0 and 2; so does
 * whatever the bench throws later, in one line if it is about its input or its device.
 */
export function benchCommand<O extends Options>(bench: BenchCommand<O>): Flags<O> {
  const command = new Command(bench.command)
    .usage('[options]')
    .description(bench.about)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ outputError: () => undefined }); // `fail` writes it
  for (const each of Object.values(bench.options)) command.addOption(each);
  const lines = [
    'Measures:',
    ...bench.measures.map(line => `  ${line}`),
    `\nTakes ${bench.takes}.`,
    '\nExamples:',
    ...bench.examples.map(([words, what]) => `  $ ${`${bench.command} ${words}`.trim()}\n      ${what}`),
  ];
  command.addHelpText('after', `\n${lines.join('\n')}`);
  try {
    command.parse();
  } catch (error) {
    fail(error);
  }
  process.on('uncaughtException', fail);
  return flagsOf(command, bench.options);
}

/** A list for the help, in lines that fit a terminal. */
export function wrapped(names: readonly string[]): string[] {
  const lines: string[] = [];
  for (const name of names) {
    const line = lines.at(-1);
    if (line === undefined || line.length + name.length > 90) lines.push(name);
    else lines[lines.length - 1] = `${line}, ${name}`;
  }
  return lines;
}

/** Options that several benches share. */
export const jsonOption = option('--json <file>', 'where to write the result (default: nowhere)');
export const readmeOption = toggle('--readme', 'also write the summary into bench/README.md');
export const roundsOption = option('--rounds <n>', 'how often everything is measured', wholeNumber(1, 1000));
export const secondsOption = option('--seconds <s>', 'how long each thing is measured', factor(3600));
export const seedsOption = option('--seeds <list>', 'one run for each', commaList(seedOf), [1, 2, 3]);
export const resultOptions = { ...deviceOptions, json: jsonOption };
