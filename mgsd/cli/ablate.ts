/** `mgsd-lite ablate`: the method beside what it is made of and what one might do instead, in one table. */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { Device } from '../../core/index.js';
import { modelPresets } from '../../models/index.js';
import type { PresetName } from '../../models/index.js';
import { ablationNames, ablationRows, plannedImages, scaled } from '../ablation/rows.js';
import type { AblationName } from '../ablation/rows.js';
import { ablationCells, ablationLegend } from '../ablation/table.js';
import { ablate, plannedRuns, runConfig } from '../ablation/ablate.js';
import type { PlannedRun } from '../ablation/ablate.js';
import type { RunConfig } from '../method/config.js';
import { summarize } from '../evaluation/evaluate.js';
import { heldOutGroups } from '../method/puzzles.js';
import type { StageName } from '../method/stages/stage.js';
import { rowTitles } from '../evaluation/table.js';
import { stageNames } from '../runs/order.js';
import { Interrupted } from '../runs/train-options.js';
import type { TrainObserver } from '../runs/train-options.js';
import { checkInput, InputError } from './errors.js';
import { estimateRun } from './estimate.js';
import type { StageEstimate } from './estimate.js';
import { addDeviceOptions, addExamples, seedOf, several, withDevice } from './options.js';
import type { CommandContext, DeviceFlags } from './options.js';
import { Progress } from './progress.js';
import { drawTable, rowLine, wrap } from './results.js';
import { configFrom } from './run-choice.js';
import { catchSignals } from './signals.js';
import { formatDuration } from './terminal.js';
import type { Terminal } from './terminal.js';

interface AblateFlags extends DeviceFlags {
  readonly out: string;
  readonly rows?: readonly AblationName[];
  readonly seeds: readonly number[];
  readonly preset?: PresetName;
  readonly config?: string;
  readonly set?: readonly string[];
  readonly scale?: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function addAblateCommand(program: Command, context: CommandContext): void {
  const titles = ablationNames.map(name => `  ${name.padEnd(17)}${ablationRows[name].title}`);
  const command = program
    .command('ablate')
    .summary('the table of ablations: the method, its parts, and alternatives, over several seeds')
    .description(
      'Trains every row with the same number of images in stages 1 and 2, from the same stage 0, and writes ablation.md and\n' +
        'ablation.json into the folder. The same command goes on where it was stopped; more rows and seeds may be added later.\n\n' +
        `Rows:\n${titles.join('\n')}`,
    )
    .option('--out <folder>', 'folder of the runs and the table', 'runs/ablation')
    .option('--rows <names>', 'which rows, with commas (default: all)', rowsOf)
    .option('--seeds <numbers>', 'with commas', seedsOf, [1, 2, 3])
    .addOption(new Option('--preset <name>', 'sizes and schedules (default: tiny)').choices(Object.keys(modelPresets)))
    .option('--config <file>', 'JSON with what differs from the preset')
    .option('--set <path=value>', 'one setting of all rows, as in stage0.steps=1000 (may be repeated)', several(String))
    .option('--scale <factor>', 'as many times the updates of every stage, as in 0.1', scaleOf)
    .option('--dry-run', 'only list the runs and how long they will take, from a few measured steps')
    .option('--json', 'events and table as JSON lines on standard output');
  addDeviceOptions(command).action((flags: AblateFlags) => runAblate(flags, context));
  addExamples(command, [
    ['ablate', 'the table of the tiny preset, three seeds'],
    ['ablate --dry-run --preset worlds --rows all', 'how long would everything take?'],
    ['ablate --rows base,stage1,mgsd,symbolic --seeds 1 --scale 0.05 --out runs/quick', 'a quick look at whether it works'],
    ['ablate --rows mgsd,sampled --set stage2.batch=128 --out runs/batch', 'two rows with another batch'],
  ]); // prettier-ignore
}

function rowsOf(text: string): readonly AblationName[] {
  if (text === 'all') return ablationNames;
  const names = text.split(',').map(name => name.trim());
  const unknown = names.find(name => !(ablationNames as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new InputError(`--rows: there is no row "${unknown}"; choose from ${ablationNames.join(', ')}`);
  return [...new Set(names as AblationName[])];
}

function seedsOf(text: string): readonly number[] {
  return [...new Set(text.split(',').map(seed => seedOf(seed.trim())))];
}

function scaleOf(text: string): number {
  const factor = Number(text);
  if (!(factor > 0 && factor <= 1000)) throw new InputError(`--scale ${text}: give a factor above 0, as in 0.1`);
  return factor;
}

async function runAblate(flags: AblateFlags, context: CommandContext): Promise<void> {
  const { terminal } = context;
  const { rows = ablationNames, out, seeds, json } = flags;
  const { preset, config: file, set } = flags;
  const whole = configFrom({
    ...(preset && { preset }),
    ...(file !== undefined && { config: file }),
    ...(set && { set }),
  });
  const config = flags.scale === undefined ? whole : checkInput(() => scaled(whole, flags.scale!));
  const runs = plannedRuns(out, rows, seeds);
  checkInput(() => {
    for (const run of runs) runConfig(run, config, plannedImages(config));
    if (!flags.dryRun) heldOutGroups(config); // too few puzzles: said before hours have passed
  });
  const say = json ? () => {} : (text: string) => terminal.out(text);
  await withDevice(flags, say, async (device, description) => {
    say(description);
    if (flags.dryRun) await dryRun(runs, config, device, flags, terminal);
    else await train(runs, config, rows, device, flags, context);
  });
}

async function train(
  runs: readonly PlannedRun[],
  config: RunConfig,
  rows: readonly AblationName[],
  device: Device,
  flags: AblateFlags,
  context: CommandContext,
): Promise<void> {
  const { terminal } = context;
  const { out, seeds, json } = flags;
  const progress = json ? undefined : new Progress(terminal);
  const note = (text: string) => {
    if (json) terminal.out(JSON.stringify({ event: 'note', note: text }));
    else progress?.write(terminal.colours.dim(text));
  };
  const signals = catchSignals(name => {
    note(`${name}: the present step is finished and a checkpoint saved; once more ends at once`);
  });
  const command = commandLine(flags);
  let at = 0;
  try {
    const table = await ablate({
      ...{ config, rows, seeds, device, out, command },
      signal: signals.signal,
      observer: progress ? plainObserver(progress, terminal) : {},
      onNote: note,
      onRun: (run, state) => {
        progress?.end();
        at = runs.findIndex(({ folder }) => folder === run.folder);
        if (json) terminal.out(JSON.stringify({ event: 'run', state, ...run }));
        else terminal.out(terminal.colours.bold(`run ${at + 1} of ${runs.length}: ${run.folder} ${state}`));
      },
    });
    progress?.end();
    if (json) terminal.out(JSON.stringify({ event: 'end', out, rows: table }));
    else {
      const { head, cells } = ablationCells(table);
      const narrow = cells.map(([title = '', ...others]) => [
        wrap(title, 24),
        ...others.map(cell => cell.replace(/ (?=\()|, /g, '\n')),
      ]);
      terminal.out(drawTable(terminal, head.map(text => text.replaceAll(' ', '\n')), narrow)); // prettier-ignore
      terminal.out(`${ablationLegend(table)}\n${out}/ablation.md and ${out}/ablation.json hold the table`);
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    progress?.end();
    if (json) terminal.out(JSON.stringify({ event: 'interrupted', resume: command }));
    else terminal.out(`stopped in run ${at + 1} of ${runs.length}. Go on with: ${command}`);
    context.exitCode = signals.exitCode;
  } finally {
    signals.release();
  }
}

/** The command that does the same again. */
function commandLine({ rows, seeds, preset, config, set = [], scale, out, device, threads }: AblateFlags): string {
  const quoted = (text: string) => (/^[\w./=,-]+$/.test(text) ? text : `'${text}'`);
  return [
    'mgsd-lite ablate',
    ...(preset ? [`--preset ${preset}`] : []),
    ...(config === undefined ? [] : [`--config ${quoted(config)}`]),
    ...set.map(one => `--set ${quoted(one)}`),
    ...(scale === undefined ? [] : [`--scale ${scale}`]),
    ...(rows ? [`--rows ${rows.join(',')}`] : []),
    `--seeds ${seeds.join(',')}`,
    `--out ${quoted(out)}`,
    ...(device === 'auto' ? [] : [`--device ${device}`]),
    ...(threads === undefined ? [] : [`--threads ${threads}`]),
  ].join(' ');
}

function plainObserver(progress: Progress, terminal: Terminal): TrainObserver {
  return {
    onStage: ({ stage, title, step, steps }) => {
      if (step < steps) progress.begin(`${stage}: ${title}`, steps, step);
    },
    onStep: ({ step, metrics, samplesPerSecond }) => {
      progress.update(step, `loss ${(metrics['loss'] ?? NaN).toFixed(4)}, ${samplesPerSecond.toFixed(0)} samples/s`);
    },
    onRow: (name, items) => {
      progress.end();
      terminal.out(rowLine(rowTitles[name], summarize(items)));
    },
    onNote: note => {
      progress.write(terminal.colours.dim(note));
    },
  };
}

interface RunDuration {
  readonly run: PlannedRun;
  /** Stages that it trains itself; the others it takes from an earlier run. */
  readonly trains: readonly StageName[];
  readonly seconds: number;
}

/** How long every run takes: measured once for each way to do a step, counted for each seed. */
async function durations(runs: readonly PlannedRun[], config: RunConfig, device: Device): Promise<RunDuration[]> {
  const images = plannedImages(config);
  const measured = new Map<string, StageEstimate>();
  const taken = new Set<string>();
  const result: RunDuration[] = [];
  for (const run of runs) {
    const own = runConfig(run, config, images);
    const trains = stageNames.filter(stage => {
      if (!run.stages.includes(stage)) return false;
      const { seed, stage0, stage1 } = own;
      const key = JSON.stringify(stage === 'stage0' ? [seed, stage0] : stage === 'stage1' ? [seed, stage0, stage1] : [seed, run.name]); // prettier-ignore
      const isNew = !taken.has(key);
      taken.add(key);
      return isNew;
    });
    let seconds = 0;
    for (const stage of trains) {
      const settings = stage === 'direct' ? own.stage1 : own[stage];
      const key = JSON.stringify([stage, { ...settings, steps: 0, warmup: 0, gate: 0 }]);
      const known = measured.get(key) ?? (await estimateRun(own, [stage], device)).stages[0]!;
      measured.set(key, known);
      const steps = stage === 'direct' ? own.stage1.steps : own[stage].steps;
      seconds += steps * known.secondsPerStep + known.evaluationSeconds;
    }
    result.push({ run, trains, seconds });
  }
  return result;
}

async function dryRun(
  runs: readonly PlannedRun[],
  config: RunConfig,
  device: Device,
  { json }: AblateFlags,
  terminal: Terminal,
): Promise<void> {
  const list = await durations(runs, config, device);
  const seconds = list.reduce((sum, run) => sum + run.seconds, 0);
  if (json) {
    const shown = list.map(({ run, ...rest }) => ({ ...run, ...rest }));
    terminal.out(JSON.stringify({ event: 'dry-run', images: plannedImages(config), seconds, runs: shown }, null, 2));
    return;
  }
  const rows = list.map(({ run, trains, seconds }) => [
    run.folder,
    trains.join(', '),
    run.rows.join(', '),
    formatDuration(seconds),
  ]);
  terminal.out(drawTable(terminal, ['run', 'trains', 'for the rows', 'takes about'], rows));
  terminal.out(
    `${plannedImages(config)} images in stages 1 and 2 of every row; in all about ${formatDuration(seconds)}, extensions by the gate not counted`,
  );
}
