/**
 * How much device memory a run needs, before any of it is taken: a step of every stage and an evaluation are run on a
 * backend that only counts. Batches are taken at their worst, with the largest boards of the run and responses as long
 * as they may be.
 */
import { Device, DryBackend } from '../../core/index.js';
import type { Capabilities, LaunchShape } from '../../core/index.js';
import type { PresetName } from '../../models/index.js';
import { VisionLanguageModel } from '../../models/index.js';
import { modelConfigOf, presets } from '../method/config.js';
import type { RunConfig } from '../method/config.js';
import { evaluate } from '../evaluation/evaluate.js';
import { trainingGroups } from '../method/puzzles.js';
import type { PuzzleGroup } from '../method/puzzles.js';
import { probeStep, smallPools, stageSize } from '../method/stages/probe.js';
import { rollOut, studentWriter } from '../method/stages/rollout.js';
import { makeOptimizer } from '../method/stages/stage.js';
import type { StageName } from '../method/stages/stage.js';

export interface MemoryNeed {
  readonly stage: StageName;
  /** Puzzles per update that this is for. */
  readonly batch: number;
  /** Most bytes at any one time, what the pool keeps for reuse included, and those of the largest tensor. */
  readonly bytes: number;
  readonly largestBuffer: number;
  /** Different launches of the stage and of its evaluation. */
  readonly launches: readonly LaunchShape[];
}

/**
 * The need of every stage with the batches of the configuration.
 * @param capabilities of the device that is to run it: dtypes and ways to compute differ
 * @param batch instead of the configuration's
 */
export async function predictMemory(
  config: RunConfig,
  stages: readonly StageName[],
  capabilities: Capabilities,
  batch?: number,
): Promise<MemoryNeed[]> {
  const needs: MemoryNeed[] = [];
  for (const stage of stages)
    needs.push(await needByBatch(config, stage, capabilities)(batch ?? stageSize(config, stage).batch));
  return needs;
}

/** Batches up to the larger one are counted. Of more, which would take long, the need follows in proportion. */
const counted = [8, 512] as const;

/** The need of a stage as a function of its batch. */
function needByBatch(
  config: RunConfig,
  stage: StageName,
  capabilities: Capabilities,
): (batch: number) => Promise<MemoryNeed> {
  const groups = largestBoards(trainingGroups(smallPools(config)));
  const at = (batch: number) => needOf(config, stage, groups, capabilities, batch);
  let ends: readonly [MemoryNeed, MemoryNeed] | undefined;
  return async batch => {
    const [few, many] = counted;
    if (batch <= many) return await at(batch);
    ends ??= [await at(few), await at(many)];
    const [a, b] = ends;
    const times = (batch - few) / (many - few);
    const line = (name: 'bytes' | 'largestBuffer') => Math.ceil(a[name] + (b[name] - a[name]) * times);
    return { stage, batch, bytes: line('bytes'), largestBuffer: line('largestBuffer'), launches: b.launches };
  };
}

/** After two eager steps, the recorder makes a recording, which has memory of its own. */
const stepsUntilReplayed = 3;

async function needOf(
  config: RunConfig,
  stage: StageName,
  groups: readonly PuzzleGroup[],
  capabilities: Capabilities,
  batch: number,
): Promise<MemoryNeed> {
  const backend = new DryBackend(capabilities);
  const device = new Device(backend);
  const model = new VisionLanguageModel(device, modelConfigOf(config), { precision: config.precision });
  const optimizer = makeOptimizer(model, config);
  const teacher =
    stage === 'stage2'
      ? new VisionLanguageModel(device, model.config, { precision: config.precision, trainable: false })
      : model;
  const setting = { config, student: model, planner: teacher, optimizer, groups };
  const step = probeStep(stage, setting, batch, 'longest');
  for (let i = 0; i < stepsUntilReplayed; i++) await step();
  if (stage === 'stage2') {
    // nothing that is read says that a response has ended, so every cache is as large as it can get
    const changed = { ...config, stage2: { ...config.stage2, batch } };
    await rollOut({ ...setting, config: changed }, studentWriter({ ...setting, config: changed }), 0);
  }
  await evaluate(model, evaluated(config, groups), { input: 'symbolic' });
  await evaluate(model, evaluated(config, groups), { input: 'image' });
  return { stage, batch, bytes: backend.peakBytes, largestBuffer: backend.largestBytes, launches: backend.launches };
}

/** As many puzzles as an evaluation takes at a time; which ones does not matter. */
function evaluated({ evaluation }: RunConfig, groups: readonly PuzzleGroup[]): PuzzleGroup[] {
  return groups.map(group => ({
    ...group,
    puzzles: Array.from({ length: evaluation.puzzles }, (_, i) => group.puzzles[i % group.puzzles.length]!),
  }));
}

/** Of every world the largest boards alone. */
function largestBoards(groups: readonly PuzzleGroup[]): PuzzleGroup[] {
  return groups.filter(
    ({ world, level }) => !groups.some(other => other.world.name === world.name && other.level > level),
  );
}

/**
 * The largest batch of a stage, by halves of the configuration's, that fits; 0 if not even one puzzle does.
 */
export async function fittingBatch(
  config: RunConfig,
  stage: StageName,
  capabilities: Capabilities,
  fits: (need: MemoryNeed) => boolean | Promise<boolean>,
): Promise<number> {
  const need = needByBatch(config, stage, capabilities);
  for (let batch = Math.floor(stageSize(config, stage).batch / 2); batch >= 1; batch = Math.floor(batch / 2))
    if (await fits(await need(batch))) return batch;
  return 0;
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;

/**
 * Checks a run against what its device has: what is wrong and which batch would fit, in one line; undefined if all is
 * well, and then a GPU has compiled what the run will launch.
 */
export async function memoryProblem(
  config: RunConfig,
  stages: readonly StageName[],
  device: Device,
): Promise<string | undefined> {
  const { capabilities, backend } = device;
  const fits = async ({ bytes, largestBuffer }: MemoryNeed) =>
    largestBuffer <= capabilities.maxBufferBytes && (await backend.hasMemory(bytes));
  for (const need of await predictMemory(config, stages, capabilities)) {
    if (await fits(need)) {
      // A GPU compiles for seconds: all at once, not one by one in the first update. What fails says so when launched.
      if (!capabilities.software) await backend.compile?.(need.launches).catch(() => undefined);
      continue;
    }
    const batch = await fittingBatch(config, need.stage, capabilities, fits);
    const setting = need.stage === 'direct' ? 'stage1' : need.stage;
    return (
      `${need.stage} with ${need.batch} puzzles per update needs ${megabytes(need.bytes)}, its largest tensor ${megabytes(need.largestBuffer)}; ` +
      `${capabilities.name} does not have that much (largest buffer ${megabytes(capabilities.maxBufferBytes)}). ` +
      (batch > 0
        ? `A batch of ${batch} fits: --set ${setting}.batch=${batch}`
        : 'Not even one puzzle fits: take a smaller preset (--preset tiny)')
    );
  }
  return undefined;
}

/** What would fit now that a stage has run out of memory: the largest batch, by halves, or else the largest preset. */
export async function memoryAdvice(config: RunConfig, stage: StageName, device: Device): Promise<string> {
  device.trim();
  const { capabilities, backend } = device;
  const fits = async ({ bytes, largestBuffer }: MemoryNeed) =>
    largestBuffer <= capabilities.maxBufferBytes && (await backend.hasMemory(bytes));
  const batch = await fittingBatch(config, stage, capabilities, fits);
  if (batch > 0) return `A new run with --set ${stage === 'direct' ? 'stage1' : stage}.batch=${batch} would fit`;
  const names = Object.keys(presets) as PresetName[];
  for (const preset of names.slice(0, names.indexOf(config.preset)).reverse()) {
    const [need] = await predictMemory(presets[preset], [stage], capabilities);
    if (need && (await fits(need))) return `A new run with --preset ${preset} would fit`;
  }
  return 'Not even one puzzle with the smallest preset would fit: take another device (--device wasm)';
}
