/** `mgsd-lite train`: the stages of the method, an evaluation after each, and what they did. */
import type { Device } from '../../core/index.js';
import { modelConfigOf } from '../method/config.js';
import { drawRunPuzzles } from '../method/obstacles.js';
import type { RunPuzzles } from '../method/puzzles.js';
import { stageSentences } from '../evaluation/summary.js';
import { explainNaN } from '../runs/explain-nan.js';
import { peakMemory } from '../runs/memory-log.js';
import { memoryAdvice, memoryProblem } from '../runs/memory-need.js';
import { stageNames } from '../runs/order.js';
import { RunFolder } from '../runs/run-folder.js';
import { train } from '../runs/train.js';
import { RunStopped } from '../runs/train-options.js';
import { commandLine, defineCommand } from './command.js';
import type { CommandContext } from './command.js';
import { deviceWords, withDevice } from './device.js';
import { checkInput, ExitError, exitCodes, InputError } from './errors.js';
import { estimateRun, millions, parameterCount } from '../runs/estimate.js';
import type { StageEstimate } from '../runs/estimate.js';
import { configOptions, deviceOptions, runSeedOption } from './options.js';
import { oneOf, option, repeated, someText, toggle, TypedOption, wholeNumber } from './options.js';
import type { Flags } from './options.js';
import { Profile } from './profile.js';
import { reportAfterTraining } from './report.js';
import { Reporter } from './reporter.js';
import { resultTable } from './results.js';
import { chooseRun } from './run-choice.js';
import type { RunChoice } from './run-choice.js';
import { formatBytes, formatDuration } from './terminal.js';

const options = {
  stage: repeated('--stage <name>', 'run only this stage', oneOf(stageNames)),
  direct: toggle('--direct', 'add the baseline that is shown plans for images (as many images as stages 1 and 2)'),
  ...configOptions,
  seed: runSeedOption,
  precision: option('--precision <name>', "f16: matrix products in f16 (default: the preset's)", oneOf(['f32', 'f16'])),
  out: option('--out <folder>', 'folder of the run (default: runs/<preset>-seed<n>-<time>)'),
  resume: new TypedOption<string | true | undefined>(
    '--resume [path]',
    'resume a run, named by its folder or one of its checkpoints (default: the newest in runs/)',
  ).argParser(someText),
  checkpointEvery: option('--checkpoint-every <n>', 'updates between two checkpoints', wholeNumber(1), 200),
  dryRun: toggle('--dry-run', 'only say what would be done and what it costs, from a few measured steps'),
  explainNan: toggle('--explain-nan', 'with --resume: run the updates again, to see where NaN or infinity comes from'),
  profile: toggle('--profile', 'at the end, say which kernels took the time'),
  json: toggle('--json', 'events as JSON lines on standard output'),
  ...deviceOptions,
};
type TrainFlags = Flags<typeof options>;

/** What a training works with once its options are understood. */
interface Training {
  readonly choice: RunChoice;
  readonly puzzles: RunPuzzles;
  readonly device: Device;
  readonly flags: TrainFlags;
  readonly reporter: Reporter;
}

export const trainCommand = defineCommand({
  name: 'train',
  summary: 'train: symbolic planner, grounding, on-policy self-distillation',
  description:
    'Generates the puzzles, runs the stages of the method, evaluates after each, and shows what each one did.\n' +
    'Ctrl-C saves a checkpoint and stops; --resume continues from it.',
  options,
  examples: [
    ['train', 'everything: three worlds, in six to ten minutes on two processor cores'],
    ['train --preset classroom', 'the whole method on two small boards, in under two minutes'],
    ['train --dry-run --preset small --device webgpu', 'what the small preset would cost on the GPU'],
    ['train --seed 4 --set stage2.estimator=sampled --out runs/sampled', "the estimator of the paper's code"],
    ['train --resume', 'continue the newest run in runs/'],
    ['train --resume runs/sampled --stage direct', 'add a baseline to a finished run'],
    ['train --resume runs/mine/checkpoint-stage2-600.safetensors --explain-nan', 'which op wrote the first NaN?'],
  ],
  async run(flags, context) {
    const choice = chooseRun(flags);
    if (flags.explainNan && !choice.resume)
      throw new InputError(
        '--explain-nan runs updates of an earlier run again: name its folder or checkpoint with --resume',
      );
    const reporter = new Reporter(context.terminal, flags.json);
    // too few: fail before making a folder
    const puzzles = checkInput(() => drawRunPuzzles(choice.config, reporter.drawing));
    const notes: string[] = []; // they follow the device's description
    const body = async (device: Device, description: string) => {
      reporter.say('device', { description, ...device.capabilities }, () => description);
      notes.forEach(reporter.note);
      const training = { choice, puzzles, device, flags, reporter };
      const problem = flags.explainNan ? undefined : await memoryProblem(choice.config, choice.stages, device);
      if (problem !== undefined) throw new InputError(problem);
      if (flags.dryRun) await showCost(training);
      else if (flags.explainNan) await showExplanation(training);
      else await runStages(training, context);
    };
    await withDevice(flags, body, note => notes.push(note));
  },
});

async function showCost({ choice: { config, stages, folder }, device, reporter }: Training): Promise<void> {
  const count = (part: string) => parameterCount(modelConfigOf(config), part);
  const parameters = { total: count(''), vision: count('vision.'), decoder: count('decoder.') };
  const estimate = await estimateRun(config, stages, device);
  reporter.say('dry-run', { config, folder, parameters, estimate }, () => {
    const { deviceBytes, diskBytes, checkpointBytes } = estimate;
    const processBytes = process.memoryUsage().rss;
    const [total, vision, decoder] = Object.values(parameters).map(millions);
    return [
      JSON.stringify(config, null, 2),
      `folder      ${folder} (not made)`,
      `parameters  ${total}: vision ${vision}, decoder ${decoder}`,
      ...estimate.stages.map(describeStage),
      `time        about ${formatDuration(estimate.seconds)}, not counting the drawing of puzzles`,
      `memory      about ${formatBytes(deviceBytes)} for tensors; this process takes ${formatBytes(processBytes)} by now`,
      `disk        about ${formatBytes(diskBytes)}, ${formatBytes(checkpointBytes)} per checkpoint`,
    ].join('\n');
  });
}

function describeStage({ stage, steps, batch, ...seconds }: StageEstimate): string {
  const step = `${steps} steps of ${batch} at ${seconds.secondsPerStep.toPrecision(2)} s`;
  const [training, evaluation] = [seconds.trainingSeconds, seconds.evaluationSeconds].map(formatDuration);
  return `${stage.padEnd(11)} ${step}: ${training}, then ${evaluation} of evaluation`;
}

async function showExplanation({ choice, device, reporter }: Training): Promise<void> {
  const { folder: path, resume: _, ...run } = choice;
  const folder = checkInput(() => RunFolder.open(path, { warn: reporter.note }));
  try {
    const text = await explainNaN({ ...run, device, folder, observer: { onNote: reporter.note } });
    reporter.say('explanation', { text }, () => text);
  } finally {
    folder.close();
  }
}

async function runStages(training: Training, context: CommandContext): Promise<void> {
  const { choice, puzzles, device, flags, reporter } = training;
  const { config, stages, resume, folder: path } = choice;
  const folderOptions = { warn: reporter.note };
  const folder = checkInput(() =>
    resume ? RunFolder.open(path, folderOptions) : RunFolder.create(path, config, folderOptions),
  );
  const profile = flags.profile ? new Profile(device) : undefined;
  const start = performance.now();
  const body = async (signal: AbortSignal) => {
    reporter.say('run', { folder: path, resume, stages, config }, () => {
      const { preset, seed, precision } = config;
      return `${resume ? 'resuming' : 'new run'} ${path}: preset ${preset}, seed ${seed}, ${precision}`;
    });
    const { checkpointEvery } = flags;
    const observer = reporter.observer(stages);
    const table = await train({ ...choice, puzzles, device, folder, checkpointEvery, signal, observer });
    reporter.note(await reportAfterTraining(path, config, device));
    reporter.note(describePeak(folder));
    const seconds = (performance.now() - start) / 1000;
    const sentences = stageSentences(table);
    reporter.say('end', { folder: path, seconds, table, story: sentences }, () =>
      [
        `\n${resultTable(context.terminal, table)}`,
        `(95 % intervals over layouts; ${table[0]?.items ?? 0} held-out puzzles)\n`,
        ...sentences,
        `\n${context.terminal.colours.bold(path)} holds the run, ready after ${formatDuration(seconds)}.`,
      ].join('\n'),
    );
  };
  try {
    await reporter.train(context, body, ({ checkpoint = null }) => {
      const command = resumeCommand(training);
      const saved = checkpoint === null ? 'stopped; nothing was lost' : `stopped; saved ${checkpoint}`;
      reporter.say('interrupted', { checkpoint, resume: command }, () => `${saved}. Continue with: ${command}`);
    });
  } catch (error) {
    throw error instanceof RunStopped ? await stoppedError(error, training) : error;
  } finally {
    folder.close();
    if (profile) {
      await profile.stop();
      const { clock, wallSeconds: seconds } = profile;
      reporter.say('profile', { clock, seconds, kernels: profile.rows() }, () => profile.table(context.terminal));
    }
  }
}

function describePeak(folder: RunFolder): string {
  const peaks = [...peakMemory(folder.readLog()).values()];
  const most = (use: 'deviceBytes' | 'hostBytes') => formatBytes(Math.max(0, ...peaks.map(peak => peak[use])));
  return `peak memory: tensors ${most('deviceBytes')}, process ${most('hostBytes')}`;
}

/** Why a run cannot continue, what to do about it, and the exit code. */
async function stoppedError(error: RunStopped, training: Training): Promise<ExitError> {
  const { reason, stage, message, checkpoint } = error;
  const goOn = `Continue with: ${resumeCommand(training)}`;
  const advice = {
    memory: () => memoryAdvice(training.choice.config, stage, training.device),
    numbers: () => `See where it comes from: ${resumeCommand(training, checkpoint)} --explain-nan`,
    lost: () => goOn,
    thread: () => goOn,
  };
  return new ExitError(exitCodes[reason], `${message} ${await advice[reason]()}`, { cause: error });
}

/** The command that resumes this run, or one of its checkpoints. */
function resumeCommand({ choice, flags }: Training, from = choice.folder): string {
  const { stage, direct, checkpointEvery } = flags;
  const every = checkpointEvery === options.checkpointEvery.defaultValue ? undefined : checkpointEvery;
  return commandLine('train', { resume: from, stage, direct, 'checkpoint-every': every, ...deviceWords(flags) });
}
