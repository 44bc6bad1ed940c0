/** What the Plan panel asks the worker: the model's facts, and its plans. */
import { imageAttention } from '../../../models/index.js';
import type { ImageAttention, ModelConfig } from '../../../models/index.js';
import { divergencesOf } from '../../evaluation/divergence.js';
import type { TokenDivergence } from '../../evaluation/divergence.js';
import { tokenGuesses } from '../../evaluation/guesses.js';
import type { TokenGuesses } from '../../evaluation/guesses.js';
import type { Seen, SurePlan } from '../../evaluation/planner.js';
import { resolveConfig, trainedConfig } from '../../method/config.js';
import { imagePrompt } from '../../method/response.js';
import { createWorldByName, isWorldName } from '../../worlds/registry.js';
import type { WorldName } from '../../worlds/registry.js';
import type { WorldInstance } from '../../worlds/world.js';
import { useDevice } from '../device.js';
import type { Handler } from '../protocol.js';
import { studentOn } from '../student.js';
import { teacherOn } from '../teacher.js';

/** What the page must know of the model. */
export interface ModelFacts {
  readonly config: ModelConfig;
  /** Worlds and board sizes that it was trained on. */
  readonly tasks: readonly { readonly world: WorldName; readonly levels: readonly number[] }[];
}

/** A puzzle by its state, or a picture of one, (imageSize, imageSize, 3) bytes. */
export type Shown =
  | { readonly world: WorldName; readonly instance: WorldInstance }
  | { readonly world: WorldName; readonly image: Uint8Array };

/** A response of the student, as in `Plan.tokens`, to what it was shown. */
export interface Written {
  readonly shown: Shown;
  readonly tokens: readonly number[];
}

const describeModel: Handler<undefined, ModelFacts> = () =>
  useDevice(async device => {
    const planner = await studentOn(device);
    const tasks = trainedConfig(planner)?.tasks ?? [];
    const known = tasks.flatMap(({ world, levels }) => (isWorldName(world) ? [{ world, levels }] : []));
    return { config: planner.config, tasks: known };
  });

const seenAs = ({ world: name, ...shown }: Shown): Seen => ({ world: createWorldByName(name), ...shown });

/** What the student is to write a response to. */
export interface PlanRequest {
  readonly shown: Shown;
  /** Milliseconds from token to token, at least: a response takes less than a tenth of a second as it is. */
  readonly pace: number;
}

/** Tells the tokens so far as they are written; ends at the next one if the caller cancels. */
const plan: Handler<PlanRequest, SurePlan, readonly number[]> = ({ shown, pace }, { emit, signal }) =>
  useDevice(async device => {
    const planner = await studentOn(device);
    const onToken = async (tokens: readonly number[]) => {
      emit(tokens);
      await new Promise(resolve => setTimeout(resolve, pace)); // lets the message in that cancels
      signal.throwIfAborted();
    };
    if ('image' in shown) return await planner.plan(shown.image, { world: shown.world, onToken });
    return await planner.planFromSymbols({ ...shown, world: createWorldByName(shown.world) }, onToken);
  });

/** What the student thinks at each token of what it wrote. */
const guesses: Handler<Written, readonly TokenGuesses[]> = ({ shown, tokens }) =>
  useDevice(async device => await tokenGuesses(await studentOn(device), seenAs(shown), tokens));

/**
 * Where the student looks in its picture while it writes each token: the attention on each patch, the mean of all
 * heads.
 */
const attendedPatches: Handler<Written, readonly (readonly number[])[]> = ({ shown, tokens }) =>
  useDevice(async device => {
    const student = await studentOn(device);
    const before = imagePrompt(createWorldByName(shown.world), 0).length;
    const inputs = student.responseInputs(seenAs(shown), tokens);
    const [rows = []] = await imageAttention(student.model, inputs, before, [tokens.length]);
    return rows.map(meanOfHeads);
  });

function meanOfHeads(layers: ImageAttention): number[] {
  const heads = layers.flat();
  return Array.from(heads[0]!, (_, patch) => heads.reduce((sum, shares) => sum + shares[patch]!, 0) / heads.length);
}

/** How far the student is, at each token, from the teacher, who sees the symbols of the board. */
const askTeacher: Handler<Written & { readonly board: WorldInstance }, readonly TokenDivergence[]> = written =>
  useDevice(async device => {
    const { shown, tokens, board } = written;
    const [student, teacher] = [await studentOn(device), await teacherOn(device)];
    const seen = student.responseInputs(seenAs(shown), tokens);
    const known = teacher.responseInputs({ world: createWorldByName(shown.world), instance: board }, tokens);
    const { teacherFloor } = (trainedConfig(student) ?? resolveConfig('tiny')).stage2;
    return await divergencesOf(student.model, teacher.model, seen, known, tokens, teacherFloor);
  });

export const planCalls = { describeModel, plan, guesses, attendedPatches, askTeacher };
