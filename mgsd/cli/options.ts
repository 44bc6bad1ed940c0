/** Options that several commands share, and readers of option values. */
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { describeDevice, openDevice } from '../../core/index.js';
import type { Device, DeviceChoice } from '../../core/index.js';
import type { Terminal } from './terminal.js';

/** What every command is given, and the exit code that it may set. */
export interface CommandContext {
  readonly terminal: Terminal;
  exitCode: number;
}

/** Reads a whole number between bounds. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return text => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(
        `Give a whole number ${most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`}.`,
      );
    return value;
  };
}

/** Collects the values of an option that may be given several times, each read by `read`. */
export function several<T>(read: (text: string) => T): (text: string, before?: readonly T[]) => readonly T[] {
  return (text, before = []) => [...before, read(text)];
}

/** One of a few names. */
export function oneOf<T extends string>(names: readonly T[]): (text: string) => T {
  return text => {
    const found = names.find(name => name === text);
    if (found === undefined) throw new InvalidArgumentError(`Choose from ${names.join(', ')}.`);
    return found;
  };
}

/** Seeds are counted in 31 bits, as everywhere in a run. */
export const seedOf = wholeNumber(0, 2 ** 31 - 1);
export const levelOf = wholeNumber(2, 8);

export interface DeviceFlags {
  readonly device: DeviceChoice;
  readonly threads?: number;
}

const deviceChoices = ['auto', 'webgpu', 'wasm', 'cpu'] as const satisfies readonly DeviceChoice[];

/** Adds --device and --threads. */
export function addDeviceOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--device <name>', 'where to compute: auto takes a GPU if there is one, else wasm')
        .choices(deviceChoices)
        .default('auto'),
    )
    .option('--threads <n>', 'threads of the wasm backend (default: one per processor)', wholeNumber(1, 256));
}

/** Opens the chosen device, runs `body` with it and closes it, whatever happens. */
export async function withDevice<T>(
  { device: choice, threads }: DeviceFlags,
  onNote: (note: string) => void,
  body: (device: Device, description: string) => Promise<T>,
): Promise<T> {
  const device = await openDevice(choice, { onNote, ...(threads !== undefined && { threads }) });
  let result: T;
  try {
    result = await body(device, describeDevice(device.capabilities));
  } catch (error) {
    await device.close().catch(() => {}); // a device that has failed may not close either; the first error says why
    throw error;
  }
  await device.close();
  return result;
}

/** Adds examples below a command's help. */
export function addExamples(
  command: Command,
  examples: readonly (readonly [command: string, what: string])[],
): Command {
  const lines = examples.map(([line, what]) => `  $ mgsd-lite ${line}\n      ${what}`);
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}
