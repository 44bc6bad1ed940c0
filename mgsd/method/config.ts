/** The configuration of a run: everything that decides its result, checked, and stored in the run's folder. */
import { z } from 'zod';
import { JsonError, modelPresets, parseStrictJson, validateModelConfig } from '../../models/index.js';
import type { Checkpoint, ModelConfig, PresetName } from '../../models/index.js';
import { defaultPreset, noGate, presets } from './presets.js';
import { distillationSwitches, senselessSettings, withoutRetired } from './variants/switches.js';
import { WORLD_NAMES } from '../worlds/registry.js';

const count = z.int().min(1);
const steps = z.int().min(0);
const rate = z.number().min(0).max(1);
const probability = z.number().min(0).max(1);

/** Symbolic samples, as in stage 0, among those of a later stage: what a stage does not see it forgets. */
const replay = probability
  .default(0)
  .describe('Symbolic samples with plans, as in stage 0, per puzzle of a batch; and the weight of their loss beside 1');

/** Plans to learn beside the own loss of an image stage, each behind a picture of another puzzle. */
const mismatch = {
  mismatch: probability
    .default(0)
    .describe(
      'Samples with plans behind the picture of another puzzle of the same world, per puzzle of a batch: the true recap stands ' +
        'in the response, so the plan follows from it, not from the picture',
    ),
  mismatchWeight: z.number().min(0).default(0.5).describe('Weight of the loss of those samples, beside 1'),
};

/** Pictures in random looks among those of a stage. */
const looks = probability
  .default(0)
  .describe(
    'Share of pictures in a random look (other colours, sprites and lines), so that the student reads others too',
  );

const gateSchema = z
  .strictObject({
    recapExact: probability.describe(
      'Share of exact recaps that every board size must reach before stage 1 may end; 0: no gate',
    ),
    puzzles: count.describe('Puzzles per board size that are asked about; none of them is trained on in stage 1'),
    steps: count.describe('Updates of an extension, half of whose puzzles come from the sizes that failed'),
    extensions: steps.describe('Extensions of stage 1 at most'),
  })
  .describe('Between stages 1 and 2');

export { defaultPreset, presets };

/** Linear warm-up, then a cosine from the peak to `floor` times the peak. */
const schedule = {
  steps: steps.describe('Updates; 0 leaves the stage out'),
  batch: count.describe('Puzzles per update'),
  warmup: steps.describe('Updates of linear rise'),
  floor: probability.describe('Learning rate at the end, as a share of the peak'),
  balance: probability.describe('Share of puzzles drawn evenly from the difficulty classes instead of as they come'),
  lossAverage: z
    .enum(['world', 'token'])
    .default('world')
    .describe('The loss is the mean over worlds of the means over their tokens, or over all tokens alike'),
};

const stageName = z.enum(['stage0', 'stage1', 'stage2', 'direct']);

const levelCounts = z.record(z.string().regex(/^\d$/, 'a board size'), count);

const worldName = z.enum(WORLD_NAMES as [string, ...string[]]);

const taskSchema = z.strictObject({
  world: worldName,
  levels: z.array(z.int().min(2).max(8)).min(1).describe('Board sizes'),
  pool: levelCounts.describe('Different training puzzles per board size (stage 0)'),
  share: z.number().positive().optional().describe('Weight of this world in a batch beside the others; left out: 1'),
  options: z.record(z.string(), z.unknown()).optional().describe("The world's own generator options"),
});

const noiseSchema = z.strictObject({
  recapSamples: probability.describe('Share of samples with noise in the recap'),
  recapTokens: probability.describe('Share of recap tokens replaced in such a sample'),
  detourSamples: probability.describe('Share of samples with detours in the plan'),
  detourSteps: probability.describe('Share of random steps in such a sample'),
});

const modelSchema = z
  .strictObject({
    coordinates: z
      .int()
      .min(0)
      .max(32)
      .describe('Frequencies of the coordinates that patches, cells in prompts and slots share; 0: none'),
    imageSize: count.describe('Side of the square picture in pixels: a multiple of the patch size'),
    patchSize: count.describe('Side of a patch, which becomes one image token, in pixels'),
    width: count,
    layers: count,
    heads: count,
    visionWidth: count,
    visionLayers: count,
    visionHeads: count,
  })
  .partial()
  .describe("Sizes of the model where they are not those of the preset's");

/** The schema of a run's configuration; `mgsd-lite config schema` prints it for editors. */
export const configSchema = z.strictObject({
  preset: z.enum(Object.keys(modelPresets) as [PresetName, ...PresetName[]]),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .describe('Decides every puzzle, weight and sample'),
  precision: z
    .enum(['f32', 'f16'])
    .default('f32')
    .describe('f16: matrix products and activations in half precision, weights and sums in f32, with loss scaling'),
  model: modelSchema.optional(),
  stages: z.array(stageName).min(1).optional().describe('Stages of the run; left out: stage0, stage1 and stage2'),
  tasks: z.array(taskSchema).min(1),
  optimizer: z.strictObject({
    kind: z
      .enum(['adamw', 'muon'])
      .default('adamw')
      .describe('muon: Muon for the weight matrices of the transformer blocks, AdamW for all else'),
    momentum: z.number().min(0).lt(1).default(0.95).describe('Of muon: decay rate of the mean gradient of a matrix'),
    matrixRate: z
      .number()
      .min(0)
      .default(3)
      .describe('Of muon: learning rate of those matrices, as a multiple of that of their stage'),
    beta1: rate,
    beta2: rate,
    epsilon: z.number().positive(),
    weightDecay: rate,
    maxNorm: z.number().min(0).describe('Global norm at which gradients are clipped; 0 switches clipping off'),
  }),
  stage0: z.strictObject({
    ...schedule,
    learningRate: rate,
    noise: noiseSchema,
    promptDropout: z
      .union([probability, z.partialRecord(worldName, probability)])
      .default(0)
      .describe(
        'Share of samples without the state in their prompt, so that the planner can also read its own recap; for all ' +
          'worlds, or by world (a world that is left out: 0)',
      ),
    planContext: probability
      .default(0)
      .describe('Share of samples whose prompt tells a shortest plan, for a teacher with stage2.context state+plan'),
  }),
  stage1: z.strictObject({
    ...schedule,
    visionRate: rate,
    decoderRate: rate.describe('0 freezes the decoder'),
    images: count.describe('Different images per board size'),
    questions: probability
      .default(0)
      .describe(
        'Samples that answer all perception questions (mode:perceive), per puzzle of a batch; and the weight of their loss',
      ),
    looks,
    looksAfter: probability
      .default(0)
      .describe(
        'Share of the updates before the first random look; from there looks become more within as many updates',
      ),
    replay,
    ...mismatch,
    gate: gateSchema.default(noGate),
  }),
  stage2: z.strictObject({
    ...schedule,
    visionRate: rate,
    decoderRate: rate,
    prompts: count.describe('Different puzzles per board size'),
    looks,
    replay,
    ...mismatch,
    ...distillationSwitches,
  }),
  evaluation: z.strictObject({
    puzzles: count.describe('Held-out puzzles per board size'),
  }),
});

/** A checked configuration. */
export type RunConfig = z.infer<typeof configSchema>;
/** One world of a run: its board sizes and how many puzzles of each. */
export type TaskConfig = RunConfig['tasks'][number];

/** Sizes of a run's model: its preset's, and what the run changes. @throws Error that names what does not fit */
export function modelConfigOf({ preset, model }: Pick<RunConfig, 'preset' | 'model'>): ModelConfig {
  if (!model) return modelPresets[preset];
  try {
    return validateModelConfig({ ...modelPresets[preset], ...model } as ModelConfig);
  } catch (error) {
    throw new Error(`configuration: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/**
 * Plain objects are merged key by key, and lists where `over` names places in them (`{ 0: ... }`); all else is
 * replaced.
 */
function merge(base: unknown, over: unknown): unknown {
  if (!isRecord(over)) return over;
  if (Array.isArray(base)) {
    const places = Object.keys(over);
    if (places.length === 0 || !places.every(key => /^\d+$/.test(key) && Number(key) <= base.length)) return over;
    const list = [...(base as unknown[])];
    for (const [place, value] of Object.entries(over)) list[Number(place)] = merge(list[Number(place)], value);
    return list;
  }
  const out: Record<string, unknown> = isRecord(base) ? { ...base } : {};
  for (const [key, value] of Object.entries(over)) {
    if (key === '__proto__') throw new Error('configuration: "__proto__" is no setting');
    if (value !== undefined) out[key] = merge(out[key], value);
  }
  return out;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A preset with changes on top, checked.
 * @param changes partial configurations, later ones win
 * @throws Error in one line that names every wrong field
 */
export function resolveConfig(preset: PresetName, ...changes: readonly unknown[]): RunConfig {
  const raw = changes.map(withoutRetired).reduce<unknown>(merge, presets[preset]);
  const result = configSchema.safeParse(raw);
  if (!result.success) {
    const problems = result.error.issues.map(({ path, message }) => `${path.join('.') || 'config'}: ${message}`);
    throw new Error(`configuration: ${problems.join('; ')}`);
  }
  for (const task of result.data.tasks)
    for (const level of task.levels)
      if (task.pool[level] === undefined)
        throw new Error(
          `configuration: ${task.world} has board size ${level} but its pool says not how many puzzles (pool.${level})`,
        );
  const lone = loneWorlds(result.data);
  if (lone.length > 0) throw new Error(`configuration: ${lone.join('; ')}`);
  modelConfigOf(result.data);
  const senseless = senselessSettings(result.data);
  if (senseless.length > 0)
    throw new Error(`configuration: ${senseless.map(({ field, reason }) => `stage2.${field}: ${reason}`).join('; ')}`);
  return result.data;
}

/** Image stages that want plans behind pictures of other puzzles, in worlds where there is no other. */
function loneWorlds({ tasks, stage1, stage2 }: RunConfig): string[] {
  const stages = [
    { share: stage1.mismatch, stage: 'stage1', budget: 'images', limit: stage1.images },
    { share: stage2.mismatch, stage: 'stage2', budget: 'prompts', limit: stage2.prompts },
  ];
  return stages.flatMap(({ share, stage, budget, limit }) =>
    tasks
      .filter(({ levels, pool }) => share > 0 && levels.length === 1 && Math.min(pool[levels[0]!]!, limit) < 2)
      .map(
        ({ world }) =>
          `${stage}.mismatch: a single ${world} has no other's picture; raise its pool or ${stage}.${budget}`,
      ),
  );
}

/** Names in the path of an override; the deepest setting has five. */
const MAX_PATH = 16;

/** The configuration that a checkpoint was trained with, completed; undefined where it names none that can be read. */
export function trainedConfig({ metadata }: Pick<Checkpoint, 'metadata'>): RunConfig | undefined {
  try {
    const stored = parseStrictJson(metadata['run'] ?? '') as RunConfig;
    return resolveConfig(stored.preset, stored);
  } catch {
    return undefined;
  }
}

/**
 * `stage0.steps=100` as a partial configuration; the value is read as JSON, else as text. @throws Error if there is no
 * `=`
 */
export function parseOverride(text: string): Record<string, unknown> {
  const at = text.indexOf('=');
  if (at < 1) throw new Error(`"${text}" is not an override; write path=value, as in stage0.steps=100`);
  const path = text.slice(0, at).split('.');
  if (path.length > MAX_PATH) throw new Error(`"${text}" names a setting ${path.length} levels deep: there is none`);
  let value: unknown = text.slice(at + 1);
  try {
    value = parseStrictJson(text.slice(at + 1));
  } catch (error) {
    // plain text, unless it was clearly meant otherwise
    if (error instanceof JsonError && /^\s*[[{"]/.test(text.slice(at + 1)))
      throw new Error(`${path.join('.')}: not valid JSON (${error.message})`, { cause: error });
  }
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Record<string, unknown>;
}
