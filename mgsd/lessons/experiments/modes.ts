/** Reverse against forward KL: the teacher has two modes, the student only one. */
import { exp, forwardKl, mul, openDevice, reshape, reverseKl, softmax, square, sub, sum } from '../../../core/index.js';
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

const scalar = (device: Device, value: number) => device.tensor([value], [1], { dtype: 'f64' });

/** A student is a normal: logits of the places, -(x - mean)^2 / (2 deviation^2). (1, bins) */
function studentLogits(device: Device, mean: Tensor, logDeviation: Tensor): Tensor {
  const x = device.tensor(places, [bins], { dtype: 'f64' }); // (bins)
  const distance = square(sub(x, mean)); // (bins)
  const scale = mul(exp(mul(logDeviation, scalar(device, -2))), scalar(device, -0.5)); // (1)
  return reshape(mul(distance, scale), [1, bins]); // (1, bins)
}

const directions = { 'reverse KL': 'reverseKl', 'forward KL': 'forwardKl' } as const;

type Direction = keyof typeof directions;

interface Fitted {
  readonly name: Direction;
  readonly mean: number;
  readonly deviation: number;
  readonly probabilities: readonly number[];
  readonly reverseKl: number;
  readonly forwardKl: number;
}

/** Where a student begins: left, in the middle, right; half as wide as the gap between the modes. */
const starts = [-1.5, 0, 1.5] as const;
const startDeviation = 0.7;

/** The best of the students that begin at `starts`, by the divergence that they are fitted by. */
async function bestFit(device: Device, name: Direction, steps: number): Promise<Fitted> {
  const fitted = [];
  for (const start of starts) fitted.push(await fit(device, name, start, steps));
  const value = (student: Fitted) => student[directions[name]];
  return fitted.reduce((a, b) => (value(b) < value(a) ? b : a));
}

/** Gradient descent on one divergence. */
async function fit(device: Device, name: Direction, start: number, steps: number): Promise<Fitted> {
  const teacherLogits = device.tensor(teacher.map(Math.log), [1, bins], { dtype: 'f64' });
  const [weight, floor] = [scalar(device, 1), scalar(device, -1000)];
  let [mean, logDeviation] = [start, Math.log(startDeviation)];
  const measure = () =>
    device.scope(async () => {
      const [m, s] = [scalar(device, mean).trainable(), scalar(device, logDeviation).trainable()];
      const logits = studentLogits(device, m, s); // (1, bins)
      const kls = {
        reverseKl: sum(reverseKl(logits, teacherLogits, weight, floor)),
        forwardKl: sum(forwardKl(logits, teacherLogits, weight, floor)),
      };
      kls[directions[name]].backward();
      return {
        gradient: [await m.grad!.item(), await s.grad!.item()] as const,
        probabilities: Array.from(await softmax(logits).read()),
        reverseKl: await kls.reverseKl.item(),
        forwardKl: await kls.forwardKl.item(),
      };
    });
  const rate = 0.05;
  for (let step = 0; step < steps; step++) {
    const { gradient } = await measure();
    mean -= rate * gradient[0];
    logDeviation -= rate * gradient[1];
  }
  const { gradient: _, ...measured } = await measure();
  return { name, mean, deviation: Math.exp(logDeviation), ...measured };
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
  /** Share of the mass between the modes. */
  const between = (p: readonly number[]) =>
    `${(100 * p.reduce((total, value, k) => total + (Math.abs(places[k]!) < 0.6 ? value : 0), 0)).toFixed(0)} %`;
  const table = textTable([
    ['student fitted by', 'mean', 'deviation', 'reverse KL', 'forward KL', 'mass between the modes'],
    ...fitted.map(({ name, mean, deviation, probabilities, ...kl }) => {
      const numbers = [mean, deviation, kl.reverseKl, kl.forwardKl].map(value => value.toFixed(2));
      return [name, ...numbers, between(probabilities)];
    }),
  ]);
  return {
    lines: [
      `teacher     |${bars(teacher)}|`,
      ...fitted.map(({ name, probabilities }) => `${name.padEnd(11)} |${bars(probabilities)}|`),
      '',
      ...table,
      `The teacher itself has ${between(teacher)} of its mass between its modes.`,
    ],
    data: { places, teacher, starts, steps, fitted },
    svg: lineChart({
      title: 'One mode to give: what each divergence makes of it',
      x: 'place',
      y: 'probability',
      lines: [{ name: 'teacher', probabilities: teacher }, ...fitted].map(({ name, probabilities }) => ({
        label: name,
        points: probabilities.map((p, k) => [places[k]!, p] as const),
        dashed: name === 'teacher',
      })),
    }),
  };
}

export const modes: Experiment = {
  name: 'modes',
  question: 'Reverse or forward KL: what does a student do that cannot match all of its teacher?',
  lesson: 'kernels/loss/lesson.md',
  run,
};
