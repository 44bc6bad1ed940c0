/** Other teachers than the planner: the solver itself, and a teacher that writes as well as judges. */
import { hostMath } from '../../../core/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import type { RunConfig } from '../config.js';
import { streams } from '../puzzles.js';
import { respond } from '../respond.js';
import { samplingOptions } from '../stages/rollout.js';
import type { Writer } from '../stages/rollout.js';
import type { StageSetting } from '../stages/stage.js';
import type { Teacher } from './choose.js';

/**
 * The solver as a distribution: at each position the tokens that an oracle might write share what is left when every
 * other token has the floor's probability.
 */
export function oracleTeacher({ config, student }: Pick<StageSetting, 'config' | 'student'>): Teacher {
  const V = student.config.vocabulary;
  // off the floor itself, so that rounding makes no token of it count as clamped
  const other = config.stage2.teacherFloor + 1e-3;
  return {
    pack(examples, rows) {
      const values = new Float64Array(rows * V);
      examples
        .flatMap(example => example.targets)
        .forEach((targets, row) => {
          const each = hostMath.log((1 - (V - targets.length) * hostMath.exp(other)) / targets.length);
          values.fill(other, row * V, (row + 1) * V);
          for (const token of targets) values[row * V + token] = each;
        });
      return { logits: { values, shape: [rows, V], dtype: student.dtype } };
    },
    logits: ({ logits }) => logits!,
  };
}

/** Off-policy: the teacher writes what is learnt from, from its symbols. */
export function teacherWriter(config: RunConfig, teacher: VisionLanguageModel): Writer {
  const { context } = config.stage2;
  return (puzzles, _, step) => {
    const options = samplingOptions(config, teacher, puzzles, step, streams.teacherRollouts);
    return respond(teacher, puzzles, 'symbolic', { ...options, context });
  };
}
