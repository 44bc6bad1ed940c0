/**
 * Whether an exercise was solved, one check per lesson. A check throws an error that says what is wrong; `npm run
 * exercise` runs it on the file in the lesson's folder, and the tests on that file and on a solution.
 */
import type * as Tape from '../../core/lessons/tape.exercise.js';
import type * as Gradcheck from '../../core/lessons/gradcheck.exercise.js';
import type * as Matmul from '../../kernels/matmul/lesson.exercise.js';
import type * as Attention from '../../kernels/attention/lesson.exercise.js';
import type * as Loss from '../../kernels/loss/lesson.exercise.js';
import type * as Optimizer from '../../kernels/optimizer/lesson.exercise.js';
import type * as Muon from '../../kernels/optimizer/muon.exercise.js';
import type * as Cache from '../../models/lessons/cache.exercise.js';
import type * as Vision from '../../models/lessons/vision.exercise.js';
import type * as Stage0 from '../../mgsd/lessons/stage0.exercise.js';
import type * as Stage1 from '../../mgsd/lessons/stage1.exercise.js';
import type * as Stage2 from '../../mgsd/lessons/stage2.exercise.js';
import type * as OnPolicy from '../../mgsd/lessons/on-policy.exercise.js';
import { Random } from '../../core/index.js';
import { modelPresets, patchify } from '../../models/index.js';
import { tokensToText } from '../../models/vocabulary.js';
import { createWorldByName } from '../../mgsd/worlds/registry.js';
import { boardText } from '../../mgsd/pictures/draw.js';
import type { World } from '../../mgsd/worlds/world.js';

/** A lesson's exercise. */
export interface Exercise {
  /** From the repository's root. */
  readonly file: string;
  readonly lesson: string;
  /** @throws Error that says what is wrong */
  readonly check: (module: unknown) => void;
}

/** @param check of the file's module, whose type it names */
function exercise(file: string, lesson: string, check: (module: never) => void): Exercise {
  return { file, lesson, check: module => check(module as never) };
}

/** @throws Error unless all numbers agree to within `tolerance` of the larger of 1 and their size */
function expectClose(what: string, got: ArrayLike<number>, right: ArrayLike<number>, tolerance = 1e-9): void {
  if (got.length !== right.length) throw new Error(`${what}: ${got.length} numbers came back, not ${right.length}`);
  for (let i = 0; i < right.length; i++)
    if (!(Math.abs(got[i]! - right[i]!) <= tolerance * Math.max(1, Math.abs(right[i]!))))
      throw new Error(`${what}: number ${i} is ${got[i]!}, but should be ${right[i]!}`);
}

const numbers = (random: Random, length: number, scale = 1) =>
  Array.from({ length }, () => scale * (2 * random.uniform() - 1));

/** Central differences in f64, for checks of gradients. */
function slope(f: (x: readonly number[]) => number, x: readonly number[]): number[] {
  const step = 1e-5;
  const moved = (i: number, by: number) => f(x.map((value, j) => (j === i ? value + by : value)));
  return x.map((_, i) => (moved(i, step) - moved(i, -step)) / (2 * step));
}

function logSoftmax(z: readonly number[]): number[] {
  const maximum = Math.max(...z);
  const lse = maximum + Math.log(z.reduce((total, value) => total + Math.exp(value - maximum), 0));
  return z.map(value => value - lse);
}

function checkTape({ backward }: typeof Tape): void {
  // y = x0 * x1, z = y + x0, w = z * z: dw/dx0 = 2 z (x1 + 1), dw/dx1 = 2 z x0
  const [x0, x1] = [3, -2];
  const y = x0 * x1;
  const z = y + x0;
  const tape = [
    { parents: [], partials: [] },
    { parents: [], partials: [] },
    { parents: [0, 1], partials: [x1, x0] },
    { parents: [2, 0], partials: [1, 1] },
    { parents: [3, 3], partials: [z, z] },
  ];
  expectClose('the gradients of (x0 x1 + x0)²', backward(tape), [2 * z * (x1 + 1), 2 * z * x0, 2 * z, 2 * z, 1]);
  const unused = [
    { parents: [], partials: [] },
    { parents: [], partials: [] },
    { parents: [0], partials: [5] },
  ];
  expectClose('an input that the end does not depend on', backward(unused), [5, 0, 1]);
}

function checkGradcheck({ numericGradient }: typeof Gradcheck): void {
  const x = Float64Array.of(0.7, -1.2, 2.1);
  const f = (at: Float64Array) => Math.sin(at[0]!) * at[1]! ** 2 + Math.exp(at[2]! * at[0]!);
  const e = Math.exp(x[2]! * x[0]!);
  const exact = [Math.cos(x[0]!) * x[1]! ** 2 + x[2]! * e, 2 * Math.sin(x[0]!) * x[1]!, x[0]! * e];
  const error = (step: number) => {
    const numeric = numericGradient(f, x, step);
    return Math.max(...exact.map((value, i) => Math.abs(numeric[i]! - value)));
  };
  expectClose('the gradient at step 1e-5', numericGradient(f, x, 1e-5), exact, 1e-7);
  if (x[0] !== 0.7) throw new Error('x was changed: work on a copy, or put the old value back');
  const ratio = error(1e-2) / error(1e-3);
  if (!(ratio > 50))
    throw new Error(
      `a step ten times smaller makes the error only ${ratio.toFixed(0)} times smaller, not a hundred: the difference is not central`,
    );
}

function checkMatmul({ tiledMatmul, tileRows }: typeof Matmul): void {
  const random = new Random(1, 500);
  for (const [m, n, k] of [
    [8, 5, 7],
    [10, 3, 4],
    [1, 1, 1],
  ] as const) {
    const [a, b] = [numbers(random, m * k), numbers(random, k * n)];
    const right = Array.from({ length: m * n }, (_, at) =>
      Array.from({ length: k }, (_, l) => a[Math.floor(at / n) * k + l]! * b[l * n + (at % n)]!).reduce(
        (x, y) => x + y,
        0,
      ),
    );
    let loads = 0;
    const c = tiledMatmul(
      { m, n, k },
      (i, l) => a[i * k + l]!,
      (l, j) => {
        loads++;
        return b[l * n + j]!;
      },
    );
    expectClose(`C of ${m} x ${n} x ${k}`, c, right);
    const allowed = Math.ceil(m / tileRows) * k * n;
    if (loads > allowed)
      throw new Error(
        `C is right, but B was loaded ${loads} times for ${m} x ${n} x ${k}; ${allowed} would do with ${tileRows} rows at once`,
      );
  }
}

function checkAttention({ attentionGradients }: typeof Attention): void {
  const random = new Random(2, 500);
  const [T, D] = [4, 3];
  const rows = (flat: readonly number[]) => Array.from({ length: T }, (_, i) => flat.slice(i * D, (i + 1) * D));
  const [q, k, v, dout] = Array.from({ length: 4 }, () => numbers(random, T * D, 1.5)) as [
    number[],
    number[],
    number[],
    number[],
  ];
  const loss = (fq: readonly number[], fk: readonly number[], fv: readonly number[]) => {
    const [qs, ks, vs] = [rows(fq), rows(fk), rows(fv)];
    return qs.reduce((total, query, i) => {
      const scores = ks.map(key => key.reduce((sum, value, d) => sum + value * query[d]!, 0) / Math.sqrt(D));
      const p = logSoftmax(scores).map(Math.exp);
      return (
        total +
        p.reduce((sum, share, j) => sum + share * vs[j]!.reduce((s, value, d) => s + value * dout[i * D + d]!, 0), 0)
      );
    }, 0);
  };
  const { dq, dk, dv } = attentionGradients(rows(q), rows(k), rows(v), rows(dout));
  expectClose(
    'dV',
    dv.flat(),
    slope(x => loss(q, k, x), v),
    1e-7,
  );
  expectClose(
    'dQ',
    dq.flat(),
    slope(x => loss(x, k, v), q),
    1e-7,
  );
  expectClose(
    'dK',
    dk.flat(),
    slope(x => loss(q, x, v), k),
    1e-7,
  );
}

function checkLoss({ entropyGradient }: typeof Loss): void {
  const random = new Random(3, 500);
  const entropy = (z: readonly number[]) => -logSoftmax(z).reduce((sum, value) => sum + Math.exp(value) * value, 0);
  for (const z of [numbers(random, 5, 3), numbers(random, 2, 1), [1000, 998, 1001]])
    expectClose(
      `dH/dz at z = [${z.map(value => value.toFixed(1)).join(', ')}]`,
      entropyGradient(z),
      slope(entropy, z),
      1e-6,
    );
  const q = logSoftmax(numbers(random, 5, 2));
  const z = numbers(random, 5, 2);
  const p = logSoftmax(z).map(Math.exp);
  const kl = p.reduce((sum, share, k) => sum + share * (Math.log(share) - q[k]!), 0);
  const cross = p.reduce((sum, share, k) => sum + share * q[k]!, 0);
  const viaEntropy = entropyGradient(z).map((value, k) => -value - p[k]! * (q[k]! - cross));
  expectClose(
    'the reverse KL put together from it',
    viaEntropy,
    p.map((share, k) => share * (Math.log(share) - q[k]! - kl)),
  );
}

function checkOptimizer({ adamwStep }: typeof Optimizer): void {
  const random = new Random(4, 500);
  const hyper = { learningRate: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0.1 };
  const n = 6;
  const zeros = () => new Float64Array(n);
  const [param, m, v] = [Float64Array.from(numbers(random, n)), zeros(), zeros()];
  let state = { parameters: [...param], m: [...m], v: [...v], step: 0, lossScale: 1024 } as Parameters<
    typeof adamwStep
  >[0];
  let [beta1Power, beta2Power] = [1, 1];
  for (let step = 1; step <= 10; step++) {
    const grad = numbers(random, n, step);
    if (step === 4) {
      const before = state;
      state = adamwStep(
        state,
        grad.map((g, i) => (i === 2 ? Infinity : g * state.lossScale)),
        hyper,
      );
      expectClose('parameters after a gradient that is not finite', state.parameters, before.parameters, 0);
      expectClose('the moments after it', [...state.m, ...state.v], [...before.m, ...before.v], 0);
      expectClose('step and scale after it', [state.step, state.lossScale], [before.step, before.lossScale / 2], 0);
      continue;
    }
    state = adamwStep(
      state,
      grad.map(g => g * state.lossScale),
      hyper,
    );
    [beta1Power, beta2Power] = [beta1Power * hyper.beta1, beta2Power * hyper.beta2];
    const update = 1 - beta1Power;
    for (let i = 0; i < n; i++) {
      m[i] = hyper.beta1 * m[i]! + (1 - hyper.beta1) * grad[i]!;
      v[i] = hyper.beta2 * v[i]! + (1 - hyper.beta2) * grad[i]! ** 2;
      const direction = m[i]! / update / (Math.sqrt(v[i]! / (1 - beta2Power)) + hyper.epsilon);
      param[i] = param[i]! - hyper.learningRate * (hyper.weightDecay * param[i]! + direction);
    }
    expectClose(`parameters after ${step} gradients`, state.parameters, param, 1e-9);
  }
  expectClose(
    'a scale of 1 after a bad gradient',
    [adamwStep({ ...state, lossScale: 1 }, [NaN, 0, 0, 0, 0, 0], hyper).lossScale],
    [1],
    0,
  );
}

/** From x to I - 2 x x^T / |x|^2, which is orthogonal. */
function reflection(x: readonly number[]): number[][] {
  const square = x.reduce((sum, value) => sum + value ** 2, 0);
  return x.map((xi, i) => x.map((xj, j) => (i === j ? 1 : 0) - (2 * xi * xj) / square));
}

function checkMuon({ orthogonalize }: typeof Muon): void {
  const random = new Random(6, 500);
  const phi = (s: number) => 3.4445 * s - 4.775 * s ** 3 + 2.0315 * s ** 5;
  for (const [rows, cols] of [
    [3, 5],
    [4, 4],
    [5, 2],
  ] as const) {
    const [u, v] = [reflection(numbers(random, rows)), reflection(numbers(random, cols))];
    const singular = numbers(random, Math.min(rows, cols)).map(value => 0.1 + Math.abs(value));
    const norm = Math.hypot(...singular);
    const compose = (values: readonly number[]) =>
      u.map(row => v.map(other => values.reduce((sum, value, k) => sum + row[k]! * value * other[k]!, 0)));
    const right = compose(singular.map(s => phi(phi(phi(phi(phi(s / norm)))))));
    expectClose(`a ${rows} x ${cols} matrix`, orthogonalize(compose(singular)).flat(), right.flat(), 1e-6);
  }
  expectClose(
    'zeros',
    orthogonalize([
      [0, 0],
      [0, 0],
    ]).flat(),
    [0, 0, 0, 0],
    0,
  );
}

function checkCache({ sampleToken }: typeof Cache): void {
  const random = new Random(5, 500);
  const logits = [1, 0, 2.5, -1];
  const noise = () => Array.from({ length: 4 }, () => (random.integer(2 ** 23) + 0.5) / 2 ** 23);
  if (sampleToken([3, 5, 5], 0, [0.5, 0.5, 0.5]) !== 1)
    throw new Error('temperature 0 must take the first of the largest logits');
  for (const temperature of [1, 0.5]) {
    const draws = 40_000;
    const counts = new Float64Array(4);
    for (let i = 0; i < draws; i++) counts[sampleToken(logits, temperature, noise())]!++;
    const p = logSoftmax(logits.map(logit => logit / temperature)).map(Math.exp);
    expectClose(
      `shares of the tokens at temperature ${temperature}`,
      counts.map(count => count / draws),
      p,
      0.012,
    );
  }
}

function checkVision({ toPatches }: typeof Vision): void {
  const config = { ...modelPresets.tiny, imageSize: 12, patchSize: 4 };
  const random = new Random(6, 500);
  const image = Uint8Array.from({ length: 3 * 12 * 12 }, () => random.integer(256));
  expectClose('the patches', toPatches(image, 12, 4), patchify([image], config), 1e-6);
}

function checkStage0({ softTargets }: typeof Stage0): void {
  // 0 -> 1 -> 3 (goal) and 0 -> 2 -> 3 are equally short; 4 is reached but leads nowhere
  const graph = {
    goal: 3,
    next: [
      [1, 2, 4],
      [3, 0, -1],
      [-1, 3, 0],
      [0, 0, 0],
      [4, 4, -1],
    ],
  };
  const targets = softTargets(graph);
  const right = [
    [0.5, 0.5, 0],
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 0],
    [0, 0, 0],
  ];
  right.forEach((row, state) => expectClose(`targets in state ${state}`, targets[state] ?? [], row));
}

function checkStage1({ recapText }: typeof Stage1): void {
  const world: World = createWorldByName('frozenlake');
  const random = new Random(7, 500);
  for (const level of [3, 3, 4, 5]) {
    const instance = world.generate(random, level);
    const rows = boardText(world, instance).map(row => row.replaceAll(' ', '').replaceAll('.', 'F'));
    const right = tokensToText(world.recap(instance));
    const got = recapText(rows);
    if (got !== right) throw new Error(`${rows.join(' / ')} is "${right}", not "${got}"`);
  }
}

function checkStage2({ sampledGradient }: typeof Stage2): void {
  const random = new Random(8, 500);
  const [z, logQ] = [numbers(random, 6, 2), logSoftmax(numbers(random, 6, 2))];
  const p = logSoftmax(z).map(Math.exp);
  const exact = slope(at => logSoftmax(at).reduce((sum, value, k) => sum + Math.exp(value) * (value - logQ[k]!), 0), z);
  for (const baseline of [0, 0.7]) {
    const mean = z.map(() => 0);
    p.forEach((share, token) =>
      sampledGradient(z, logQ, token, baseline).forEach((value, k) => (mean[k]! += share * value)),
    );
    expectClose(`the mean over all tokens, baseline ${baseline},`, mean, exact, 1e-7);
  }
}

function checkOnPolicy({ expectedMistakes }: typeof OnPolicy): void {
  const right = (length: number, error: number, lost: number) =>
    Array.from({ length }, (_, t) => (1 - error) ** t * error + (1 - (1 - error) ** t) * lost).reduce(
      (a, b) => a + b,
      0,
    );
  for (const [length, error, lost] of [
    [1, 0.1, 1],
    [10, 0.05, 1],
    [10, 0.05, 0.05],
    [33, 0.01, 0.8],
  ] as const)
    expectClose(
      `${length} steps, error ${error}, off the path ${lost}`,
      [expectedMistakes(length, error, lost)],
      [right(length, error, lost)],
    );
}

/** By the name that `npm run exercise -- NAME` takes; `solutions/NAME.ts` solves each. */
export const exercises = {
  tape: exercise('core/lessons/tape.exercise.ts', 'core/lessons/tape.md', checkTape),
  gradcheck: exercise('core/lessons/gradcheck.exercise.ts', 'core/lessons/gradcheck.md', checkGradcheck),
  matmul: exercise('kernels/matmul/lesson.exercise.ts', 'kernels/matmul/lesson.md', checkMatmul),
  attention: exercise('kernels/attention/lesson.exercise.ts', 'kernels/attention/lesson.md', checkAttention),
  loss: exercise('kernels/loss/lesson.exercise.ts', 'kernels/loss/lesson.md', checkLoss),
  optimizer: exercise('kernels/optimizer/lesson.exercise.ts', 'kernels/optimizer/lesson.md', checkOptimizer),
  muon: exercise('kernels/optimizer/muon.exercise.ts', 'kernels/optimizer/muon.md', checkMuon),
  cache: exercise('models/lessons/cache.exercise.ts', 'models/lessons/cache.md', checkCache),
  vision: exercise('models/lessons/vision.exercise.ts', 'models/lessons/vision.md', checkVision),
  stage0: exercise('mgsd/lessons/stage0.exercise.ts', 'mgsd/lessons/stage0.md', checkStage0),
  stage1: exercise('mgsd/lessons/stage1.exercise.ts', 'mgsd/lessons/stage1.md', checkStage1),
  stage2: exercise('mgsd/lessons/stage2.exercise.ts', 'mgsd/lessons/stage2.md', checkStage2),
  'on-policy': exercise('mgsd/lessons/on-policy.exercise.ts', 'mgsd/lessons/on-policy.md', checkOnPolicy),
} satisfies Record<string, Exercise>;
