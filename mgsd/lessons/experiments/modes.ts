/** Reverse against forward KL, on a teacher with two modes and a student that has only one to give. */
import {
  exp,
  forwardKl,
  mul,
  neg,
  openDevice,
  reshape,
  reverseKl,
  softmax,
  square,
  sub,
  sum,
} from '../../../core/index.js';
import type { Device, Tensor } from '../../../core/index.js';
import { lineChart } from '../../pictures/chart.js';
import { scaled, textTable } from './experiment.js';
import type { Experiment, ExperimentOptions, ExperimentResult } from './experiment.js';

/** Places on the line that both distributions live on. */
const bins = 61;
const places = Array.from({ length: bins }, (_, k) => (k - 30) / 10);

/** The teacher: a mixture of two normals, the left one with a little more mass. */
const teacherModes = [
  { weight: 0.6, mean: -1.4, deviation: 0.35 },
  { weight: 0.4, mean: 1.3, deviation: 0.35 },
] as const;

const density = places.map(x =>
  teacherModes
    .map(({ weight, mean, deviation }) => (weight / deviation) * Math.exp(-0.5 * ((x - mean) / deviation) ** 2))
    .reduce((a, b) => a + b),
);
const mass = density.reduce((a, b) => a + b);
const teacher = density.map(value => value / mass);

/** A student is a normal: logits of the places from its mean and the logarithm of its deviation. (1, bins) */
function studentLogits(device: Device, mean: Tensor, logDeviation: Tensor): Tensor {
  const x = device.tensor(places, [bins], { dtype: 'f64' }); // (bins)
  const distance = square(sub(x, mean)); // (bins)
  const scale = mul(
    exp(mul(logDeviation, device.tensor([-2], [1], { dtype: 'f64' }))),
    device.tensor([0.5], [1], { dtype: 'f64' }),
  );
  return reshape(neg(mul(distance, scale)), [1, bins]); // (1, bins)
}

interface Fitted {
  readonly name: string;
  readonly mean: number;
  readonly deviation: number;
  readonly probabilities: readonly number[];
  readonly reverseKl: number;
  readonly forwardKl: number;
}

type Direction = 'reverse KL' | 'forward KL';

/** Where a student begins: left, in the middle, right; half as wide as the gap between the modes. */
const starts = [-1.5, 0, 1.5] as const;
const startDeviation = 0.7;

/** The best of the students that begin at `starts`, by the divergence that they are fitted by. */
async function bestFit(device: Device, name: Direction, steps: number): Promise<Fitted> {
  const fitted = [];
  for (const start of starts) fitted.push(await fit(device, name, start, steps));
  const value = (of: Fitted) => (name === 'reverse KL' ? of.reverseKl : of.forwardKl);
  return fitted.reduce((a, b) => (value(b) < value(a) ? b : a));
}

/** Gradient descent on one divergence. */
async function fit(device: Device, name: Direction, start: number, steps: number): Promise<Fitted> {
  const scalar = (value: number) => device.tensor([value], [1], { dtype: 'f64' });
  const teacherLogits = device.tensor(teacher.map(Math.log), [1, bins], { dtype: 'f64' });
  const [weight, floor] = [scalar(1), scalar(-1000)];
  let [mean, logDeviation] = [start, Math.log(startDeviation)];
  const measure = () =>
    device.scope(async () => {
      const [m, s] = [scalar(mean).trainable(), scalar(logDeviation).trainable()];
      const logits = studentLogits(device, m, s);
      const [reverse, forward] = [reverseKl, forwardKl].map(kl => sum(kl(logits, teacherLogits, weight, floor))) as [
        Tensor,
        Tensor,
      ];
      (name === 'reverse KL' ? reverse : forward).backward();
      const numbers = await Promise.all([reverse, forward, m.grad!, s.grad!].map(tensor => tensor.item()));
      return {
        numbers: numbers as [number, number, number, number],
        probabilities: Array.from(await softmax(logits).read()),
      };
    });
  const rate = 0.05;
  for (let step = 0; step < steps; step++) {
    const [, , dMean, dLogDeviation] = (await measure()).numbers;
    mean -= rate * dMean;
    logDeviation -= rate * dLogDeviation;
  }
  const { numbers, probabilities } = await measure();
  const [reverse, forward] = numbers;
  return { name, mean, deviation: Math.exp(logDeviation), probabilities, reverseKl: reverse, forwardKl: forward };
}

/** A distribution as a line of eight-step blocks. */
function bars(probabilities: readonly number[]): string {
  const most = Math.max(...probabilities);
  return probabilities.map(p => ' ▁▂▃▄▅▆▇█'[Math.round((8 * p) / most)]!).join('');
}

async function run({ effort, onProgress }: ExperimentOptions): Promise<ExperimentResult> {
  const device = await openDevice('cpu'); // two numbers are fitted, in f64
  const steps = scaled(300, effort);
  onProgress(`fitting mean and deviation: ${steps} steps of gradient descent from each of ${starts.length} places`);
  const fitted = [await bestFit(device, 'reverse KL', steps), await bestFit(device, 'forward KL', steps)];
  await device.close();
  const between = (p: readonly number[]) =>
    p.reduce((total, value, k) => total + (Math.abs(places[k]!) < 0.6 ? value : 0), 0);
  const table = textTable([
    ['student fitted by', 'mean', 'deviation', 'reverse KL', 'forward KL', 'mass between the modes'],
    ...fitted.map(({ name, mean, deviation, probabilities, ...kl }) => [
      name,
      mean.toFixed(2),
      deviation.toFixed(2),
      kl.reverseKl.toFixed(2),
      kl.forwardKl.toFixed(2),
      `${(100 * between(probabilities)).toFixed(0)} %`,
    ]),
  ]);
  return {
    lines: [
      `teacher     |${bars(teacher)}|`,
      ...fitted.map(({ name, probabilities }) => `${name.padEnd(11)} |${bars(probabilities)}|`),
      '',
      ...table,
      `The teacher itself has ${(100 * between(teacher)).toFixed(0)} % of its mass between its modes.`,
    ],
    data: { places, teacher, starts, steps, fitted },
    svg: lineChart({
      title: 'One mode to give: what each divergence makes of it',
      x: 'place',
      y: 'probability',
      lines: [
        { label: 'teacher', points: places.map((x, k) => [x, teacher[k]!]), dashed: true },
        ...fitted.map(({ name, probabilities }) => ({
          label: name,
          points: places.map((x, k) => [x, probabilities[k]!] as const),
        })),
      ],
    }),
  };
}

export const modes: Experiment = {
  name: 'modes',
  question: 'Reverse or forward KL: what does a student do that cannot be all of its teacher?',
  lesson: 'kernels/loss/lesson.md',
  run,
};
