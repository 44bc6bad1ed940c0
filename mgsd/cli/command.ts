/** A command as one object: its help, its options, and what it does. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import { someText } from './options.js';
import type { Flags, Options } from './options.js';
import type { Terminal } from './terminal.js';

/** What every command is given; it may set the exit code. */
export interface CommandContext {
  readonly terminal: Terminal;
  exitCode: number;
}

/** The outcome of a command: `data` is printed with --json, `lines` without. */
export interface Result {
  readonly data: unknown;
  /** One line each: a line break in one came with a foreign name, and is shown as an escape. */
  readonly lines: () => readonly string[];
}

interface Help {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly description?: string;
  readonly examples?: readonly (readonly [line: string, what: string])[];
}

interface CommandSpec<O extends Options, A> extends Help {
  readonly argument?: readonly [name: string, description: string, choices?: readonly string[]];
  readonly options: O;
  /** A command that prints as it goes returns nothing. */
  run(flags: Flags<O>, context: CommandContext, argument: A): Promise<Result | undefined> | Result | undefined;
}

/** Adds a command to the program, or to a group of commands. */
export type AddCommand = (parent: Command, context: CommandContext) => void;

/** @template A type of the command's argument: string, string | undefined, or a list, as its brackets say */
export function defineCommand<O extends Options, A = undefined>(spec: CommandSpec<O, A>): AddCommand {
  return (parent, context) => {
    const command = addHelp(parent.command(spec.name), spec);
    const [name, about, choices] = spec.argument ?? [];
    if (name !== undefined)
      command.addArgument(choices ? new Argument(name, about).choices(choices) : textArgument(name, about));
    for (const option of Object.values(spec.options)) command.addOption(option);
    command.action(async () => {
      const flags = flagsOf(command, spec.options);
      const result = await spec.run(flags, context, command.processedArgs[0] as A);
      if (!result) return;
      const lines = () => result.lines().map(line => line.replaceAll('\n', '\\u000a'));
      const isJson = Boolean(command.opts()['json']);
      context.terminal.out(isJson ? JSON.stringify(result.data, null, 2) : lines().join('\n'));
    });
  };
}

function textArgument(name: string, about: string | undefined): Argument {
  const argument = new Argument(name, about);
  return argument.argParser<unknown>((text, before) =>
    argument.variadic ? [...((before as readonly string[] | undefined) ?? []), someText(text)] : someText(text),
  );
}

/** What a command line gave, by the names of the options. */
export function flagsOf<O extends Options>(command: Command, options: O): Flags<O> {
  const values = command.opts();
  const named = Object.entries(options).map(([name, option]) => [name, values[option.attributeName()]] as const);
  return Object.fromEntries(named) as Flags<O>;
}

/** Commands below a common name, as in `data generate`. */
export function defineGroup(help: Help, commands: readonly AddCommand[]): AddCommand {
  return (parent, context) => {
    const group = addHelp(parent.command(help.name), help);
    for (const add of commands) add(group, context);
  };
}

/** Adds the words of a command, with its examples below. */
export function addHelp(command: Command, { summary, description = '', examples = [] }: Omit<Help, 'name'>): Command {
  const lines = examples.map(([line, what]) => `  $ mgsd-lite ${line}\n      ${what}`);
  command.summary(summary).description(description);
  return lines.length > 0 ? command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`) : command;
}

/** A word that a shell reads as it is. */
export const quoted = (text: string): string =>
  /^[\w./=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/**
 * A command line for pasting into a shell: `mgsd-lite train --resume runs/a --threads 2`.
 * @param options values by long name; undefined and false are left out, lists repeat the option
 */
export function commandLine(
  command: string,
  options: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>,
): string {
  // a value that begins with a dash would be read as an option
  const given = (name: string, text: string) => `--${name}${text.startsWith('-') ? '=' : ' '}${quoted(text)}`;
  const words = Object.entries(options).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    if (value === true) return [`--${name}`];
    return [value].flat().map(one => given(name, String(one)));
  });
  return ['mgsd-lite', command, ...words].join(' ');
}
