/** Options of commands: each knows the type of its value. Those that several commands share are defined here. */
import { InvalidArgumentError, Option } from 'commander';
import { modelPresets } from '../../models/index.js';
import type { PresetName } from '../../models/index.js';
import { SCORINGS } from '../exchange/scoring.js';
import { stageNames } from '../runs/order.js';
import { WORLD_NAMES } from '../worlds/registry.js';
import { RENDER_STYLES } from '../worlds/world.js';

/** An option of commander with the type of its value. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- for `Flags`
export class TypedOption<T> extends Option {
  declare readonly type: T; // for the compiler only
}

/** The options of a command, by the names under which it reads their values. */
export type Options = Readonly<Record<string, TypedOption<unknown>>>;
/** The values of a command's options. */
export type Flags<O extends Options> = { readonly [Name in keyof O]: O[Name]['type'] };

/** Reads the value of an option. Throws InvalidArgumentError, whose message says what to give instead. */
type Reader<T> = ((text: string) => T) & { readonly choices?: readonly string[] };

/** Reads a path or a name, which an empty variable of a shell would leave out. */
export function someText(text: string): string {
  if (text.trim() !== '') return text;
  throw new InvalidArgumentError('It must not be empty.');
}

/** An option without a value. */
export function toggle(flags: string, description: string): TypedOption<boolean | undefined> {
  return new TypedOption(flags, description);
}

/** An option with a value: `fallback`, or undefined, where it is left out. */
export function option(flags: string, description: string): TypedOption<string | undefined>;
export function option<T>(flags: string, description: string, read: Reader<T>): TypedOption<T | undefined>;
export function option<T>(flags: string, description: string, read: Reader<T>, fallback: NoInfer<T>): TypedOption<T>;
export function option<T>(flags: string, description: string, read?: Reader<T>, fallback?: T): TypedOption<unknown> {
  const made = new TypedOption(flags, description).default(fallback);
  made.argParser<unknown>(read ?? someText);
  if (read?.choices) made.argChoices = [...read.choices];
  return made;
}

/** An option that must be given. */
export function required(flags: string, description: string): TypedOption<string> {
  return new TypedOption<string>(flags, description).argParser(someText).makeOptionMandatory();
}

/** An option that may be given several times. */
export function repeated<T>(
  flags: string,
  description: string,
  read: Reader<T>,
): TypedOption<readonly T[] | undefined> {
  const made: TypedOption<unknown> = option(flags, `${description}; may be repeated`, read);
  made.argParser<readonly T[] | undefined>((text, before = []) => [...before, read(text)]);
  return made as TypedOption<readonly T[] | undefined>;
}

/** The number that a text is in decimal notation, as 10, 0.1 or 1e5; NaN for any other text. */
export function decimal(text: string): number {
  return /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
}

/** Reads a whole number between bounds. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): Reader<number> {
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`;
  return text => {
    const value = decimal(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Give a whole number ${range}.`);
  };
}

/** Reads a number above 0. */
export function factor(most: number): Reader<number> {
  return text => {
    const value = decimal(text);
    if (value > 0 && value <= most) return value;
    throw new InvalidArgumentError(`Give a number above 0, as in 0.1, and at most ${most}.`);
  };
}

/** Reads one of a few names. */
export function oneOf<const T extends string>(names: readonly T[]): Reader<T> {
  const read = (text: string) => {
    const found = names.find(name => name === text);
    if (found === undefined) throw new InvalidArgumentError(`Choose from ${names.join(', ')}.`);
    return found;
  };
  return Object.assign(read, { choices: names });
}

/** Reads a list with commas; what occurs twice counts once. */
export function commaList<T>(read: Reader<T>): Reader<readonly T[]> {
  return text => [...new Set(text.split(',').map(part => read(part.trim())))];
}

/** Seeds have 31 bits, here as in a run's configuration. */
export const seedOf = wholeNumber(0, 2 ** 31 - 1);
export const levelOf = wholeNumber(2, 8);
export const pixelsOf = wholeNumber(8, 2048);
export const splitOf = oneOf(['train', 'test']);
export const worldOf = oneOf(WORLD_NAMES);

export const jsonOption = toggle('--json', 'the result as JSON on standard output');

export const threadsOption = option(
  '--threads <n>',
  'worker threads (default: one per processor)',
  wholeNumber(1, 256),
);

const deviceOf = oneOf(['auto', 'webgpu', 'wasm', 'cpu']);

/** Where to compute; see `withDevice`. */
export const deviceOptions = {
  device: option('--device <name>', 'auto takes a GPU if there is one, else wasm', deviceOf, 'auto'),
  threads: threadsOption,
};

const presetOf = oneOf(Object.keys(modelPresets) as PresetName[]);

/** What a run's configuration is made of; see `configFrom`. */
export const configOptions = {
  preset: option('--preset <name>', 'sizes and schedules (default: worlds; of ablations tiny)', presetOf),
  config: option('--config <file>', 'JSON with what differs from the preset'),
  set: repeated('--set <path=value>', 'one setting, as in stage0.steps=1000', String),
};

export const runSeedOption = option('--seed <n>', 'decides every puzzle, weight and sample (default: 1)', seedOf);

/** Which generated puzzle: the same for `plan` and `data show`. */
export const puzzleOptions = {
  world: option('--world <name>', 'whose rules the puzzle follows', worldOf, 'frozenlake'),
  level: option('--level <size>', 'board size of the generated puzzle', levelOf, 4),
  seed: option('--seed <n>', 'another puzzle for every number', seedOf, 1),
};

/** Which of a run's checkpoints; see `chooseModel`. */
export const checkpointStageOption = option('--stage <name>', "of a run: this stage's checkpoint", oneOf(stageNames));

const styleOf = oneOf(RENDER_STYLES);
export const styleOption = option(
  '--style <name>',
  'training, held-out (a look that no model trains on), or random (another look for each puzzle)',
  styleOf,
  'training',
);

const rulesOf = oneOf(SCORINGS);
export const scoringOption = option('--scoring <name>', "strict, or the published code's rules", rulesOf, 'strict');
