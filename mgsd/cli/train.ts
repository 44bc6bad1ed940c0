/** `mgsd-lite train`: the stages, what they cost, and what they did. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { sizeOf } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import { modelPresets, parameterSpecs } from '../../models/index.js';
import type { PresetName } from '../../models/index.js';
import { heldOutGroups } from '../method/puzzles.js';
import { memoryAdvice, memoryProblem } from '../runs/memory-need.js';
import { explainNaN } from '../runs/explain-nan.js';
import { peakMemory } from '../runs/memory-log.js';
import { RunFolder } from '../runs/run-folder.js';
import { summarize } from '../evaluation/evaluate.js';
import type { Metrics, StageName } from '../method/stages/stage.js';
import { story } from '../evaluation/summary.js';
import { rowTitles } from '../evaluation/table.js';
import type { TableRow } from '../evaluation/table.js';
import { stageNames } from '../runs/order.js';
import { train } from '../runs/train.js';
import { Interrupted, RunStopped } from '../runs/train-options.js';
import type { TrainObserver } from '../runs/train-options.js';
import { checkInput, ExitError, exitCodes, InputError } from './errors.js';
import { estimateRun } from './estimate.js';
import type { RunEstimate } from './estimate.js';
import { addDeviceOptions, addExamples, oneOf, seedOf, several, wholeNumber, withDevice } from './options.js';
import type { CommandContext, DeviceFlags } from './options.js';
import { Profile } from './profile.js';
import { Progress } from './progress.js';
import { recordDevice, reportAfterTraining } from './report.js';
import { resultTable, rowLine } from './results.js';
import { chooseRun } from './run-choice.js';
import type { RunChoice, RunFlags } from './run-choice.js';
import { catchSignals } from './signals.js';
import { formatBytes, formatDuration } from './terminal.js';
import type { Terminal } from './terminal.js';

interface TrainFlags extends RunFlags, DeviceFlags {
  readonly checkpointEvery?: number;
  readonly dryRun?: boolean;
  readonly explainNan?: boolean;
  readonly json?: boolean;
  readonly profile?: boolean;
}

export function addTrainCommand(program: Command, context: CommandContext): void {
  const presetNames = Object.keys(modelPresets) as PresetName[];
  const command = program
    .command('train')
    .summary('train: symbolic planner, grounding, on-policy self-distillation')
    .description(
      'Generates the puzzles, runs the stages of the method, evaluates after each, and shows what each one did.\n' +
        'Ctrl-C ends with a checkpoint; --resume goes on from it.',
    )
    .option(
      '--stage <name>',
      `run only this stage (may be repeated): ${stageNames.join(', ')}`,
      several(oneOf(stageNames)),
    )
    .option('--direct', 'add the baseline that is shown plans for images (as many images as stages 1 and 2)')
    .addOption(new Option('--preset <name>', 'sizes and schedules (default: tiny)').choices(presetNames))
    .option('--config <file>', 'JSON with what differs from the preset')
    .option('--set <path=value>', 'one setting, as in stage0.steps=1000 (may be repeated)', several(String))
    .option('--seed <n>', 'decides every puzzle, weight and sample (default: 1)', seedOf)
    .addOption(
      new Option(
        '--precision <name>',
        'f16: half-precision matrix products, f32 weights (default: of the preset)',
      ).choices(['f32', 'f16']),
    )
    .option('--out <folder>', 'folder of the run (default: runs/<preset>-seed<n>-<time>)')
    .option(
      '--resume [path]',
      'go on with a run (its folder, or one of its checkpoints), by default the newest in runs/',
    )
    .option('--checkpoint-every <n>', 'updates between two checkpoints', wholeNumber(1), 200)
    .option('--dry-run', 'only say what would be done and what it costs, from a few measured steps')
    .option(
      '--explain-nan',
      'with --resume: run the updates again, launch by launch, to see where NaN or infinity comes from',
    )
    .option('--profile', 'at the end, say which kernels took the time')
    .option('--json', 'events as JSON lines on standard output');
  addDeviceOptions(command).action((flags: TrainFlags) => runTrain(flags, context));
  addExamples(command, [
    ['train', 'everything, with the tiny preset'],
    ['train --dry-run --preset small --device webgpu', 'what the small preset would cost on the GPU'],
    ['train --seed 4 --set stage2.estimator=sampled --out runs/sampled', "the estimator of the paper's code"],
    ['train --resume', 'go on with the newest run in runs/'],
    ['train --resume runs/sampled --stage direct', 'add a baseline to a finished run'],
    [
      'train --resume runs/mine/checkpoint-stage2-600.safetensors --explain-nan',
      'which op wrote the first NaN after it?',
    ],
  ]);
}

async function runTrain(flags: TrainFlags, context: CommandContext): Promise<void> {
  const choice = chooseRun(flags);
  const report = flags.json ? jsonReport(context.terminal) : plainReport(context.terminal);
  if (flags.explainNan && !choice.resume)
    throw new InputError(
      '--explain-nan runs updates of an earlier run again: name its folder or checkpoint with --resume',
    );
  if (!flags.dryRun) checkInput(() => heldOutGroups(choice.config)); // too few puzzles: said before a folder is made
  const notes: string[] = []; // of the device, which comes first
  await withDevice(
    flags,
    note => notes.push(note),
    async (device, description) => {
      report.device(description, device);
      notes.forEach(report.note);
      if (flags.dryRun) await dryRun(choice, device, report);
      else if (flags.explainNan) await runExplanation(choice, device, report);
      else {
        const problem = await memoryProblem(choice.config, choice.stages, device);
        if (problem !== undefined) throw new InputError(problem); // before a folder is made
        await runStages(choice, device, flags, report, context);
      }
    },
  );
}

async function runExplanation({ config, stages, folder: path, from }: RunChoice, device: Device, report: Report) {
  const folder = checkInput(() => RunFolder.open(path, { warn: report.note }));
  try {
    const observer = { onNote: report.note };
    const given = { config, device, folder, stages, observer, ...(from !== undefined && { from }) };
    report.explanation(await explainNaN(given));
  } finally {
    folder.close();
  }
}

async function runStages(
  choice: RunChoice,
  device: Device,
  flags: TrainFlags,
  report: Report,
  context: CommandContext,
): Promise<void> {
  const { config, stages, resume, from } = choice;
  const options = { warn: report.note };
  const folder = checkInput(() =>
    resume ? RunFolder.open(choice.folder, options) : RunFolder.create(choice.folder, config, options),
  );
  const signals = catchSignals(name =>
    report.note(`${name}: the present step is finished and a checkpoint saved; once more ends at once`),
  );
  const profile = flags.profile ? new Profile(device) : undefined;
  const start = performance.now();
  try {
    report.begin(choice);
    recordDevice(folder, device);
    const observer = report.observer(stages);
    const checkpointEvery = flags.checkpointEvery ?? 200;
    const rows = await train({
      config,
      device,
      folder,
      stages,
      resume,
      ...(from !== undefined && { from }),
      checkpointEvery,
      signal: signals.signal,
      observer,
    });
    report.note(await reportAfterTraining(folder.path, config, device));
    const peaks = [...peakMemory(folder.readLog()).values()];
    const most = (of: (use: (typeof peaks)[number]) => number) => formatBytes(Math.max(0, ...peaks.map(of)));
    report.note(`peak memory: tensors ${most(use => use.deviceBytes)}, process ${most(use => use.hostBytes)}`);
    report.end(rows, choice, (performance.now() - start) / 1000);
  } catch (error) {
    if (error instanceof RunStopped) throw await stoppedError(error, choice, flags, device);
    if (!(error instanceof Interrupted)) throw error;
    report.interrupted(error.checkpoint, resumeCommand(choice, flags));
    context.exitCode = signals.exitCode;
  } finally {
    signals.release();
    folder.close();
    if (profile) {
      await profile.stop();
      report.profile(profile);
    }
  }
}

/** What a run that cannot go on says at its end, and its exit code. */
async function stoppedError(
  error: RunStopped,
  choice: RunChoice,
  flags: TrainFlags,
  device: Device,
): Promise<ExitError> {
  const { reason, stage, message, checkpoint } = error;
  const advice = {
    memory: () => memoryAdvice(choice.config, stage, device),
    numbers: () => `See where it comes from: ${resumeCommand(choice, flags, checkpoint)} --explain-nan`,
    lost: () => `Go on with: ${resumeCommand(choice, flags)}`,
    thread: () => `Go on with: ${resumeCommand(choice, flags)}`,
  };
  return new ExitError(exitCodes[reason], `${message} ${await advice[reason]()}`, { cause: error });
}

/** The command that resumes this run, or a checkpoint of it. */
function resumeCommand({ folder }: RunChoice, flags: TrainFlags, from = folder): string {
  const { stage = [], direct, device, threads } = flags;
  const options = [
    ...stage.map(name => `--stage ${name}`),
    ...(direct ? ['--direct'] : []),
    ...(device === 'auto' ? [] : [`--device ${device}`]),
    ...(threads === undefined ? [] : [`--threads ${threads}`]),
  ];
  const quoted = /^[\w./-]+$/.test(from) ? from : `'${from}'`;
  return ['mgsd-lite train --resume', quoted, ...options].join(' ');
}

async function dryRun({ config, stages, folder }: RunChoice, device: Device, report: Report): Promise<void> {
  const specs = parameterSpecs(modelPresets[config.preset]);
  const count = (part: string) =>
    specs.filter(({ name }) => name.startsWith(part)).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const parameters = { total: count(''), vision: count('vision.'), decoder: count('decoder.') };
  report.dryRun({ config, folder, parameters, estimate: await estimateRun(config, stages, device) });
}

interface DryRun {
  readonly config: RunChoice['config'];
  readonly folder: string;
  readonly parameters: Readonly<Record<'total' | 'vision' | 'decoder', number>>;
  readonly estimate: RunEstimate;
}

/** What is said on the way, to people or to programs. */
interface Report {
  device(description: string, device: Device): void;
  readonly note: (note: string) => void;
  begin(choice: RunChoice): void;
  observer(stages: readonly StageName[]): TrainObserver;
  interrupted(checkpoint: string | undefined, command: string): void;
  end(rows: readonly TableRow[], choice: RunChoice, seconds: number): void;
  profile(profile: Profile): void;
  dryRun(result: DryRun): void;
  explanation(text: string): void;
}

const millions = (count: number) => `${(count / 1e6).toFixed(2)} M`;

function plainReport(terminal: Terminal): Report {
  const progress = new Progress(terminal);
  const { dim, bold } = terminal.colours;
  return {
    device: description => terminal.out(description),
    note: note => progress.write(dim(note)),
    begin: ({ config, folder, resume }) =>
      terminal.out(
        `${resume ? 'going on with' : 'new run'} ${folder}: preset ${config.preset}, seed ${config.seed}, ${config.precision}`,
      ),
    observer: stages => ({
      onStage: ({ stage, title, step, steps }) => {
        if (steps > 0)
          progress.begin(`${stage} (${stages.indexOf(stage) + 1} of ${stages.length}) ${title}`, steps, step);
      },
      onStep: ({ step, metrics, samplesPerSecond }) => progress.update(step, details(metrics, samplesPerSecond)),
      onEvaluation: (row, done, total) => {
        if (progress.title !== evaluating(row)) progress.begin(evaluating(row), total);
        progress.update(done, '');
      },
      onRow: (name, items) => {
        progress.end();
        terminal.out(rowLine(rowTitles[name], summarize(items)));
      },
      onNote: note => progress.write(dim(note)),
    }),
    interrupted: (checkpoint, command) => {
      progress.end();
      terminal.out(
        `${checkpoint === undefined ? 'stopped; nothing was lost' : `stopped; saved ${checkpoint}`}. Go on with: ${command}`,
      );
    },
    end: (rows, { folder }, seconds) => {
      progress.end();
      terminal.out(
        `\n${resultTable(terminal, rows)}\n(95 % intervals, drawn over layouts; ${rows[0]?.items ?? 0} puzzles that were never trained on)\n`,
      );
      for (const sentence of story(rows)) terminal.out(sentence);
      terminal.out(`\n${bold(folder)} holds the run, ready after ${formatDuration(seconds)}.`);
    },
    profile: profile => terminal.out(`\n${profile.table(terminal)}`),
    explanation: text => terminal.out(text),
    dryRun: ({ config, folder, parameters, estimate }) => {
      terminal.out(JSON.stringify(config, null, 2));
      terminal.out(`folder      ${folder} (not made)`);
      terminal.out(
        `parameters  ${millions(parameters.total)}: vision ${millions(parameters.vision)}, decoder ${millions(parameters.decoder)}`,
      );
      for (const { stage, steps, batch, secondsPerStep, trainingSeconds, evaluationSeconds } of estimate.stages)
        terminal.out(
          `${stage.padEnd(11)} ${steps} steps of ${batch} at ${secondsPerStep.toPrecision(2)} s: ${formatDuration(trainingSeconds)}, then ${formatDuration(evaluationSeconds)} of evaluation`,
        );
      terminal.out(`time        about ${formatDuration(estimate.seconds)}, drawing the puzzles not counted`);
      terminal.out(
        `memory      about ${formatBytes(estimate.deviceBytes)} for tensors; the process has ${formatBytes(estimate.processBytes)} by now`,
      );
      terminal.out(
        `disk        about ${formatBytes(estimate.diskBytes)}, ${formatBytes(estimate.checkpointBytes)} per checkpoint`,
      );
    },
  };
}

const evaluating = (row: string) => `evaluating ${row}`;

function details({ loss = NaN, rolloutSuccess }: Metrics, samplesPerSecond: number): string {
  const success = rolloutSuccess === undefined ? '' : `, rollout success ${(100 * rolloutSuccess).toFixed(0)} %`;
  return `loss ${loss.toFixed(4)}${success}, ${samplesPerSecond.toFixed(0)} samples/s`;
}

function jsonReport(terminal: Terminal): Report {
  const say = (event: string, fields: object) => terminal.out(JSON.stringify({ event, ...fields }));
  return {
    device: (description, { capabilities }) => say('device', { description, ...capabilities }),
    note: note => say('note', { note }),
    begin: ({ config, folder, stages, resume }) => say('run', { folder, resume, stages, config }),
    observer: () => ({
      onStage: stage => say('stage', stage),
      onStep: step => say('step', step),
      onEvaluation: (row, done, total) => say('evaluation', { row, done, total }),
      onRow: (name, items) => say('row', { name, title: rowTitles[name], ...summarize(items) }),
      onNote: note => say('note', { note }),
    }),
    interrupted: (checkpoint, command) => say('interrupted', { checkpoint: checkpoint ?? null, resume: command }),
    end: (rows, { folder }, seconds) => say('end', { folder, seconds, table: rows, story: story(rows) }),
    profile: profile => say('profile', { clock: profile.clock, seconds: profile.wallSeconds, kernels: profile.rows() }),
    dryRun: result => say('dry-run', result),
    explanation: text => say('explanation', { text }),
  };
}
