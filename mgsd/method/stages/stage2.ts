/**
 * Stage 2, on-policy self-distillation: the student plans from the image alone. A frozen teacher, which is shown the
 * symbolic state, says at every token of that rollout what it would have written there. The student minimises the
 * reverse KL to it, on its own prefixes ("Learning Visual Spatial Planning from Symbolic State via Modality-Gap-Aware
 * Self-Distillation", arXiv 2606.06076). Alternatives (another divergence, teacher or writer) are in ../variants/.
 *
 * Letters: N tokens of all rollouts and their padding, V vocabulary.
 */
import { divergenceStats, noGrad, sum } from '../../../core/index.js';
import type { HostArray, Tensor } from '../../../core/index.js';
import type { ModelInputs, VisionLanguageModel } from '../../../models/index.js';
import { packExamples, tokenWeights } from '../packing.js';
import { chooseVariant } from '../variants/choose.js';
import type { Teacher, TeacherInputs, Variant } from '../variants/choose.js';
import { plansBeside } from '../variants/rehearsal.js';
import { stage2Metrics } from './metrics.js';
import { rollOut } from './rollout.js';
import type { Rollout } from './rollout.js';
import { ratesAt } from './stage.js';
import type { Metrics, Rates, Stage, StageSetting } from './stage.js';
import { scalarInput, Updates } from './updates.js';

/** What an update of stage 2 reads. */
interface DistillationInputs<T> {
  /** The images, each followed by its response. */
  readonly student: ModelInputs<T>;
  /** The symbols, each followed by the same response. */
  readonly teacher: TeacherInputs<T>;
  /** The responses: i32 (N). */
  readonly tokens: T;
  /** Weight of each token in the loss; they sum to 1, and are 0 for the padding: (N). */
  readonly weights: T;
  /** Least log-probability of the teacher: (1). */
  readonly floor: T;
}

/** The host's half of an update: rollouts as arrays, padded to N tokens. */
export function packRollouts(
  { config, student }: StageSetting,
  teacher: Teacher,
  rollouts: readonly Rollout[],
): DistillationInputs<HostArray> {
  const { teacherFloor, lossAverage } = config.stage2;
  const examples = rollouts.map(({ example }) => example);
  const images = rollouts.map(({ image }) => image);
  const studentInputs = packExamples(examples, 'image', student, images);
  const rows = studentInputs.outputs.values.length; // N
  const tokens = new Int32Array(rows); // zeros for the padding
  tokens.set(rollouts.flatMap(({ response }) => response));
  return {
    student: studentInputs,
    teacher: teacher.pack(examples, rows),
    tokens: { values: tokens, dtype: 'i32' },
    weights: { values: tokenWeights(examples, lossAverage, rows), dtype: student.dtype },
    floor: scalarInput(teacherFloor, student),
  };
}

/** The device's half, up to the loss: launches only. */
export function distillationLoss(
  student: VisionLanguageModel,
  { teacher, divergence }: Pick<Variant, 'teacher' | 'divergence'>,
  inputs: DistillationInputs<Tensor>,
): { readonly loss: Tensor; readonly losses: Tensor; readonly stats: Tensor } {
  const { tokens, weights, floor } = inputs;
  const teacherLogits = noGrad(() => teacher.logits(inputs.teacher)); // (N, V)
  const studentLogits = student.forward(inputs.student); // (N, V)
  const stats = divergenceStats(studentLogits, teacherLogits, tokens, floor); // (N, fields)
  const losses = divergence(studentLogits, teacherLogits, { weights, floor, tokens, stats }); // (N)
  return { loss: sum(losses), losses, stats };
}

/** Stage 2; its two halves can also be run separately, on given rollouts. */
export interface DistillationStage extends Stage {
  rollOut(step: number): Promise<Rollout[]>;
  /** One update of the student on these rollouts. Default rates: those of the schedule. */
  update(rollouts: readonly Rollout[], step: number, rates?: Rates): Promise<Metrics>;
}

export function distillationStage(setting: StageSetting): DistillationStage {
  const { student } = setting;
  const { stage2 } = setting.config;
  const variant = chooseVariant(setting); // the planner judges, the student writes, reverse KL
  const updates = new Updates(setting);

  function update(rollouts: readonly Rollout[], step: number, rates = ratesAt(stage2, step)): Promise<Metrics> {
    const { metrics, values } = updates.step(
      rates,
      packRollouts(setting, variant.teacher, rollouts),
      inputs => distillationLoss(student, variant, inputs),
      plansBeside(setting, 'stage2', step),
    );
    return stage2Metrics(metrics, values, rollouts, rates, stage2.writer === 'student');
  }

  return {
    name: 'stage2',
    title: 'on-policy self-distillation',
    steps: stage2.steps,
    async step(step) {
      const start = performance.now();
      const rollouts = await rollOut(setting, variant.write, step);
      const written = performance.now();
      const metrics = update(rollouts, step);
      const seconds = { rolloutSeconds: (written - start) / 1000, updateSeconds: (performance.now() - written) / 1000 };
      return { metrics: metrics.then(values => ({ ...values, ...seconds })) };
    },
    rollOut: step => rollOut(setting, variant.write, step),
    update,
    dispose() {
      updates.dispose();
    },
  };
}
