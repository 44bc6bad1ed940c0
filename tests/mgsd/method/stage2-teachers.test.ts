/** Who teaches in stage 2, and who writes the sequences. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  AdamW,
  divergenceFields,
  divergenceStats,
  forwardKl,
  openDevice,
  Random,
  reverseKl,
} from '../../../core/index.js';
import type { Device } from '../../../core/index.js';
import { generate, noDecayGroups } from '../../../models/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import { actionToken, EOS, PLAN } from '../../../models/vocabulary.js';
import type { RunConfig } from '../../../mgsd/method/config.js';
import { packTraces } from '../../../mgsd/method/packing.js';
import { rollOut } from '../../../mgsd/method/stages/rollout.js';
import type { Rollouts } from '../../../mgsd/method/stages/rollout.js';
import { distillationStage } from '../../../mgsd/method/stages/stage2.js';
import { planningStage } from '../../../mgsd/method/stages/stage0.js';
import { createTeacher, followPlan, teacherPrompt } from '../../../mgsd/method/stages/teacher.js';
import { relabelledTrace } from '../../../mgsd/method/targets.js';
import type { Action } from '../../../mgsd/worlds/grid.js';
import { drawPuzzles } from '../../../mgsd/method/puzzles.js';
import {
  maximumResponseLength,
  oracleResponse,
  parseResponse,
  SPAN_ACTION,
  symbolicPrompt,
} from '../../../mgsd/method/response.js';
import { cpu } from '../../core/devices.js';
import { miniature, randomModel } from '../../models/miniature.js';
import { groups, miniatureConfig } from '../miniature-run.js';

type Stage2 = RunConfig['stage2'];

let wasm: Device;
let student: VisionLanguageModel;
let planner: VisionLanguageModel;
let rollouts: Rollouts;
beforeAll(async () => {
  wasm = await openDevice('wasm', { threads: 1 });
  student = randomModel(wasm, 1);
  planner = randomModel(wasm, 2, { trainable: false });
  rollouts = await rollOut(miniatureConfig(), student, groups, 0);
});
afterAll(() => wasm.close());

const configOf = (stage2: Partial<Stage2> = {}): RunConfig => {
  const config = miniatureConfig({ stage2: { warmup: 0 } });
  return { ...config, stage2: { ...config.stage2, ...stage2 } };
};

/** Scores of a teacher on the rollouts. */
const scoresOf = (stage2: Partial<Stage2>, who = student) =>
  wasm.scope(() =>
    createTeacher(configOf(stage2).stage2, who, planner).score(rollouts.puzzles, rollouts.traces).read(),
  );

const symbolicForward = (model: VisionLanguageModel) =>
  wasm.scope(() => model.forward(packTraces(rollouts.puzzles, rollouts.traces, 'symbolic', miniature)).read());

/** Two updates of stage 2, from the same weights each time. */
async function trained(stage2: Partial<Stage2>, { from = 0, to = 2 } = {}, state?: ReadonlyMap<string, Float32Array>) {
  const config = configOf(stage2);
  const model = randomModel(wasm, 1);
  const teacher = randomModel(wasm, 2, { trainable: false });
  const optimizer = new AdamW(model.parameters, { ...config.optimizer, noDecay: noDecayGroups });
  const stage = distillationStage(config, model, teacher, optimizer, groups);
  if (state) stage.loadState(state);
  const metrics = [];
  for (let step = from; step < to; step++) metrics.push(await (await stage.step(step)).metrics);
  const result = {
    metrics,
    student: await model.parameters.flat.read(),
    teacher: await teacher.parameters.flat.read(),
    state: await stage.saveState(),
  };
  for (const owner of [optimizer, model, teacher]) owner.dispose();
  return result;
}

describe('a model as a teacher', () => {
  it('frozen: the planner of stage 0, reading symbols', async () => {
    expect(await scoresOf({ teacher: 'frozen' })).toEqual(await symbolicForward(planner));
    const { teacher, state } = await trained({ teacher: 'frozen' });
    expect(teacher).toEqual(await planner.parameters.flat.read());
    expect(state.size).toBe(0);
  });

  it('synced: the student of the moment, bit by bit', async () => {
    expect(await scoresOf({ teacher: 'synced' })).toEqual(await symbolicForward(student));
    const moved = randomModel(wasm, 7);
    expect(await scoresOf({ teacher: 'synced' }, moved)).toEqual(await symbolicForward(moved));
    moved.dispose();
    expect((await trained({ teacher: 'synced' })).teacher).toEqual(await planner.parameters.flat.read());
  });

  it('gets no gradient, though it may be the student', async () => {
    const teacher = createTeacher(configOf({ teacher: 'synced' }).stage2, student, planner);
    const scores = wasm.scope(() => teacher.score(rollouts.puzzles, rollouts.traces));
    expect(() => scores.backward({ grad: scores })).toThrow(/without history/);
    wasm.free(scores);
    const { metrics } = await trained({ teacher: 'synced' });
    expect(metrics[0]!['reverseKl']).toBeGreaterThan(0);
  });

  it('ema: the planner, moving towards the student after each update', async () => {
    expect(await scoresOf({ teacher: 'ema' })).toEqual(await symbolicForward(planner));
    const emaDecay = 0.75;
    const once = await trained({ teacher: 'ema', emaDecay }, { to: 1 });
    const before = await planner.parameters.flat.read();
    once.teacher.forEach((value, i) => {
      expect(value).toBeCloseTo(emaDecay * before[i]! + (1 - emaDecay) * once.student[i]!, 5);
    });
    expect(once.state.get('teacher')).toEqual(once.teacher);
  });

  it('ema: goes on from saved weights, and not without them', async () => {
    const straight = await trained({ teacher: 'ema', emaDecay: 0.5 }, { to: 1 });
    const resumed = trained({ teacher: 'ema', emaDecay: 0.5 }, { from: 1, to: 2 });
    await expect(resumed).rejects.toThrow(/followed the student for 0 updates, not 1: its weights were not restored/);
    const restored = await trained({ teacher: 'ema', emaDecay: 0.5 }, { from: 1, to: 1 }, straight.state);
    expect(restored.teacher).toEqual(straight.teacher);
    const on = await trained({ teacher: 'ema', emaDecay: 0.5 }, { from: 1, to: 3 }, straight.state);
    expect(on.teacher).not.toEqual(straight.teacher);
  });

  it('may be told a shortest plan as well', async () => {
    const [puzzle] = rollouts.puzzles;
    const { world, instance } = puzzle!;
    const [state, plan] = [teacherPrompt(puzzle!, 'state'), teacherPrompt(puzzle!, 'state+plan')];
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

  it('is the only right one while a trace keeps to it, and no longer once it has left it', () => {
    expect(told.length).toBeGreaterThan(2);
    for (const puzzle of told) {
      const { world, instance } = puzzle;
      const [first, other] = world.optimalActions(instance, world.start(instance));
      const plan = world.referencePlan(instance);
      expect(plan[0]).toBe(first);
      const traceOf = (actions: readonly Action[]) =>
        relabelledTrace(world, instance, oracleResponse(world, instance, undefined, actions));
      const kept = followPlan(puzzle, traceOf(plan));
      const due = kept.targets.filter((_, t) => kept.spans[t] === SPAN_ACTION);
      expect(due).toEqual([...plan.map(action => [actionToken(action)]), [EOS]]);
      const left = traceOf([other!]);
      const changed = followPlan(puzzle, left).targets.filter((right, t) => right !== left.targets[t]);
      expect(changed).toEqual([[actionToken(first!)]]);
    }
  });

  it('is in a share of the prompts of stage 0, on request', async () => {
    const config = miniatureConfig({ stage0: { planContext: 0.5, batch: 4 } });
    const [model, same] = [randomModel(wasm, 1), randomModel(wasm, 1)];
    const losses = [];
    for (const [who, stage0] of [[model, config], [same, miniatureConfig({ stage0: { batch: 4 } })]] as const) {
      const optimizer = new AdamW(who.parameters, {});
      losses.push((await (await planningStage(stage0, who, optimizer, groups).step(0)).metrics)['loss']!);
      optimizer.dispose();
      who.dispose();
    } // prettier-ignore
    expect(losses[0]).not.toBe(losses[1]);
    for (const loss of losses) expect(loss).toBeGreaterThan(1);
  });
});

describe('the oracle as a teacher', () => {
  const model = randomModel(cpu, 1, { dtype: 'f64' });
  let plans: Rollouts; // with places where several actions are right
  beforeAll(async () => {
    plans = await rollOut(configOf({ lambda: 0, batch: 16 }), student, groups, 0);
  });
  const targets = () => plans.traces.flatMap(trace => trace.targets);
  const scores = (teacherFloor: number) =>
    createTeacher(configOf({ teacher: 'oracle', teacherFloor }).stage2, model, model).score(
      plans.puzzles,
      plans.traces,
    );
  const ones = () => cpu.tensor(new Float64Array(targets().length).fill(1), [targets().length], { dtype: 'f64' });
  const floorOf = (floor: number) => cpu.tensor([floor], [1], { dtype: 'f64' });

  it('gives all right tokens the same probability, and the floor to every other', async () => {
    const logits = await scores(-12).read();
    let several = 0;
    targets().forEach((right, row) => {
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
    const tokens = cpu.tensor(targets().map(([first]) => first!), [targets().length], { dtype: 'i32' }); // prettier-ignore
    const stats = await divergenceStats(scores(-12), scores(-12), tokens, floor).read();
    const column = (name: (typeof divergenceFields)[number]) =>
      targets().map((_, row) => stats[row * divergenceFields.length + divergenceFields.indexOf(name)]!);
    for (const clamped of column('clampedMass')) expect(clamped).toBe(0);
    for (const agrees of column('agreement')) expect(agrees).toBe(1);
    column('teacherEntropy').forEach((entropy, row) => {
      expect(entropy).toBeCloseTo(Math.log(targets()[row]!.length), 1);
    });
  });

  it('is as near as the floor is low to a student who never errs', async () => {
    const values = new Float64Array(targets().length * 128).fill(-1000);
    targets().forEach((right, row) => right.forEach(token => (values[row * 128 + token] = 0)));
    const sure = cpu.tensor(values, [targets().length, 128], { dtype: 'f64' });
    for (const floor of [-12, -30])
      for (const value of await reverseKl(sure, scores(floor), ones(), floorOf(floor)).read())
        expect(Math.abs(value)).toBeLessThan(129 * Math.exp(floor));
  });

  it('trains without a teacher model', async () => {
    const { metrics, teacher } = await trained(
      { teacher: 'oracle', lambda: 0, divergence: 'forward_kl', steps: 40, visionRate: 1e-2, decoderRate: 1e-2 },
      { to: 40 },
    );
    expect(teacher).toEqual(await planner.parameters.flat.read());
    const mean = (from: number) => metrics.slice(from, from + 8).reduce((a, { forwardKl: kl }) => a + kl! / 8, 0);
    expect(mean(32)).toBeLessThan(0.9 * mean(0));
  });
});

describe('rollouts', () => {
  const rolled = (stage2: Partial<Stage2>, step = 0) => {
    const config = configOf(stage2);
    return rollOut(config, student, groups, step, createTeacher(config.stage2, student, planner));
  };
  const judged = ({ puzzles, responses }: Rollouts) =>
    puzzles.map(({ world, instance }, i) => parseResponse(world, instance, responses[i]!));

  it('with lambda 1 are all the student\'s', async () => {
    const all = await rolled({ lambda: 1 });
    expect(all).toEqual(rollouts);
    expect(all.onPolicy).toBeUndefined();
  }); // prettier-ignore

  it('with lambda 0 are all the oracle\'s: true recaps, shortest plans, nothing masked', async () => {
    const none = await rolled({ lambda: 0, batch: 24, maskAfterFatal: true });
    expect(none.onPolicy).toEqual(new Array(24).fill(false));
    for (const { recapExact, verdict, endOfSequence } of judged(none)) {
      expect({ recapExact, endOfSequence, ...verdict }).toMatchObject({ recapExact: true, endOfSequence: true, optimal: true });
    }
    for (const { weights } of none.traces) expect(weights).not.toContain(0);
    expect(await rolled({ lambda: 0, batch: 24, maskAfterFatal: true })).toEqual(none);
    expect((await rolled({ lambda: 0, batch: 24 }, 1)).responses).not.toEqual(none.responses);
  }); // prettier-ignore

  it('with lambda 0 and the teacher as writer are what it writes from symbols', async () => {
    for (const [teacher, writer] of [['frozen', planner], ['synced', student]] as const) {
      const none = await rolled({ lambda: 0, offPolicy: 'teacher', teacher, temperature: 1e-6 });
      const prompts = none.puzzles.map(({ world, instance }) => symbolicPrompt(world, instance));
      const maxTokens = Math.max(...none.puzzles.map(({ world, instance }) => maximumResponseLength(world, instance.size)));
      const greedy = await generate(writer, prompts, { maxTokens, temperature: 0, seed: 0, stream: 0, step: 0 });
      expect(none.responses).toEqual(greedy);
    }
  }); // prettier-ignore

  it('in between are mixed, each in its place', async () => {
    const mixed = await rolled({ lambda: 0.5, batch: 64 });
    const own = mixed.onPolicy!.filter(Boolean).length;
    expect(own).toBeGreaterThan(16);
    expect(own).toBeLessThan(48);
    judged(mixed).forEach(({ verdict }, i) => {
      if (!mixed.onPolicy![i]) expect(verdict.optimal).toBe(true);
    });
    expect(judged(mixed).filter(({ verdict }) => !verdict.optimal).length).toBeGreaterThan(own / 2); // it knows nothing yet
    expect(mixed.traces.map(({ inputs }) => inputs.length)).toEqual(mixed.responses.map(({ length }) => length));
  });

  it('come n to a puzzle, side by side, and differ', async () => {
    const [one, four] = [await rolled({ batch: 3 }), await rolled({ batch: 3, n: 4 })];
    expect(four.puzzles).toEqual(one.puzzles.flatMap(puzzle => [puzzle, puzzle, puzzle, puzzle]));
    expect(four.images).toHaveLength(12);
    expect(new Set(four.responses.slice(0, 4).map(String)).size).toBeGreaterThan(1);
  });

  it('end at the limit', async () => {
    const short = await rolled({ maxNewTokens: 3, lambda: 0.5, batch: 16 });
    expect(Math.max(...short.responses.map(({ length }) => length))).toBe(3);
    const { metrics } = await trained({ maxNewTokens: 1 }, { to: 1 });
    expect(metrics[0]).toMatchObject({ responseLength: 1, responseLengthMax: 1 });
  });
});

describe('every switch, through two updates', () => {
  it.each<Partial<Stage2>>([
    { divergence: 'jsd', lambda: 0.5, offPolicy: 'teacher' },
    { estimator: 'top_k', topK: 8, teacher: 'synced' },
    { estimator: 'sampled_baseline', advantageClamp: 2, lossAggMode: 'seq-mean-token-mean' },
    { n: 2, rewardCoef: 1, distillationCoef: 0 },
    { divergence: 'forward_kl', lambda: 0, teacher: 'oracle' },
    { teacher: 'ema', context: 'state+plan' },
  ])('%j trains, is finite, and repeats itself bit by bit', async stage2 => {
    const [first, second] = [await trained(stage2), await trained(stage2)];
    expect(first.student).toEqual(second.student);
    expect(first.student).not.toEqual(await student.parameters.flat.read());
    for (const step of first.metrics)
      for (const [name, value] of Object.entries(step)) expect(value, name).toSatisfy(Number.isFinite);
    expect(first.metrics[0]).toMatchObject({ skipped: 0 });
    for (const name of ['rolloutSeconds', 'packSeconds', 'updateSeconds'])
      expect(first.metrics[0]![name]).toBeGreaterThanOrEqual(0);
  });
});
