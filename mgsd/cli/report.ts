/** `mgsd-lite report`: a run, or several side by side, as one HTML file. */
import path from 'node:path';
import type { Device } from '../../core/index.js';
import type { RunConfig } from '../method/config.js';
import { defaultReportFile, writeReport } from '../report/report.js';
import type { WrittenReport } from '../report/report.js';
import { FileError } from '../runs/file-error.js';
import { packageVersion } from '../runs/package.js';
import { defineCommand, quoted } from './command.js';
import { withDevice } from './device.js';
import { InputError, messageOf } from './errors.js';
import { deviceOptions, jsonOption, option, TypedOption, wholeNumber } from './options.js';
import { storedConfig } from './run-choice.js';
import { formatBytes, formatDuration } from './terminal.js';

export const reportCommand = defineCommand({
  name: 'report',
  summary: 'a run as one HTML page: curves, table, puzzles, failures',
  description:
    'Writes one HTML file that needs no network: what the run was, its table and curves, the modality gap, a dozen held-out\n' +
    'puzzles with what the student wrote and planned, token by token beside the teacher, and the worst failures. A run\n' +
    'that is still in progress is shown as far as it has come. Several runs stand side by side.',
  argument: ['<run...>', 'folders of runs'],
  options: {
    out: option(
      '--out <file>',
      'where to write (default: report.html in the run, or comparison.html beside the first)',
    ),
    puzzles: option('--puzzles <n>', 'how many puzzles to show', wholeNumber(1, 200), 12),
    models: new TypedOption<boolean>('--no-models', 'quicker: no forward passes, so no comparison with the teacher'),
    json: jsonOption,
    ...deviceOptions,
  },
  examples: [
    ['report runs/mine', 'writes runs/mine/report.html'],
    ['report runs/full runs/sampled --out comparison.html', 'two runs side by side'],
  ],
  async run(flags, { terminal }, folders: readonly string[]) {
    const runs = folders.map(folder => ({ folder, config: storedConfig(folder) }));
    const { out: file = defaultReportFile(folders), puzzles } = flags;
    const write = async (device?: Device) =>
      await writeReport({ ...pageOptions(), runs, file, device, puzzles, warn: terminal.err });
    try {
      const written = flags.models ? await withDevice(flags, write) : await write();
      return { data: written, lines: () => [describeReport(written)] };
    } catch (error) {
      throw error instanceof FileError ? new InputError(error.message, { cause: error }) : error;
    }
  },
});

/** Writes the report of a finished run into its folder. @returns one line; a report that fails does not fail the run */
export async function reportAfterTraining(folder: string, config: RunConfig, device: Device): Promise<string> {
  try {
    const file = defaultReportFile([folder]);
    return `report: ${describeReport(await writeReport({ ...pageOptions(), runs: [{ folder, config }], file, device }))}`;
  } catch (error) {
    return `no report was written (${messageOf(error)}); try again with: mgsd-lite report ${quoted(folder)}`;
  }
}

const pageOptions = () => ({ formatDuration, version: packageVersion() });

function describeReport({ file, bytes, puzzles }: WrittenReport): string {
  return `${path.normalize(file)} (${formatBytes(bytes)}, ${puzzles} puzzles): open it in a browser`;
}
