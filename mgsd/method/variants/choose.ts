/**
 * The parts of stage 2: the paper's method, unless the configuration asks for a variant. Only this file reads these
 * switches.
 */
import { reverseKl } from '../../../core/index.js';
import type { HostArray, Tensor } from '../../../core/index.js';
import type { ModelInputs, VisionLanguageModel } from '../../../models/index.js';
import { packExamples } from '../packing.js';
import type { Context, TrainingExample } from '../packing.js';
import { studentWriter } from '../stages/rollout.js';
import type { Writer } from '../stages/rollout.js';
import type { StageSetting } from '../stages/stage.js';
import { forwardDivergence, sampledDivergence } from './divergences.js';
import { oracleTeacher, teacherWriter } from './teachers.js';

/** What a teacher reads: symbolic prompts followed by the student's responses; or its logits, if it need not read. */
export interface TeacherInputs<T> {
  readonly sequences?: ModelInputs<T>;
  /** (N, V). */
  readonly logits?: T;
}

/**
 * Judges the student's tokens. It sees what the student does not (the symbolic state, perhaps a plan) and says at every
 * position of a rollout how likely each token is there.
 */
export interface Teacher {
  /** The host's half. @param rows N, padding included */
  pack(examples: readonly TrainingExample[], rows: number): TeacherInputs<HostArray>;
  /** The device's half: (N, V). */
  logits(inputs: TeacherInputs<Tensor>): Tensor;
}

/** What a divergence may read beside the logits. N tokens. */
export interface DivergenceInputs {
  /** Weight of each token in the loss: (N). */
  readonly weights: Tensor;
  /** Least log-probability of the teacher: (1). */
  readonly floor: Tensor;
  /** The responses: i32 (N). */
  readonly tokens: Tensor;
  /** From `divergenceStats`, outside the tape: (N, fields). */
  readonly stats: Tensor;
}

/** Weighted losses of the tokens, (N), from the logits of student and teacher, (N, V) each. */
export type Divergence = (student: Tensor, teacher: Tensor, inputs: DivergenceInputs) => Tensor;

export interface Variant {
  /** Who judges. */
  readonly teacher: Teacher;
  /** Who writes the responses. */
  readonly write: Writer;
  /** What is minimised. */
  readonly divergence: Divergence;
}

const reverseDivergence: Divergence = (student, teacher, { weights, floor }) =>
  reverseKl(student, teacher, weights, floor);

/** A model that reads symbols: the planner of stage 0, or (`synced`) the current student. */
export function modelTeacher(model: VisionLanguageModel, context: Context): Teacher {
  return {
    pack(examples) {
      const prompted = examples.map(example => ({ ...example, shows: context }));
      return { sequences: packExamples(prompted, 'symbolic', model) };
    },
    logits: ({ sequences }) => model.forward(sequences!), // (N, V)
  };
}

/** The parts that the configuration asks for. @throws Error if they need a planner and the setting has none */
export function chooseVariant(setting: StageSetting): Variant {
  const { config, student } = setting;
  const { stage2 } = config;
  const model = stage2.teacher === 'synced' ? student : setting.planner;
  const required = () => {
    if (!model) throw new Error('stage 2 needs the planner of stage 0 as its teacher: give the stage a `planner`');
    return model;
  };
  return {
    teacher: stage2.teacher === 'oracle' ? oracleTeacher(setting) : modelTeacher(required(), stage2.context),
    write: stage2.writer === 'teacher' ? teacherWriter(config, required()) : studentWriter(setting),
    divergence: {
      full: { reverse_kl: reverseDivergence, forward_kl: forwardDivergence }[stage2.divergence],
      sampled: sampledDivergence(false),
      sampled_baseline: sampledDivergence(true),
    }[stage2.estimator],
  };
}
