/** `mgsd-lite ablate`: the method beside its parts and its alternatives, in one table over several seeds. */
import type { Device } from '../../core/index.js';
import { ablate, plannedRuns, runConfig } from '../ablation/ablate.js';
import type { AblateOptions, PlannedRun } from '../ablation/ablate.js';
import { ablationNames, ablationRows, plannedImages, scaled } from '../ablation/rows.js';
import { ablationCells, ablationLegend } from '../ablation/table.js';
import type { AblationResult } from '../ablation/table.js';
import type { RunConfig } from '../method/config.js';
import { heldOutGroups } from '../method/puzzles.js';
import { stageSize } from '../method/stages/probe.js';
import type { StageName } from '../method/stages/stage.js';
import { commandLine, defineCommand } from './command.js';
import type { CommandContext } from './command.js';
import { deviceWords, withDevice } from './device.js';
import { checkInput, InputError } from './errors.js';
import { estimateRun } from '../runs/estimate.js';
import type { StageEstimate } from '../runs/estimate.js';
import { requirePlace } from '../runs/files.js';
import { memoryProblem } from '../runs/memory-need.js';
import { commaList, configOptions, deviceOptions, factor, oneOf, option, seedOf, someText, toggle } from './options.js';
import type { Flags } from './options.js';
import { Reporter } from './reporter.js';
import { drawTable, wrap } from './results.js';
import { configFrom } from './run-choice.js';
import { formatDuration } from './terminal.js';
import type { Terminal } from './terminal.js';

const someRows = commaList(oneOf(ablationNames));

const options = {
  out: option('--out <folder>', 'folder of the runs and the table', someText, 'runs/ablation'),
  rows: option('--rows <names>', 'which rows, with commas (default: all)', text =>
    text === 'all' ? ablationNames : someRows(text),
  ),
  seeds: option('--seeds <numbers>', 'with commas', commaList(seedOf), [1, 2, 3]),
  ...configOptions,
  scale: option('--scale <factor>', 'as many times the updates of every stage, as in 0.1', factor(1000)),
  dryRun: toggle('--dry-run', 'only list the runs and how long they will take, from a few measured steps'),
  json: toggle('--json', 'events and table as JSON lines on standard output'),
  ...deviceOptions,
};

const titles = ablationNames.map(name => `  ${name.padEnd(17)}${ablationRows[name].title}`);

export const ablateCommand = defineCommand({
  name: 'ablate',
  summary: 'the table of ablations: the method, its parts, and alternatives, over several seeds',
  description:
    'Trains every row with the same number of images in stages 1 and 2, from the same stage 0, and writes ablation.md and\n' +
    'ablation.json into the folder. The same command continues where it was stopped; you may add rows and seeds later.\n\n' +
    `Rows:\n${titles.join('\n')}`,
  options,
  examples: [
    ['ablate', 'the table of the tiny preset, three seeds'],
    ['ablate --dry-run --preset worlds --rows all', 'how long would everything take?'],
    ['ablate --rows base,stage1,mgsd,symbolic --seeds 1 --scale 0.05 --out runs/quick', 'a quick look: does it work?'],
    ['ablate --rows mgsd,sampled --set stage2.batch=128 --out runs/batch', 'two rows with another batch'],
  ],
  async run(flags, context) {
    const { out, rows = ablationNames, seeds, scale, json } = flags;
    const whole = configFrom({ preset: flags.preset, config: flags.config, set: flags.set }, 'tiny');
    const config = scale === undefined ? whole : checkInput(() => scaled(whole, scale));
    const runs = plannedRuns(out, rows, seeds);
    checkInput(() => {
      requirePlace(out);
      for (const run of runs) runConfig(run, config, plannedImages(config));
      if (!flags.dryRun) heldOutGroups(config); // too few puzzles: fail now, not after hours
    });
    const say = json ? () => {} : context.terminal.out;
    const body = async (device: Device, description: string) => {
      say(description);
      await requireMemory(runs, config, device);
      const ablation = { runs, rows, config, device, flags, reporter: new Reporter(context.terminal, json) };
      await (flags.dryRun ? showDurations(ablation, context) : trainAll(ablation, context));
    };
    await withDevice(flags, body, say);
  },
});

/** What the options come to. */
interface Ablation {
  readonly runs: readonly PlannedRun[];
  readonly rows: typeof ablationNames;
  readonly config: RunConfig;
  readonly device: Device;
  readonly flags: Flags<typeof options>;
  readonly reporter: Reporter;
}

/** @throws InputError if the device has too little memory for a stage; each way to train one is counted once */
async function requireMemory(runs: readonly PlannedRun[], config: RunConfig, device: Device) {
  const counted = new Set<string>();
  for (const run of runs) {
    const own = runConfig(run, config, plannedImages(config));
    const stages = run.stages.filter(stage => {
      const way = JSON.stringify([stage, stage === 'direct' ? own.stage1 : own[stage]]);
      return !counted.has(way) && counted.add(way);
    });
    const problem = stages.length > 0 ? await memoryProblem(own, stages, device) : undefined;
    if (problem !== undefined) throw new InputError(problem);
  }
}

async function trainAll({ runs, rows, config, device, flags, reporter }: Ablation, context: CommandContext) {
  const { out, seeds, json } = flags;
  const { terminal } = context;
  const command = commandLine('ablate', {
    preset: flags.preset,
    config: flags.config,
    set: flags.set,
    scale: flags.scale,
    rows: flags.rows?.join(','),
    seeds: seeds.join(','),
    out,
    ...deviceWords(flags),
  });
  let place = '';
  const onRun: AblateOptions['onRun'] = (run, state) => {
    place = `run ${runs.findIndex(({ folder }) => folder === run.folder) + 1} of ${runs.length}`;
    reporter.say('run', { state, ...run }, () => terminal.colours.bold(`${place}: ${run.folder} ${state}`));
  };
  const body = async (signal: AbortSignal) => {
    const callbacks = { observer: json ? {} : reporter.observer(), onNote: reporter.note, onRun };
    const table = await ablate({ config, rows, seeds, device, out, command, signal, ...callbacks });
    reporter.say('end', { out, rows: table }, () => describeTable(table, out, terminal));
  };
  await reporter.train(context, body, () =>
    reporter.say('interrupted', { resume: command }, () => `stopped in ${place}. Continue with: ${command}`),
  );
}

function describeTable(table: readonly AblationResult[], out: string, terminal: Terminal): string {
  const { head, cells } = ablationCells(table);
  const broken = cells.map(([title = '', ...others]) => [
    wrap(title, 24),
    ...others.map(cell => cell.replace(/ (?=\()|, /g, '\n')),
  ]);
  const lines = head.map(text => text.replaceAll(' ', '\n'));
  return `${drawTable(terminal, lines, broken).join('\n')}\n${ablationLegend(table)}\n${out}/ablation.md and ${out}/ablation.json hold the table`;
}

async function showDurations({ runs, config, device, reporter }: Ablation, { terminal }: CommandContext) {
  const list = await durations(runs, config, device);
  const seconds = list.reduce((sum, run) => sum + run.seconds, 0);
  const images = plannedImages(config);
  reporter.say('dry-run', { images, seconds, runs: list }, () => {
    const rows = list.map(run => [run.folder, run.trains.join(', '), run.rows.join(', '), formatDuration(run.seconds)]);
    return (
      `${drawTable(terminal, ['run', 'trains', 'for the rows', 'takes about'], rows).join('\n')}\n` +
      `${images} images in stages 1 and 2 of every row; in all about ${formatDuration(seconds)}, not counting extensions by the gate`
    );
  });
}

interface RunDuration extends PlannedRun {
  /** Stages that it trains itself; it takes the others from an earlier run. */
  readonly trains: readonly StageName[];
  readonly seconds: number;
}

/** How long every run takes: each way to do a step is measured once and counted for each seed. */
async function durations(runs: readonly PlannedRun[], config: RunConfig, device: Device): Promise<RunDuration[]> {
  const measured = new Map<string, StageEstimate>();
  const trained = new Set<string>();
  const result: RunDuration[] = [];
  for (const run of runs) {
    const own = runConfig(run, config, plannedImages(config));
    const { seed, stage0, stage1 } = own;
    // runs of a seed share a stage if they have the same settings up to there
    const shared = { stage0: [stage0], stage1: [stage0, stage1], stage2: run.name, direct: run.name };
    const trains = run.stages.filter(stage => {
      const key = JSON.stringify([seed, stage, shared[stage]]);
      const isNew = !trained.has(key);
      trained.add(key);
      return isNew;
    });
    let seconds = 0;
    for (const stage of trains) {
      const settings = stage === 'direct' ? own.stage1 : own[stage];
      const key = JSON.stringify([stage, { ...settings, steps: 0, warmup: 0, gate: 0 }]);
      const known = measured.get(key) ?? (await estimateRun(own, [stage], device)).stages[0]!;
      measured.set(key, known);
      seconds += stageSize(own, stage).steps * known.secondsPerStep + known.evaluationSeconds;
    }
    result.push({ ...run, trains, seconds });
  }
  return result;
}
