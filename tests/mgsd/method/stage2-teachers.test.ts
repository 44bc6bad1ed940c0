/** Who judges in stage 2 and who writes: teachers, told plans, rollouts, and every switch through two updates. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  AdamW,
  divergenceFields,
  divergenceStats,
  forwardKl,
  noGrad,
  openDevice,
  Random,
  reverseKl,
} from '../../../core/index.js';
import type { Device } from '../../../core/index.js';
import { generate } from '../../../models/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import { actionToken, EOS, PLAN } from '../../../models/vocabulary.js';
import { resolveConfig } from '../../../mgsd/method/config.js';
import type { RunConfig } from '../../../mgsd/method/config.js';
import { packSequences, packExamples } from '../../../mgsd/method/packing.js';
import { drawPuzzles } from '../../../mgsd/method/puzzles.js';
import { maximumResponseLength, oracleResponse, SPAN_ACTION, symbolicPrompt } from '../../../mgsd/method/response.js';
import { rollOut } from '../../../mgsd/method/stages/rollout.js';
import type { Rollout } from '../../../mgsd/method/stages/rollout.js';
import { makeOptimizer } from '../../../mgsd/method/stages/stage.js';
import type { StageSetting } from '../../../mgsd/method/stages/stage.js';
import { planningStage } from '../../../mgsd/method/stages/stage0.js';
import { distillationStage } from '../../../mgsd/method/stages/stage2.js';
import { NO_NOISE, planExample, relabelledExample, toldPlan } from '../../../mgsd/method/targets.js';
import { chooseVariant } from '../../../mgsd/method/variants/choose.js';
import type { Action } from '../../../mgsd/worlds/grid.js';
import { cpu } from '../../core/devices.js';
import { miniature, randomModel } from '../../models/miniature.js';
import { groups, miniatureConfig, studentRollouts } from '../miniature-run.js';

type Stage2 = RunConfig['stage2'];

let wasm: Device;
let student: VisionLanguageModel;
let planner: VisionLanguageModel;
let rollouts: Rollout[];
beforeAll(async () => {
  wasm = await openDevice('wasm', { threads: 1 });
  student = randomModel(wasm, 1);
  planner = randomModel(wasm, 2, { trainable: false });
  rollouts = await studentRollouts(miniatureConfig(), student, 0);
});
afterAll(() => wasm.close());

const configOf = (stage2: Partial<Stage2> = {}): RunConfig => {
  const config = miniatureConfig({ stage2: { warmup: 0 } });
  return { ...config, stage2: { ...config.stage2, ...stage2 } };
};
const settingOf = (stage2: Partial<Stage2>, who = student): StageSetting => ({
  config: configOf(stage2),
  student: who,
  planner,
  optimizer: undefined as never,
  groups,
});
const examples = () => rollouts.map(({ example }) => example);

/** Logits of a teacher at all rows of the rollouts. */
function scoresOf(stage2: Partial<Stage2>, who = student) {
  const { teacher } = chooseVariant(settingOf(stage2, who));
  const rows = packExamples(examples(), 'symbolic', who).outputs.values.length;
  return wasm.scope(() => noGrad(() => teacher.logits(wasm.fromHost(teacher.pack(examples(), rows)))).read());
}

const symbolicForward = (model: VisionLanguageModel) =>
  wasm.scope(() => model.forward(wasm.fromHost(packExamples(examples(), 'symbolic', model))).read());

/** Two updates of stage 2, from the same weights each time. */
async function trained(stage2: Partial<Stage2>, to = 2) {
  const config = configOf(stage2);
  const model = randomModel(wasm, 1);
  const teacher = randomModel(wasm, 2, { trainable: false });
  const optimizer = makeOptimizer(model, config);
  const stage = distillationStage({ config, student: model, planner: teacher, optimizer, groups });
  const metrics = [];
  for (let step = 0; step < to; step++) metrics.push(await (await stage.step(step)).metrics);
  const result = {
    metrics,
    student: await model.parameters.flat.read(),
    teacher: await teacher.parameters.flat.read(),
  };
  for (const owner of [stage, optimizer, model, teacher]) owner.dispose();
  return result;
}

describe('a model as a teacher', () => {
  it('frozen: the planner of stage 0, reading symbols', async () => {
    expect(await scoresOf({ teacher: 'frozen' })).toEqual(await symbolicForward(planner));
    const { teacher } = await trained({ teacher: 'frozen' });
    expect(teacher).toEqual(await planner.parameters.flat.read());
  });

  it('synced: the student of the moment, bit by bit', async () => {
    expect(await scoresOf({ teacher: 'synced' })).toEqual(await symbolicForward(student));
    const moved = randomModel(wasm, 7);
    expect(await scoresOf({ teacher: 'synced' }, moved)).toEqual(await symbolicForward(moved));
    moved.dispose();
    const { metrics, teacher } = await trained({ teacher: 'synced' });
    expect(teacher).toEqual(await planner.parameters.flat.read());
    expect(metrics[0]!['reverseKl']).toBeGreaterThan(0);
  });

  it('is needed: without a planner the stage says so', () => {
    expect(() => distillationStage({ ...settingOf({}), planner: undefined })).toThrow(/give the stage a `planner`/);
  });

  it('may be told a shortest plan as well', async () => {
    const { example } = rollouts[0]!;
    const { world, instance } = example.puzzle;
    const prompt = (shows: 'state' | 'state+plan') => {
      const { tokens, table } = packSequences([{ ...example, shows }], 'symbolic', miniature);
      return Array.from(tokens.subarray(0, table.spans[0]!.prefix));
    };
    const [state, plan] = [prompt('state'), prompt('state+plan')];
    expect(state).toEqual(symbolicPrompt(world, instance));
    expect(plan.slice(0, state.length + 1)).toEqual([...state, PLAN]);
    expect(plan).toHaveLength(state.length + 1 + world.shortestLength(instance));
    const [plain, told] = [await scoresOf({}), await scoresOf({ context: 'state+plan' })];
    expect(told).toHaveLength(plain.length);
    expect(told).not.toEqual(plain);
  });
});

describe('a plan that was told', () => {
  const told = drawPuzzles(groups, new Random(3), 12).filter(({ world, instance }) => {
    return world.optimalActions(instance, world.start(instance)).length > 1;
  });

  it('is the only right one while an example keeps to it, and no longer once it has left it', () => {
    expect(told.length).toBeGreaterThan(2);
    for (const puzzle of told) {
      const { world, instance } = puzzle;
      const [first, other] = world.optimalActions(instance, world.start(instance));
      const plan = world.referencePlan(instance);
      expect(plan[0]).toBe(first);
      const exampleOf = (actions: readonly Action[]) =>
        relabelledExample(puzzle, oracleResponse(world, instance, actions));
      const kept = toldPlan(exampleOf(plan));
      const due = kept.targets.filter((_, t) => kept.spans[t] === SPAN_ACTION);
      expect(due).toEqual([...plan.map(action => [actionToken(action)]), [EOS]]);
      const left = exampleOf([other!]);
      const changed = toldPlan(left).targets.filter((right, t) => right !== left.targets[t]);
      expect(changed).toEqual([[actionToken(first!)]]);
    }
  });

  it('is in a share of the prompts of stage 0, on request', async () => {
    const losses = [];
    for (const stage0 of [{ planContext: 0.5, batch: 4 }, { batch: 4 }]) {
      const model = randomModel(wasm, 1);
      const optimizer = new AdamW(model.parameters, {});
      const stage = planningStage({ config: miniatureConfig({ stage0 }), student: model, optimizer, groups });
      losses.push((await (await stage.step(0)).metrics)['loss']!);
      for (const owner of [stage, optimizer, model]) owner.dispose();
    }
    expect(losses[0]).not.toBe(losses[1]);
    for (const loss of losses) expect(loss).toBeGreaterThan(1);
  });
});

describe('the oracle as a teacher', () => {
  const model = randomModel(cpu, 1, { dtype: 'f64' });
  // with places where several actions are right
  const plans = drawPuzzles(groups, new Random(5), 16).map(puzzle => planExample(puzzle, new Random(5), NO_NOISE));
  const targets = plans.flatMap(example => example.targets);
  const scores = (teacherFloor: number) => {
    const { teacher } = chooseVariant({ ...settingOf({ teacher: 'oracle', teacherFloor }, model), planner: undefined });
    return teacher.logits(cpu.fromHost(teacher.pack(plans, targets.length)));
  };
  const ones = () => cpu.tensor(new Float64Array(targets.length).fill(1), [targets.length], { dtype: 'f64' });
  const floorOf = (floor: number) => cpu.tensor([floor], [1], { dtype: 'f64' });

  it('gives all right tokens the same probability, and the floor to every other', async () => {
    const logits = await scores(-12).read();
    let several = 0;
    targets.forEach((right, row) => {
      const probabilities = Array.from(logits.subarray(row * 128, (row + 1) * 128), Math.exp);
      expect(probabilities.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
      probabilities.forEach((p, token) => {
        if (right.includes(token)) expect(p).toBeCloseTo(1 / right.length, 2);
        else expect(Math.log(p)).toBeCloseTo(-12, 2);
      });
      if (right.length > 1) several++;
    });
    expect(several).toBeGreaterThan(0);
  });

  it('is no distance from a student who is an oracle too', async () => {
    const floor = floorOf(-12);
    for (const divergence of [reverseKl, forwardKl])
      for (const value of await divergence(scores(-12), scores(-12), ones(), floor).read())
        expect(Math.abs(value)).toBeLessThan(1e-12);
    const firsts = targets.map(([first]) => first!);
    const tokens = cpu.tensor(firsts, [targets.length], { dtype: 'i32' });
    const stats = await divergenceStats(scores(-12), scores(-12), tokens, floor).read();
    const column = (name: (typeof divergenceFields)[number]) =>
      targets.map((_, row) => stats[row * divergenceFields.length + divergenceFields.indexOf(name)]!);
    for (const clamped of column('clampedMass')) expect(clamped).toBe(0);
    for (const agrees of column('agreement')) expect(agrees).toBe(1);
    column('teacherEntropy').forEach((entropy, row) => {
      expect(entropy).toBeCloseTo(Math.log(targets[row]!.length), 1);
    });
  });

  it('is as near as the floor is low to a student who never errs', async () => {
    const values = new Float64Array(targets.length * 128).fill(-1000);
    targets.forEach((right, row) => right.forEach(token => (values[row * 128 + token] = 0)));
    const sure = cpu.tensor(values, [targets.length, 128], { dtype: 'f64' });
    for (const floor of [-12, -30])
      for (const value of await reverseKl(sure, scores(floor), ones(), floorOf(floor)).read())
        expect(Math.abs(value)).toBeLessThan(129 * Math.exp(floor));
  });

  it('trains without a teacher model', async () => {
    const rates = { visionRate: 1e-2, decoderRate: 1e-2 };
    const { metrics, teacher } = await trained(
      { teacher: 'oracle', divergence: 'forward_kl', steps: 40, ...rates },
      40,
    );
    expect(teacher).toEqual(await planner.parameters.flat.read());
    const mean = (from: number) => metrics.slice(from, from + 8).reduce((a, { forwardKl: kl }) => a + kl! / 8, 0);
    expect(mean(32)).toBeLessThan(0.9 * mean(0));
  });
});

describe('rollouts', () => {
  const rolled = (stage2: Partial<Stage2>, step = 0) => {
    const setting = settingOf(stage2);
    return rollOut(setting, chooseVariant(setting).write, step);
  };

  it("are the student's by default, the same for the same step", async () => {
    expect(await rolled({})).toEqual(rollouts);
    const other = await rolled({}, 1);
    expect(other.map(({ response }) => response)).not.toEqual(rollouts.map(({ response }) => response));
  });

  it('of a teacher are what it writes from symbols', async () => {
    for (const [teacher, writer] of [
      ['frozen', planner],
      ['synced', student],
    ] as const) {
      const written = await rolled({ writer: 'teacher', teacher, temperature: 1e-6 });
      const puzzles = written.map(({ example }) => example.puzzle);
      const prompts = puzzles.map(({ world, instance }) => symbolicPrompt(world, instance));
      const maxTokens = Math.max(...puzzles.map(({ world, instance }) => maximumResponseLength(world, instance.size)));
      const greedy = await generate(writer, prompts, { maxTokens, temperature: 0, seed: 0, stream: 0, step: 0 });
      expect(written.map(({ response }) => response)).toEqual(greedy);
    }
  });

  it('of a teacher that is told plans are written behind them', async () => {
    const [plain, told] = [
      await rolled({ writer: 'teacher', temperature: 1e-6 }),
      await rolled({ writer: 'teacher', temperature: 1e-6, context: 'state+plan' }),
    ];
    expect(told.map(({ response }) => response)).not.toEqual(plain.map(({ response }) => response));
  });

  it('hold the response, its reading and its example', () => {
    for (const { response, reading, example } of rollouts) {
      expect(example.inputs).toHaveLength(response.length);
      expect(reading.walk.targets).toEqual(example.targets);
    }
  });
});

describe('every switch, through two updates', () => {
  it.each<Partial<Stage2>>([
    { divergence: 'forward_kl', writer: 'teacher' },
    { teacher: 'synced', maskAfterFatal: true },
    { estimator: 'sampled' },
    { estimator: 'sampled_baseline', lossAverage: 'token' },
    { divergence: 'forward_kl', teacher: 'oracle' },
    { context: 'state+plan', replay: 0.5 },
  ])('%j trains, is finite, and repeats itself bit by bit', async stage2 => {
    const [first, second] = [await trained(stage2), await trained(stage2)];
    expect(first.student).toEqual(second.student);
    expect(first.student).not.toEqual(await student.parameters.flat.read());
    for (const step of first.metrics)
      for (const [name, value] of Object.entries(step)) expect(value, name).toSatisfy(Number.isFinite);
    expect(first.metrics[0]).toMatchObject({ skipped: 0 });
    for (const name of ['rolloutSeconds', 'updateSeconds']) expect(first.metrics[0]![name]).toBeGreaterThanOrEqual(0);
  });

  it('is one that a configuration may ask for', () => {
    expect(resolveConfig('tiny', { stage2: { writer: 'teacher' } }).stage2.writer).toBe('teacher');
  });
});
