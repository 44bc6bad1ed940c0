/**
 * Trains the stages of one configuration without a run's folder and measures each on validation boards. A stage whose
 * deciding settings are those of one that is already there is read, not trained again.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Device } from '../../core/index.js';
import { decodeCheckpoint, encodeCheckpoint, loadModel, VisionLanguageModel } from '../../models/index.js';
import { modelConfigOf } from '../../mgsd/method/config.js';
import type { RunConfig } from '../../mgsd/method/config.js';
import { groupOf, trainingGroups } from '../../mgsd/method/puzzles.js';
import type { Puzzle, RunPuzzles } from '../../mgsd/method/puzzles.js';
import { crc32 } from '../../mgsd/worlds/crc32.js';
import { makeStage } from '../../mgsd/method/stages/index.js';
import { makeOptimizer } from '../../mgsd/method/stages/stage.js';
import type { Metrics } from '../../mgsd/method/stages/stage.js';
import { evaluate } from '../../mgsd/evaluation/evaluate.js';
import type { EvaluateOptions, ItemResult } from '../../mgsd/evaluation/evaluate.js';
import { readFile, readJson, writeFileAtomic, writeJson } from '../../mgsd/runs/files.js';
import { groupsOf } from '../../mgsd/runs/open-stage.js';

/** The stages of a sweep, in their order. */
export const sweptStages = ['stage0', 'stage1', 'stage2'] as const;
/** One of them. */
export type SweptStage = (typeof sweptStages)[number];

/** What is measured after a stage, by name. */
const inputs: Readonly<Record<string, EvaluateOptions>> = {
  symbolic: { input: 'symbolic' },
  image: { input: 'image' },
  'held-out look': { input: 'image', style: 'held-out' },
};

/** Shares of puzzles, by board (`maze 4`), and the mean over worlds of the means over their boards. */
export interface Shares {
  readonly macro: number;
  readonly byBoard: Readonly<Record<string, number>>;
}

/** A trained stage. */
export interface StageRecord {
  readonly stage: SweptStage;
  readonly seed: number;
  readonly updates: number;
  /** Processor time of the updates, all threads together, in seconds; it grows little when the machine is busy. */
  readonly cpuSeconds: number;
  readonly seconds: number;
  /** Mean loss of the last tenth of the updates. */
  readonly loss: number;
  /** Shares of plans that reach the goal, and of recaps without a mistake, by what the model was shown. */
  readonly success: Readonly<Record<string, Shares>>;
  readonly recapExact: Readonly<Record<string, Shares>>;
}

/** Where and how a sweep runs. */
export interface SweepSetting {
  readonly device: Device;
  /** Folder of weights and records. */
  readonly out: string;
  /** Validation puzzles per board. */
  readonly puzzles: number;
}

/** Everything that decides how a stage ends, as a file name. */
export function stageKey(stage: SweptStage, config: RunConfig, puzzles: number): string {
  const later = new Set(['stages', 'evaluation', ...sweptStages.slice(sweptStages.indexOf(stage) + 1)]);
  const deciding = Object.entries(config).filter(([name]) => !later.has(name));
  const hash = createHash('sha256').update(JSON.stringify([deciding, puzzles]));
  return `${stage}-seed${config.seed}-${hash.digest('hex').slice(0, 12)}`;
}

/**
 * The training pools without one layout in eight, and up to `count` validation puzzles per board on those layouts. Like
 * held-out boards they share no layout with training boards, rotated and mirrored ones included.
 */
export function sweepPuzzles(config: RunConfig, count: number): RunPuzzles {
  const setAside = ({ world, instance }: Puzzle) => crc32(world.layoutKey(instance)) % 8 === 3;
  const groups = trainingGroups(config);
  const validation = groups.map(group => groupOf(group, group.puzzles.filter(setAside).slice(0, count)));
  const training = groups.map(group =>
    groupOf(
      group,
      group.puzzles.filter(puzzle => !setAside(puzzle)),
    ),
  );
  return { training, validation, heldOut: validation };
}

/** The records of the stages up to `last`, trained where they are not there yet. */
export async function runStages(config: RunConfig, last: SweptStage, setting: SweepSetting): Promise<StageRecord[]> {
  mkdirSync(setting.out, { recursive: true });
  const records: StageRecord[] = [];
  let puzzles: RunPuzzles | undefined; // drawn only if something is to be trained
  for (const stage of sweptStages.slice(0, sweptStages.indexOf(last) + 1)) {
    const file = path.join(setting.out, `${stageKey(stage, config, setting.puzzles)}.json`);
    if (!existsSync(file)) {
      puzzles ??= sweepPuzzles(config, setting.puzzles);
      writeJson(file, await trainStage(stage, config, puzzles, setting));
    }
    records.push(readJson(file) as StageRecord);
  }
  return records;
}

const weightsFile = (stage: SweptStage, config: RunConfig, { out, puzzles }: SweepSetting) =>
  path.join(out, `${stageKey(stage, config, puzzles)}.safetensors`);

/** Trains one stage from the weights of the one before, keeps its weights, and measures it. */
async function trainStage(
  name: SweptStage,
  config: RunConfig,
  puzzles: RunPuzzles,
  setting: SweepSetting,
): Promise<StageRecord> {
  const { device } = setting;
  const { precision, seed } = config;
  const load = (stage: SweptStage, trainable = true) =>
    loadModel(device, decodeCheckpoint(readFile(weightsFile(stage, config, setting))), { precision, trainable });
  const student =
    name === 'stage0'
      ? new VisionLanguageModel(device, modelConfigOf(config), { precision }).initialize(seed)
      : await load(name === 'stage1' ? 'stage0' : 'stage1');
  const planner = name === 'stage2' ? await load('stage0', false) : undefined;
  const optimizer = makeOptimizer(student, config);
  const groups = groupsOf(name, config, student, puzzles);
  const stage = makeStage(name, { config, student, planner, optimizer, groups });

  const losses: number[] = [];
  const keep = ({ loss }: Metrics) => losses.push(loss!);
  const cpu = process.cpuUsage();
  const start = performance.now();
  let pending: Promise<unknown> = Promise.resolve();
  for (let step = 0; step < stage.steps; step++) {
    const { metrics } = await stage.step(step);
    await pending; // one update in flight, as in training
    pending = metrics.then(keep);
    await new Promise(resolve => setImmediate(resolve));
  }
  await pending;
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - start) / 1000;
  const end = losses.slice(-Math.ceil(losses.length / 10));

  const file = weightsFile(name, config, setting);
  const parameters = await student.parameters.save();
  writeFileAtomic(file, encodeCheckpoint({ config: student.config, parameters, optimizer: new Map(), metadata: {} }));
  const shown = name === 'stage0' ? ['symbolic'] : Object.keys(inputs);
  const success: Record<string, Shares> = {};
  const recapExact: Record<string, Shares> = {};
  for (const input of shown) {
    const items = await evaluate(student, puzzles.validation, inputs[input]!);
    success[input] = sharesOf(items, item => item.success);
    recapExact[input] = sharesOf(items, item => item.recapExact);
  }
  for (const made of [stage, optimizer, student, planner]) made?.dispose();
  return {
    stage: name,
    seed,
    updates: losses.length,
    cpuSeconds: (user + system) / 1e6,
    seconds,
    loss: mean(end),
    success,
    recapExact,
  };
}

/** See `Shares`. */
export function sharesOf(items: readonly ItemResult[], is: (item: ItemResult) => boolean): Shares {
  const worlds = [...new Set(items.map(({ world }) => world))];
  const byBoard: Record<string, number> = {};
  const byWorld = worlds.map(world => {
    const ofWorld = items.filter(item => item.world === world);
    const boards = [...new Set(ofWorld.map(({ level }) => level))].map(level => {
      const share = mean(ofWorld.filter(item => item.level === level).map(item => Number(is(item))));
      return (byBoard[`${world} ${level}`] = share);
    });
    return mean(boards);
  });
  return { macro: mean(byWorld), byBoard };
}

/** Arithmetic mean. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
