/** `mgsd-lite report`: a run, or several side by side, as one HTML file. */
import path from 'node:path';
import type { Command } from 'commander';
import { describeDevice } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import type { RunConfig } from '../method/config.js';
import { FileError } from '../runs/file-error.js';
import { writeJson } from '../runs/files.js';
import { defaultReportFile, writeReport } from '../report/report.js';
import type { WrittenReport } from '../report/report.js';
import { RunFolder } from '../runs/run-folder.js';
import { InputError, messageOf } from './errors.js';
import { addDeviceOptions, addExamples, wholeNumber, withDevice } from './options.js';
import type { CommandContext, DeviceFlags } from './options.js';
import { packageVersion } from '../runs/package.js';
import { storedConfig } from './run-choice.js';
import { formatBytes, formatDuration } from './terminal.js';

interface ReportFlags extends DeviceFlags {
  readonly out?: string;
  readonly puzzles: number;
  /** False with --no-models. */
  readonly models: boolean;
  readonly json?: boolean;
}

export function addReportCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('report')
    .summary('a run as one HTML page: curves, table, puzzles, failures')
    .description(
      'Writes one HTML file that needs no network: what the run was, its table and curves, the modality gap, a dozen held-out\n' +
        'puzzles with what the student wrote and planned, token by token beside the teacher, and the worst failures. A run\n' +
        'that is still going on is shown as far as it is. Several runs stand side by side.',
    )
    .argument('<run...>', 'folders of runs')
    .option('--out <file>', 'where to write (default: report.html in the folder, or comparison.html beside the first)')
    .option('--puzzles <n>', 'how many puzzles to show', wholeNumber(1, 200), 12)
    .option('--no-models', 'quicker: no forward passes, so no token-by-token comparison with the teacher')
    .option('--json', 'the result as JSON on standard output');
  addDeviceOptions(command).action((folders: readonly string[], flags: ReportFlags) =>
    runReport(folders, flags, context),
  );
  addExamples(command, [
    ['report runs/mine', 'writes runs/mine/report.html'],
    ['report runs/full runs/sampled --out comparison.html', 'two runs side by side'],
  ]);
}

async function runReport(folders: readonly string[], flags: ReportFlags, { terminal }: CommandContext): Promise<void> {
  const runs = folders.map(folder => {
    if (!RunFolder.isRun(folder))
      throw new InputError(`${folder} is not the folder of a run (it has no config.json): check the path`);
    return { folder, config: storedConfig(folder) };
  });
  const file = flags.out ?? defaultReportFile(folders);
  const warn = (message: string) => terminal.err(message);
  const write = async (device?: Device) => {
    try {
      return await writeReport({ ...pageOptions(), runs, file, device, puzzles: flags.puzzles, warn });
    } catch (error) {
      throw error instanceof FileError ? new InputError(error.message, { cause: error }) : error;
    }
  };
  const written = flags.models ? await withDevice(flags, () => {}, write) : await write();
  terminal.out(flags.json ? JSON.stringify(written) : describeReport(written));
}

/** Notes in a run's folder what it runs on, which a later report says. */
export function recordDevice(folder: RunFolder, { capabilities }: Device): void {
  writeJson(folder.file('device.json'), { description: describeDevice(capabilities), ...capabilities });
}

/** The report of a run that has just ended, in its folder. @returns one line; a report that fails spoils no run */
export async function reportAfterTraining(folder: string, config: RunConfig, device: Device): Promise<string> {
  try {
    const file = defaultReportFile([folder]);
    return `report: ${describeReport(await writeReport({ ...pageOptions(), runs: [{ folder, config }], file, device }))}`;
  } catch (error) {
    return `no report was written (${messageOf(error)}); try again with: mgsd-lite report ${folder}`;
  }
}

const pageOptions = () => ({ formatDuration, version: packageVersion() });

function describeReport({ file, bytes, puzzles }: WrittenReport): string {
  return `${path.normalize(file)} (${formatBytes(bytes)}, ${puzzles} puzzles): open it in a browser`;
}
