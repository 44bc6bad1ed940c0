/** How noisy the gradient from one sampled token is, compared with the exact one, for a trained student. */
import { noGrad, Random } from '../../../core/index.js';
import type { NumberArray } from '../../../core/index.js';
import { packExamples } from '../../method/packing.js';
import { lineChart } from '../../pictures/chart.js';
import { logSoftmax } from '../../runs/looks.js';
import { pretrainedRollouts } from './classroom.js';
import { scaled, textTable } from './experiment.js';
import type { Experiment, ExperimentOptions, ExperimentResult } from './experiment.js';

/** Both distributions at one position of a rollout. */
interface Position {
  /** log p of the student and log q of the teacher, over the vocabulary. */
  readonly logP: Float64Array;
  readonly logQ: Float64Array;
}

const floor = -12;

/** The pretrained model against itself: as student it sees pictures, as teacher it reads symbols. */
async function positionsOf(options: ExperimentOptions): Promise<Position[]> {
  const { device, seed, effort } = options;
  const sampling = { temperature: 1, seed, stream: 41, step: 0 };
  // A style that it was never trained on, so it makes mistakes.
  const rollouts = await pretrainedRollouts(options, scaled(48, effort, 4), 40, 'held-out', sampling);
  const { model, images, examples } = rollouts;
  const [student, teacher] = await device.scope(() => {
    const logits = noGrad(() => [
      model.forward(device.fromHost(packExamples(examples, 'image', model, images))), // (N, V)
      model.forward(device.fromHost(packExamples(examples, 'symbolic', model))), // (N, V)
    ]);
    return Promise.all([logits[0]!.read(), logits[1]!.read()]);
  });
  model.dispose();
  const V = model.config.vocabulary;
  const rowOf = (logits: NumberArray, row: number) => Float64Array.from(logits.subarray(row * V, (row + 1) * V));
  const rows = examples.flatMap(({ targets }) => targets).length; // those after them are padding
  return Array.from({ length: rows }, (_, row) => ({
    logP: logSoftmax(rowOf(student, row)),
    logQ: logSoftmax(rowOf(teacher, row)).map(value => Math.max(value, floor)),
  }));
}

/** d KL(p || q) / d logits = p (log p - log q - KL), at one position. */
function exactGradient({ logP, logQ }: Position): { kl: number; gradient: Float64Array } {
  const kl = logP.reduce((total, value, k) => total + Math.exp(value) * (value - logQ[k]!), 0);
  return { kl, gradient: logP.map((value, k) => Math.exp(value) * (value - logQ[k]! - kl)) };
}

/** A token drawn from the student: the first whose cumulative probability exceeds `u`. */
function drawToken(logP: Float64Array, u: number): number {
  let cumulative = 0;
  const drawn = logP.findIndex(value => (cumulative += Math.exp(value)) > u);
  return drawn < 0 ? logP.length - 1 : drawn;
}

/**
 * The estimate from one token y: advantage (log q_y - log p_y [+ KL]) times the gradient of -log p_y, added to `sum`.
 */
function addEstimate(sum: Float64Array, { logP, logQ }: Position, token: number, baseline: number): void {
  const advantage = logQ[token]! - logP[token]! + baseline;
  for (let k = 0; k < sum.length; k++) sum[k]! += advantage * (Math.exp(logP[k]!) - Number(k === token));
}

const squaredNorm = (x: Float64Array) => x.reduce((total, value) => total + value * value, 0);

async function run(options: ExperimentOptions): Promise<ExperimentResult> {
  options.onProgress('rollouts of the trained student, and what the teacher thinks of them');
  const positions = (await positionsOf(options)).map(position => ({ ...position, ...exactGradient(position) }));
  const sizes = [1, 4, 16, 64, 256].filter(size => size === 1 || size <= 256 * options.effort);
  const trials = scaled(8, options.effort, 2);
  const random = new Random(options.seed, 42);
  const V = positions[0]!.logP.length;
  const exact = positions.reduce((total, { gradient }) => total + squaredNorm(gradient), 0);
  options.onProgress(`${positions.length} positions, up to ${sizes.at(-1)!} samples at each`);
  // Error of the whole batch's gradient (all positions side by side), relative to its length.
  const relative = (size: number, withBaseline: boolean) => {
    let squared = 0;
    for (let trial = 0; trial < trials; trial++)
      for (const position of positions) {
        const mean = new Float64Array(V);
        for (let s = 0; s < size; s++)
          addEstimate(mean, position, drawToken(position.logP, random.uniform()), withBaseline ? position.kl : 0);
        squared += squaredNorm(mean.map((value, k) => value / size - position.gradient[k]!));
      }
    return Math.sqrt(squared / trials / exact);
  };
  const rows = sizes.map(samples => {
    return { samples, sampled: relative(samples, false), sampledBaseline: relative(samples, true) };
  });
  const meanKl = positions.reduce((total, { kl }) => total + kl, 0) / positions.length;
  const one = rows[0]!;
  return {
    lines: [
      `${positions.length} tokens that the student wrote; reverse KL to the teacher ${meanKl.toFixed(3)} nats each on average.`,
      'Error of the gradient with respect to the logits, in lengths of the exact gradient:',
      ...textTable([
        ['samples per position', 'sampled', 'with baseline', 'full'],
        ...rows.map(row => [String(row.samples), row.sampled.toFixed(2), row.sampledBaseline.toFixed(2), '0']),
      ]),
      `One sample per position is off by ${one.sampled.toFixed(1)} times what it estimates, with the baseline by ${one.sampledBaseline.toFixed(1)}; the full estimator costs one pass over ${V} numbers.`,
    ],
    data: { positions: positions.length, meanReverseKl: meanKl, trials, rows },
    svg: lineChart({
      title: 'Noise of the sampled estimator',
      x: 'samples per position',
      y: 'error / length of the gradient',
      xScale: 'log',
      yScale: 'log',
      lines: [
        { label: 'sampled (k1)', points: rows.map(row => [row.samples, row.sampled]) },
        { label: 'with baseline', points: rows.map(row => [row.samples, row.sampledBaseline]) },
        { label: '1 / sqrt(n)', points: sizes.map(n => [n, one.sampled / Math.sqrt(n)]), dashed: true },
      ],
    }),
  };
}

export const noise: Experiment = {
  name: 'noise',
  question: 'How far off is the gradient that one sampled token gives?',
  lesson: 'mgsd/lessons/stage2.md',
  run,
};
