/** What stage 2 is made of: the paper's method, unless the configuration asks for a variant. No other file reads these switches. */
import { reverseKl } from '../../../core/index.js';
import type { Tensor } from '../../../core/index.js';
import { studentWriter } from '../stages/rollout.js';
import type { Writer } from '../stages/rollout.js';
import type { StageSetting } from '../stages/stage.js';
import { forwardDivergence, sampledDivergence } from './divergences.js';
import { modelTeacher, oracleTeacher, teacherWriter } from './teachers.js';
import type { Teacher } from './teachers.js';

/** What a divergence may read beside the logits. N tokens. */
export interface DivergenceInputs {
  /** What each token counts: (N). */
  readonly weights: Tensor;
  /** Least log-probability of the teacher: (1). */
  readonly floor: Tensor;
  /** What the student wrote: i32 (N). */
  readonly tokens: Tensor;
  /** See `divergenceStats`; without history: (N, fields). */
  readonly stats: Tensor;
}

/** Weighted losses of the tokens, (N), from the logits of student and teacher, (N, V) each. */
export type Divergence = (student: Tensor, teacher: Tensor, inputs: DivergenceInputs) => Tensor;

export interface Variant {
  /** Who judges. */
  readonly teacher: Teacher;
  /** Who writes what is learnt from. */
  readonly write: Writer;
  /** What is minimised. */
  readonly divergence: Divergence;
}

const reverseDivergence: Divergence = (student, teacher, { weights, floor }) =>
  reverseKl(student, teacher, weights, floor);

/** @throws Error if the setting has no planner though one is needed */
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
