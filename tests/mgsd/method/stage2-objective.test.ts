/** What stage 2 minimises: estimators against exact gradients, weights of tokens, and what is logged. In f64. */
import { describe, expect, it } from 'vitest';
import { AdamW, divergenceFields, gradcheck, mul } from '../../../core/index.js';
import type { Tensor } from '../../../core/index.js';
import type { RunConfig } from '../../../mgsd/method/config.js';
import { packExamples } from '../../../mgsd/method/packing.js';
import { oracleResponse, SPAN_ACTION, SPAN_CELL, SPAN_RECAP } from '../../../mgsd/method/response.js';
import { readRollout } from '../../../mgsd/method/stages/rollout.js';
import type { Rollout } from '../../../mgsd/method/stages/rollout.js';
import { distillationStage } from '../../../mgsd/method/stages/stage2.js';
import { cpu } from '../../core/devices.js';
import { miniature, randomModel } from '../../models/miniature.js';
import { eagerDistillation, groups, miniatureConfig } from '../miniature-run.js';

type Stage2 = RunConfig['stage2'];

const student = randomModel(cpu, 1, { dtype: 'f64' });
const planner = randomModel(cpu, 2, { dtype: 'f64', trainable: false });
/** The student's weights, but only the head's bias is trainable: a gradient with respect to it alone is soon there. */
const headOnly = randomModel(cpu, 1, { dtype: 'f64', trainable: false });
const bias = headOnly.parameters.get('decoder.head.bias').trainable();
const settings = (changes: Partial<Stage2> = {}) => miniatureConfig({ stage2: changes });

/** Responses to training puzzles as rollouts in which every token counts; whole ones unless `length` cuts them off. */
function rolloutsOf(responses: readonly (readonly number[])[], length = Infinity): Rollout[] {
  return responses.map((tokens, i) => {
    const puzzle = groups[0]!.puzzles[i]!;
    const image = puzzle.world.render(puzzle.instance, miniature.imageSize, 'training');
    return readRollout(puzzle, image, tokens.slice(0, length), false);
  });
}

const oracleTokens = (puzzle: number) => {
  const { world, instance } = groups[0]!.puzzles[puzzle]!;
  return oracleResponse(world, instance);
};

/** Loss and gradient with respect to the head's bias, which shifts the logits of every token alike. */
async function evaluate(rollouts: readonly Rollout[], changes: Partial<Stage2> = {}, teacher = planner) {
  return await cpu.scope(async () => {
    const { loss, losses, stats: table } = eagerDistillation(settings(changes), headOnly, teacher, rollouts);
    loss.backward();
    const gradient = Array.from(await bias.grad!.read());
    headOnly.parameters.clearGradients();
    const stats = await table.read();
    const field = (name: (typeof divergenceFields)[number], row = 0) =>
      stats[row * divergenceFields.length + divergenceFields.indexOf(name)]!;
    return { loss: await loss.item(), losses: Array.from(await losses.read()), gradient, field };
  });
}

const largest = (values: readonly number[]) => Math.max(...values.map(Math.abs));
function expectSame(actual: readonly number[], expected: readonly number[], relative = 1e-9): void {
  expect(largest(expected)).toBeGreaterThan(1e-6);
  actual.forEach((value, k) =>
    expect(Math.abs(value - expected[k]!), `element ${k}`).toBeLessThan(relative * largest(expected)),
  );
}

describe('estimators at one position, all 128 tokens enumerated', () => {
  /** Means of the gradient, its square and the advantage over the token, with the student's own probabilities. */
  async function enumerate(changes: Partial<Stage2>) {
    const mean = new Array<number>(128).fill(0);
    let square = 0;
    let advantage = 0;
    let total = 0;
    for (let token = 0; token < 128; token++) {
      const { gradient, field } = await evaluate(rolloutsOf([[token]]), changes);
      const p = Math.exp(field('studentLogProb'));
      const k1 = field('teacherLogProb') - field('studentLogProb');
      total += p;
      advantage += p * (changes.estimator === 'sampled_baseline' ? k1 + field('reverseKl') : k1);
      square += p * gradient.reduce((a, g) => a + g * g, 0);
      gradient.forEach((g, k) => (mean[k]! += p * g));
    }
    expect(total).toBeCloseTo(1, 9);
    return { mean, square, advantage };
  }

  it('the sampled ones average to the exact gradient of the reverse KL, and the baseline lowers variance', async () => {
    for (const teacherFloor of [-12, -5.2]) {
      const exact = await evaluate(rolloutsOf([[5]]), { teacherFloor });
      const sampled = await enumerate({ estimator: 'sampled', teacherFloor });
      const baseline = await enumerate({ estimator: 'sampled_baseline', teacherFloor });
      expectSame(sampled.mean, exact.gradient);
      expectSame(baseline.mean, exact.gradient);
      expect(sampled.advantage).toBeCloseTo(-exact.field('reverseKl'), 9);
      expect(baseline.advantage).toBeCloseTo(0, 9);
      expect(baseline.square).toBeLessThan(sampled.square);
    }
  }, 180_000);
});

describe('on whole responses', () => {
  const longest = 16;
  const rollouts = rolloutsOf([oracleTokens(0), [...oracleTokens(1), 40, 41]], longest);

  it.each<Partial<Stage2>>([{}, { divergence: 'forward_kl' }, { lossAverage: 'token' }])(
    'the gradient of %j is that of its loss',
    async changes => {
      const scale = cpu.tensor([100], [], { dtype: 'f64' });
      const loss = (): Tensor => {
        student.parameters.clearGradients(); // those that are not checked
        return mul(eagerDistillation(settings(changes), student, planner, rollouts).loss, scale);
      };
      const checked = ['decoder.head.bias', 'vision.projector.weight'].map(name => student.parameters.get(name));
      const report = await gradcheck(loss, checked, { maxElements: 5 });
      student.parameters.clearGradients();
      expect(report.ok, JSON.stringify(report.worst)).toBe(true);
      expect(Math.abs(report.perInput[1]!.analytic)).toBeGreaterThan(0);
    },
  );

  it.each([
    ['reverse_kl', 'reverseKl'],
    ['forward_kl', 'forwardKl'],
  ] as const)('the loss is the mean of the %s by token, and padding counts nothing', async (divergence, name) => {
    const { loss, losses, field } = await evaluate(rollouts, { divergence });
    const mask = rollouts.flatMap(({ example }) => Array.from(example.weights));
    const count = mask.reduce((a, w) => a + w, 0);
    const behind = Math.min(2, longest - oracleTokens(1).length); // what was written behind EOS counts nothing
    expect(behind).toBeGreaterThan(0);
    expect(count).toBe(mask.length - behind);
    expect(losses.length).toBeGreaterThan(mask.length); // there is padding
    const expected = losses.map((_, row) => (mask[row] ? field(name, row) / count : 0));
    losses.forEach((value, row) => expect(value, `token ${row}`).toBeCloseTo(expected[row]!, 12));
    mask.forEach((w, row) => expect(w === 0, `token ${row}`).toBe(losses[row] === 0));
    expect(losses.slice(mask.length).every(value => value === 0)).toBe(true);
    const total = expected.reduce((a, value) => a + value, 0);
    expect(loss).toBeCloseTo(total, 12);
    expect(loss).toBeGreaterThan(1e-3);
  });

  it('a teacher who is the student gets no gradient: it is that of a frozen copy', async () => {
    const copy = randomModel(cpu, 1, { dtype: 'f64', trainable: false });
    const [own, copied] = [await evaluate(rollouts, { teacher: 'synced' }), await evaluate(rollouts, {}, copy)];
    copy.dispose();
    expect(own.loss).toBe(copied.loss);
    expect(own.gradient).toEqual(copied.gradient);
    expect(largest(own.gradient)).toBeGreaterThan(1e-6);
  });

  it('the loss of both is the mean over the tokens of both, however long they are', async () => {
    const uneven = rolloutsOf([oracleTokens(0).slice(0, 3), oracleTokens(1)]);
    const [short, long] = [await evaluate([uneven[0]!]), await evaluate([uneven[1]!])];
    const n = uneven.map(({ response }) => response.length);
    const both = await evaluate(uneven);
    expect(both.loss).toBeCloseTo((n[0]! * short.loss + n[1]! * long.loss) / (n[0]! + n[1]!), 9);
  });

  it('a sequence that is masked altogether does not count', async () => {
    const { example } = rollouts[1]!;
    const masked = { ...rollouts[1]!, example: { ...example, weights: example.weights.map(() => 0) } };
    const [alone, both] = [await evaluate([rollouts[0]!]), await evaluate([rollouts[0]!, masked])];
    expect(both.loss).toBeCloseTo(alone.loss, 9);
    expectSame(both.gradient, alone.gradient);
  });
});

describe('what is logged', () => {
  const rollouts = rolloutsOf([oracleTokens(0), oracleTokens(1).slice(0, -1)]);

  async function metricsOf(changes: Partial<Stage2>) {
    const model = randomModel(cpu, 1);
    const teacher = randomModel(cpu, 2, { trainable: false });
    const optimizer = new AdamW(model.parameters, {});
    const stage = distillationStage({ config: settings(changes), student: model, planner: teacher, optimizer, groups });
    const values = await stage.update(rollouts, 0, { vision: 2e-4, decoder: 1e-4 });
    for (const owner of [stage, optimizer, model, teacher]) owner.dispose();
    for (const [name, value] of Object.entries(values)) expect(value, name).toSatisfy(Number.isFinite);
    return values;
  }

  it('losses by span add up to the loss, KLs by span average to the KL, and rates are there', async () => {
    const metrics = await metricsOf({});
    const { lossRecap, lossAction, lossCell, loss } = metrics;
    expect(lossRecap! + lossAction! + lossCell!).toBeCloseTo(loss!, 5);
    const spans = rollouts.flatMap(({ example }) => [...example.spans]);
    const counts = [SPAN_RECAP, SPAN_ACTION, SPAN_CELL].map(span => spans.filter(s => s === span).length);
    const kls = ['Recap', 'Action', 'Cell'].map(name => metrics[`reverseKl${name}`]!);
    const total = counts.reduce((a, b) => a + b, 0);
    expect(rollouts.every(({ example }) => example.weights.every(w => w === 1))).toBe(true);
    expect(kls.reduce((a, kl, i) => a + kl * counts[i]!, 0) / total).toBeCloseTo(metrics['reverseKl']!, 5);
    expect(metrics).toMatchObject({ visionRate: 2e-4, decoderRate: 1e-4, rolloutSuccess: 0.5, truncated: 0.5 });
    const lengths = rollouts.map(({ response }) => response.length);
    expect(metrics).toMatchObject({ responseLengthMin: Math.min(...lengths), responseLengthMax: Math.max(...lengths) });
  });

  it('tells of the student only what the student wrote', async () => {
    const metrics = await metricsOf({ writer: 'teacher' });
    expect(metrics['reverseKl']).toBeGreaterThan(0);
    expect(metrics).not.toHaveProperty('rolloutSuccess');
  });
});

it('packs what the student sees as images: its own forward pass gives the statistics', async () => {
  const [rollout] = rolloutsOf([oracleTokens(0)]);
  const packed = packExamples([rollout!.example], 'image', student, [rollout!.image]);
  const logits = await cpu.scope(() => student.forward(cpu.fromHost(packed)).read());
  const { field } = await evaluate([rollout!]);
  rollout!.response.forEach((token, row) => {
    const z = Array.from(logits.subarray(row * 128, (row + 1) * 128));
    const lse = Math.log(z.reduce((a, x) => a + Math.exp(x), 0));
    expect(field('studentLogProb', row)).toBeCloseTo(z[token]! - lse, 9);
  });
});
