/** Tables over several seeds as Markdown, placed between the marks of a document. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { defaultPreset } from '../mgsd/method/config.js';
import type { RunConfig } from '../mgsd/method/config.js';
import { writeFileAtomic } from '../mgsd/runs/files.js';
import { rowTitles } from '../mgsd/evaluation/table.js';
import type { RowName, TableRow } from '../mgsd/evaluation/table.js';
import { createWorldByName } from '../mgsd/worlds/registry.js';

/** Success from images by `world level`, where test boards differ from training in more than the puzzle. */
export interface Shift {
  /** Training sizes in other colours and shapes. */
  readonly heldOutLook: Readonly<Record<string, number>>;
  /** One size larger than any in training; and the planner's success there from symbols, an upper bound. */
  readonly larger: Readonly<Record<string, number>>;
  readonly largerSymbolic: Readonly<Record<string, number>>;
}

/** Evaluation on the same few held-out puzzles during training: shares by world. */
export interface CurvePoint {
  readonly stage: string;
  /** Updates of that stage before the look. */
  readonly step: number;
  readonly input: string;
  readonly success: Readonly<Record<string, number>>;
  readonly recapExact: Readonly<Record<string, number>>;
}

export interface SeedResult {
  readonly seed: number;
  /** From data to table, without the baseline; undefined if the run took several sittings. */
  readonly minutes: number | undefined;
  readonly threads?: number;
  readonly rows: readonly TableRow[];
  readonly shift?: Shift;
  readonly curve?: readonly CurvePoint[];
}

/** Mean in bold and every seed after it, in percent; a dash where a seed lacks it. */
function across(shares: readonly (number | undefined)[]): string {
  const known = shares.flatMap(share => share ?? []);
  if (known.length === 0 || known.length < shares.length) return '–';
  const texts = known.map(share => (100 * share).toFixed(1));
  if (texts.length === 1) return texts[0]!;
  const mean = known.reduce((sum, share) => sum + share, 0) / known.length;
  return `**${(100 * mean).toFixed(1)}** (${texts.join(', ')})`;
}

const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [line(head), line(head.map((_, k) => (k === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');

const titleOf = (world: string) => createWorldByName(world).title;

type Pick = (row: TableRow) => number | null | undefined;

const rowsOf = (results: readonly SeedResult[], name: RowName) =>
  results.map(({ rows }) => rows.find(row => row.name === name));

/** What a row came to with each seed. */
const cellOf = (results: readonly SeedResult[], name: RowName, pick: Pick) =>
  across(rowsOf(results, name).map(row => (row && pick(row)) ?? undefined));

const columns: Readonly<Record<string, Pick>> = {
  'success %': row => row.success.value,
  'optimal %': row => row.optimal.value,
  'needs a detour %': row => row.detourSuccess?.value,
  'recap exact %': row => row.recapExact.value,
  'gap closed %': row => row.gapClosed?.value,
};

/** Rows over all worlds. */
const overall = (results: readonly SeedResult[], names: readonly RowName[], heads = Object.keys(columns)) =>
  table(
    ['row', ...heads],
    names.map(name => [rowTitles[name], ...heads.map(head => cellOf(results, name, columns[head]!))]),
  );

/** The rows that tell the story, for the README. */
export const summaryTable = (results: readonly SeedResult[]): string =>
  overall(results, ['base', 'stage1', 'mgsd', 'symbolic'], ['success %', 'recap exact %', 'gap closed %']);

/** What every row did over all, in each world where there are several, and where training and test differ. */
export function resultTables(results: readonly SeedResult[]): string {
  const names = Object.keys(rowTitles) as RowName[];
  const present = names.filter(name => rowsOf(results, name).some(row => row !== undefined));
  const cell = (name: RowName, pick: Pick) => cellOf(results, name, pick);
  const worlds = Object.keys(results[0]?.rows[0]?.byTask ?? {});
  const parts = [overall(results, present)];
  if (worlds.length > 1)
    parts.push(
      table(
        ['row', ...worlds.flatMap(world => [`${titleOf(world)}: success %`, 'gap closed %'])],
        present.map(name => [
          rowTitles[name],
          ...worlds.flatMap(world => [
            cell(name, row => row.byTask[world]?.success.value),
            cell(name, row => row.gapByTask[world]?.value),
          ]),
        ]),
      ),
    );
  const shifts = results.flatMap(({ shift }) => shift ?? []);
  const levels = Object.keys(rowsOf(results, 'mgsd')[0]?.byTaskLevel ?? {});
  if (shifts.length === results.length && shifts.length > 0) {
    const largest = Object.keys(shifts[0]!.larger);
    parts.push(
      table(
        ['MGSD from images, success %', 'in the look of training', 'in the held-out look', 'from symbols (stage 0)'],
        [
          ...levels.map(level => [
            level,
            cell('mgsd', row => row.byTaskLevel[level]?.success.value),
            across(shifts.map(({ heldOutLook }) => heldOutLook[level])),
            cell('symbolic', row => row.byTaskLevel[level]?.success.value),
          ]),
          ...largest.map(level => [
            `${level}, a size never seen`,
            across(shifts.map(({ larger }) => larger[level])),
            '–',
            across(shifts.map(({ largerSymbolic }) => largerSymbolic[level])),
          ]),
        ],
      ),
    );
  }
  if (results.length === 1 && results[0]!.curve) parts.push(curveTable(results[0]!.curve, worlds));
  return parts.join('\n\n');
}

/** Learning curve of a run, by world. */
function curveTable(curve: readonly CurvePoint[], worlds: readonly string[]): string {
  const percent = (share: number | undefined) => (share === undefined ? '–' : (100 * share).toFixed(0));
  return table(
    [
      'stage',
      'updates',
      'input',
      ...worlds.map(world => `${titleOf(world)}: success %`),
      ...worlds.map(world => `${titleOf(world)}: recap exact %`),
    ],
    curve.map(({ stage, step, input, success, recapExact }) => [
      stage,
      String(step),
      input,
      ...worlds.map(world => percent(success[world])),
      ...worlds.map(world => percent(recapExact[world])),
    ]),
  );
}

export interface ResultsOfSeeds {
  readonly results: readonly SeedResult[];
  readonly config: RunConfig;
  /** The options that chose it. */
  readonly chosen: string;
  readonly machine: { readonly processor: string; readonly cores: number };
  readonly command: string;
  /** Where the raw numbers are. */
  readonly json: string | undefined;
}

/** The tables with a line on how they were made. @throws Error without the marks */
export function insertResults(file: string, mark: string, results: ResultsOfSeeds): void {
  insertBlock(file, mark, `${introduction(results, path.dirname(file))}\n\n${resultTables(results.results)}`);
}

/**
 * Replaces the text between `<!-- MARK:begin -->` and `<!-- MARK:end -->` in the file.
 * @throws Error without the marks
 */
export function insertBlock(file: string, mark: string, block: string): void {
  const text = readFileSync(file, 'utf8');
  const [begin, end] = [`<!-- ${mark}:begin -->`, `<!-- ${mark}:end -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from)
    throw new Error(`${file} lacks the marks ${begin} and ${end}: put them where the results belong`);
  writeFileAtomic(file, `${text.slice(0, from + begin.length)}\n\n${block}\n\n${text.slice(to)}`);
}

/** Minutes per run for each number of threads tried, fewest minutes first; empty where no run was timed whole. */
function durations(results: readonly SeedResult[], cores: number, processor: string): string {
  const taken = results.flatMap(({ minutes, threads }) => (minutes === undefined ? [] : { minutes, threads }));
  if (taken.length === 0) return '';
  const texts = [...new Set(taken.map(({ threads }) => threads))].map(threads => {
    const own = taken.filter(run => run.threads === threads).map(({ minutes }) => minutes);
    const range = [...new Set([Math.min(...own), Math.max(...own)].map(value => value.toFixed(1)))].join(' to ');
    const using = threads === undefined ? '' : ` with ${threads} thread${threads === 1 ? '' : 's'}`;
    return { least: Math.min(...own), text: `${range} minutes${using}` };
  });
  const all = texts.sort((a, b) => a.least - b.least).map(({ text }) => text);
  return ` A run took ${all.join(', ')}, on ${cores} cores (${processor}).`;
}

function introduction({ results, config, chosen, machine, command, json }: ResultsOfSeeds, from: string): string {
  const duration = durations(results, machine.cores, machine.processor);
  const boards = config.tasks.map(
    ({ world, levels }) => `${titleOf(world)} ${levels.length > 1 ? `${levels[0]!} to ${levels.at(-1)!}` : levels[0]!}`,
  );
  const { items } = results[0]!.rows[0]!;
  const isDefault = config.preset === defaultPreset;
  const what = isDefault ? '`mgsd-lite train` with its defaults' : `\`mgsd-lite train ${chosen}\``;
  const names = results.map(({ seed }) => seed).join(', ');
  const link = json === undefined ? 'not written' : `[\`${json}\`](${path.posix.relative(from, json)})`;
  return [
    `${what}, seed${results.length > 1 ? 's' : ''} ${names}, ${items} held-out boards (${boards.join(', ')}), none of whose layouts occurs in`,
    `training, greedy decoding${results.length > 1 ? '; mean, and each seed in brackets' : ''}.${duration}`,
    ...(config.preset === 'tiny'
      ? ['Straight ahead with holes ignored would solve about 63 % of them, and none of those that need a detour.']
      : []),
    ...(boards.length > 1 ? ['Success is the macro average: the mean of the worlds.'] : []),
    `Raw numbers with intervals: ${link}; again by \`${command}\`.`,
  ].join('\n');
}
