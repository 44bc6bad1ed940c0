/**
 * Who judges the student's tokens in stage 2. A teacher sees what the student does not (the symbolic state, perhaps a plan)
 * and says at every position of a rollout how likely it finds each token there.
 */
import { add, mul, noGrad } from '../../../core/index.js';
import type { HostArray, Tensor } from '../../../core/index.js';
import { assign } from '../../../core/primitives.js';
import { bucketed } from '../../../models/index.js';
import type { Batch, VisionLanguageModel } from '../../../models/index.js';
import type { Puzzle } from '../puzzles.js';
import { packPrompts } from '../packing.js';
import { actionToken, EOS } from '../../../models/vocabulary.js';
import { SPAN_ACTION, symbolicPrompt } from '../response.js';
import type { TrainingTrace } from '../targets.js';
import type { DistillationConfig } from './distillation-config.js';
import { batchInputs, batchTensors, onDevice, padArray } from './loss-term.js';

export interface Teacher {
  /** `score` in two halves, see loss-term.ts: what the host makes of the sequences, and the device's part. */
  prepare(puzzles: readonly Puzzle[], traces: readonly TrainingTrace[], inBuckets: boolean): TeacherScores;
  /** Logits at all N positions of the sequences, without history: (N, V). */
  score(puzzles: readonly Puzzle[], traces: readonly TrainingTrace[]): Tensor;
  /** What writes the teacher's own sequences from symbols; undefined for the oracle, which is no model. */
  readonly writer: VisionLanguageModel | undefined;
  /** Called after each update of the student. */
  follow(): void;
}

export interface TeacherScores {
  readonly key: string;
  readonly inputs: Readonly<Record<string, HostArray>>;
  /** Logits at all positions, and at those that pad them: (N, V). */
  score(inputs: Readonly<Record<string, Tensor>>): Tensor;
}

/** What a teacher is told. */
export type Context = DistillationConfig['context'];

type TeacherConfig = Pick<DistillationConfig, 'teacher' | 'context' | 'emaDecay' | 'teacherFloor'>;

/**
 * The teacher that a configuration asks for; it holds no memory of its own.
 * @param planner the model of stage 0. The `ema` teacher lives in its weights, which `follow` changes; the others leave it alone
 */
export function createTeacher(
  config: TeacherConfig,
  student: VisionLanguageModel,
  planner: VisionLanguageModel,
): Teacher {
  const withScore = (rest: Omit<Teacher, 'score'>): Teacher => ({
    ...rest,
    score(puzzles, traces) {
      const scores = rest.prepare(puzzles, traces, false);
      return scores.score(onDevice(student.device, scores.inputs));
    },
  });
  if (config.teacher === 'oracle')
    return withScore({
      prepare: (_, traces, inBuckets) => ({
        key: 'oracle',
        inputs: { 'teacher.logits': oracleLogits(student, traces, config.teacherFloor, inBuckets) },
        score: inputs => inputs['teacher.logits']!,
      }),
      writer: undefined,
      follow() {},
    });
  const model = config.teacher === 'synced' ? student : planner;
  return withScore({
    prepare(puzzles, traces, inBuckets) {
      const packed = packForTeacher(puzzles, traces, config.context, model);
      const { inputs, maxLength } = batchInputs(packed, 'teacher.', inBuckets);
      return {
        key: `teacher, at most ${maxLength}`,
        inputs,
        score: tensors => noGrad(() => model.forwardTensors(batchTensors(tensors, 'teacher.'), maxLength)),
      };
    },
    writer: model,
    follow() {
      if (config.teacher === 'ema') moveTowards(planner, student, config.emaDecay);
    },
  });
}

/** What the teacher is told of a puzzle, in tokens. */
export function teacherPrompt({ world, instance }: Puzzle, context: Context): number[] {
  const plan = context === 'state+plan' ? world.referencePlan(instance) : undefined;
  return symbolicPrompt(world, instance, 'plan', plan);
}

/** Teacher prompts with the inputs of traces, packed; one context for all, or one for each. */
export function packForTeacher(
  puzzles: readonly Puzzle[],
  traces: readonly TrainingTrace[],
  context: Context | readonly Context[],
  { config }: VisionLanguageModel,
): Batch {
  const prompts = puzzles.map((puzzle, i) =>
    teacherPrompt(puzzle, typeof context === 'string' ? context : context[i]!),
  );
  return packPrompts(puzzles, traces, prompts, 'symbolic', config);
}

/**
 * What follows from being told a plan: a trace that has kept to it so far has its next action (EOS at its end) as the only
 * right token; off it, every optimal action is as good as before.
 */
export function followPlan<T extends TrainingTrace>({ world, instance }: Puzzle, trace: T): T {
  const tokens = [...world.referencePlan(instance).map(actionToken), EOS];
  let kept = 0; // -1 once it was left
  const targets = trace.targets.map((right, t) => {
    if (trace.spans[t] !== SPAN_ACTION || kept < 0 || kept >= tokens.length) return right;
    const due = tokens[kept]!;
    kept = trace.inputs[t + 1] === due ? kept + 1 : -1;
    return [due];
  });
  return { ...trace, targets };
}

/** Weights <- decay * weights + (1 - decay) * the student's, on the device. */
function moveTowards(planner: VisionLanguageModel, student: VisionLanguageModel, decay: number): void {
  const { device, dtype } = planner;
  device.scope(() => {
    noGrad(() => {
      const factor = (value: number) => device.tensor([value], [1], { dtype });
      const kept = mul(planner.parameters.flat, factor(decay));
      assign(planner.parameters.flat, add(kept, mul(student.parameters.flat, factor(1 - decay))));
      planner.parameters.refresh();
    });
  });
}

/**
 * The solver as a distribution: at each position the tokens that an oracle might write share what is left when every other
 * token has the floor's probability. (N, V)
 */
function oracleLogits(
  student: VisionLanguageModel,
  traces: readonly TrainingTrace[],
  floor: number,
  inBuckets: boolean,
): HostArray {
  const V = student.config.vocabulary;
  const rows = traces.flatMap(trace => trace.targets);
  const other = floor + 1e-3; // off the floor itself, so that rounding makes no token of it count as clamped
  const values = new Float64Array(rows.length * V).fill(other);
  rows.forEach((targets, row) => {
    const each = Math.log((1 - (V - targets.length) * Math.exp(other)) / targets.length);
    for (const token of targets) values[row * V + token] = each;
  });
  const logits: HostArray = {
    values: student.dtype === 'f64' ? values : Float32Array.from(values),
    shape: [rows.length, V],
    dtype: student.dtype,
  };
  return padArray(logits, inBuckets ? bucketed(rows.length) : rows.length);
}
