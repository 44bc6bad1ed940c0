/** Muon against its formulas written out in plain loops, on any device. */
import { describe, expect, it } from 'vitest';
import { AdamW, Muon, Parameters, Random, sizeOf } from '../../core/index.js';
import type { Device, MuonOptions, ParameterSpec } from '../../core/index.js';
import { orthogonalize } from '../../core/muon.js';
import { useDevice } from './devices.js';

type Matrix = number[][];

const product = (a: Matrix, b: Matrix): Matrix =>
  a.map(row => b[0]!.map((_, j) => row.reduce((sum, value, l) => sum + value * b[l]![j]!, 0)));
const transpose = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map(row => row[j]!));
const map = (a: Matrix, f: (value: number, i: number, j: number) => number): Matrix =>
  a.map((row, i) => row.map((value, j) => f(value, i, j)));
const norm = (a: Matrix) => Math.hypot(...a.flat());
const randomMatrix = (random: Random, rows: number, cols: number): Matrix =>
  Array.from({ length: rows }, () => Array.from({ length: cols }, () => random.normal()));

/** x <- 3.4445 x - 4.775 x x^T x + 2.0315 (x x^T)^2 x, five times from x / |x|. */
function plainOrthogonalize(a: Matrix): Matrix {
  let x = map(a, value => value / norm(a));
  for (let i = 0; i < 5; i++) {
    const gram = product(x, transpose(x));
    const [once, twice] = [product(gram, x), product(product(gram, gram), x)];
    x = map(x, (value, r, c) => 3.4445 * value - 4.775 * once[r]![c]! + 2.0315 * twice[r]![c]!);
  }
  return x;
}

/** Singular values, by Jacobi rotations of pairs of columns until they are orthogonal (Hestenes 1958). */
function singularValues(a: Matrix): number[] {
  const columns = a.length >= a[0]!.length ? transpose(a) : a.map(row => [...row]);
  for (let sweep = 0; sweep < 12; sweep++)
    for (let p = 0; p < columns.length; p++)
      for (let q = p + 1; q < columns.length; q++) {
        const [x, y] = [columns[p]!, columns[q]!];
        const dot = (u: number[], v: number[]) => u.reduce((sum, value, i) => sum + value * v[i]!, 0);
        const angle = 0.5 * Math.atan2(2 * dot(x, y), dot(x, x) - dot(y, y));
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        columns[p] = x.map((value, i) => c * value + s * y[i]!);
        columns[q] = x.map((value, i) => c * y[i]! - s * value);
      }
  return columns.map(column => Math.hypot(...column));
}

const specs: readonly ParameterSpec[] = [
  { name: 'first', shape: [5, 7], group: 'matrix', init: { normal: 1 } }, // AdamW's, in front, between and behind
  { name: 'qkv', shape: [6, 12], group: 'matrix', init: { normal: 1 }, muonParts: 3 },
  { name: 'wide', shape: [4, 6], group: 'matrix', init: { normal: 1 }, muonParts: 1 },
  { name: 'middle', shape: [70], group: 'matrix', init: { normal: 1 } },
  { name: 'tall', shape: [6, 4], group: 'matrix', init: { normal: 1 }, muonParts: 1 },
  { name: 'bias', shape: [7], group: 'plain', init: { normal: 1 } },
  { name: 'ice', shape: [6, 4], group: 'frozen', init: { normal: 1 }, muonParts: 1 },
];
const isMatrix = (name: string) => ['qkv', 'wide', 'tall', 'ice'].includes(name);
const options = { momentum: 0.9, matrixRate: 2, weightDecay: 0.1, maxNorm: 2, noDecay: ['plain'] };

/** Gradients of a step; that of step 2 is not finite, later ones are far longer than maxNorm. */
function gradientsAt(step: number): Map<string, Float32Array> {
  const random = new Random(9, 1, step);
  const size = step > 2 ? 30 : 0.1;
  const gradients = new Map(
    specs.map(({ name, shape }) => [name, Float32Array.from({ length: sizeOf(shape) }, () => size * random.normal())]),
  );
  if (step === 2) gradients.get('tall')![3] = NaN;
  return gradients;
}

function setUp(device: Device, changes: MuonOptions = {}, Optimizer: typeof Muon | typeof AdamW = Muon) {
  const parameters = new Parameters(device, specs);
  parameters.initialize(new Random(4));
  const optimizer = new Optimizer(parameters, { ...options, ...changes });
  const update = (gradients: ReadonlyMap<string, ArrayLike<number>>, rates: Readonly<Record<string, number>>) =>
    device.scope(() => {
      for (const [name, values] of gradients)
        parameters.get(name).grad = device.tensor(values, parameters.get(name).shape);
      optimizer.step(rates);
    });
  const dispose = () => [optimizer, parameters].forEach(done => done.dispose());
  return { parameters, optimizer, update, dispose };
}

const rates = { matrix: 0.05, plain: 0.1 };

/** What Muon does to the matrices, in plain loops. */
class PlainMuon {
  readonly momentum = new Map<string, number[]>();

  step(values: Map<string, Float32Array>, gradients: Map<string, Float32Array>, rate: number): void {
    const active = specs.filter(({ group }) => group !== 'frozen');
    const length = Math.hypot(...active.flatMap(({ name }) => [...gradients.get(name)!]));
    if (!Number.isFinite(length)) return;
    const clip = Math.min(1, options.maxNorm / length);
    for (const { name, shape, muonParts } of active) {
      if (muonParts === undefined) continue;
      const [rows, width] = shape as [number, number];
      const cols = width / muonParts;
      const m = this.momentum.get(name) ?? new Array<number>(rows * width).fill(0);
      const g = Array.from(gradients.get(name)!, value => value * clip);
      const next = m.map((value, i) => options.momentum * value + (1 - options.momentum) * g[i]!);
      this.momentum.set(name, next);
      const u = next.map((value, i) => options.momentum * value + (1 - options.momentum) * g[i]!);
      for (let part = 0; part < muonParts; part++) {
        const at = (i: number, j: number) => i * width + part * cols + j;
        const own = Array.from({ length: rows }, (_, i) => Array.from({ length: cols }, (_, j) => u[at(i, j)]!));
        const weights = values.get(name)!;
        plainOrthogonalize(own).forEach((row, i) =>
          row.forEach((x, j) => {
            const move = 0.2 * Math.sqrt(Math.max(rows, cols)) * x + options.weightDecay * weights[at(i, j)]!;
            weights[at(i, j)]! -= options.matrixRate * rate * move;
          }),
        );
      }
    }
  }
}

/** Declares the tests; `open` may return why there is no device: they are then skipped. */
export function describeMuon(title: string, open: () => Promise<Device | string>): void {
  describe(title, () => {
    const deviceOf = useDevice(open);

    it('follows the written-out algorithm: q, k, v apart, decay, clipping, a step that is skipped', async () => {
      const { parameters, optimizer, update, dispose } = setUp(deviceOf());
      const plain = new PlainMuon();
      const want = await parameters.save();
      for (let step = 0; step < 5; step++) {
        update(gradientsAt(step), { matrix: 0.05 / (step + 1), plain: 0.1 });
        plain.step(want, gradientsAt(step), 0.05 / (step + 1));
        const got = await parameters.save();
        const { m } = await optimizer.save();
        for (const { name } of specs.filter(spec => isMatrix(spec.name))) {
          const offset = parameters.ranges.get(name)!.offset;
          want.get(name)!.forEach((value, i) => {
            expect(got.get(name)![i], `${name}[${i}] after step ${step}`).toBeCloseTo(value, 3);
            expect(m[offset + i], `m of ${name}[${i}]`).toBeCloseTo(plain.momentum.get(name)?.[i] ?? 0, 5);
          });
        }
      }
      dispose();
    });

    it('leaves the other parameters to AdamW, bit by bit', async () => {
      const [muon, adamw] = [setUp(deviceOf()), setUp(deviceOf(), {}, AdamW)];
      for (let step = 0; step < 4; step++) for (const run of [muon, adamw]) run.update(gradientsAt(step), rates);
      const [got, want] = [await muon.parameters.save(), await adamw.parameters.save()];
      for (const { name } of specs) {
        if (name === 'ice' || !isMatrix(name)) expect(got.get(name), name).toEqual(want.get(name));
        else expect(got.get(name), name).not.toEqual(want.get(name));
      }
      expect((await muon.optimizer.save()).state).toEqual((await adamw.optimizer.save()).state);
      for (const run of [muon, adamw]) run.dispose();
    });

    it.each([
      [16, 16],
      [12, 40],
      [40, 12],
      [1, 9],
      [9, 1],
    ])('makes %d x %d matrices orthogonal: singular values from 0.65 to 1.25', async (rows, cols) => {
      const device = deviceOf();
      const random = new Random(3, rows, cols);
      const matrices = [0, 1, 2].map(() => randomMatrix(random, rows, cols));
      const values = matrices.flatMap(matrix => map(matrix, value => value / norm(matrix)).flat());
      const result = await device.scope(() => orthogonalize(device.tensor(values, [3, rows, cols])).read());
      matrices.forEach((_, z) => {
        const part = Array.from({ length: rows }, (_, i) => [
          ...result.subarray((z * rows + i) * cols, (z * rows + i + 1) * cols),
        ]);
        for (const value of singularValues(part)) {
          expect(value).toBeGreaterThan(0.65);
          expect(value).toBeLessThan(1.25);
        }
      });
    });

    it('moves nothing where gradients are zero, and stays finite where they are tiny', async () => {
      const { parameters, update, dispose } = setUp(deviceOf(), { weightDecay: 0 });
      const before = await parameters.save();
      update(new Map(), rates);
      expect(await parameters.save()).toEqual(before);
      for (const size of [1e-30, 1e-22, 1e-15]) {
        const tiny = [...gradientsAt(0)].map(([name, g]) => [name, g.map(value => size * value)] as const);
        update(new Map(tiny), rates);
        expect((await parameters.flat.read()).every(Number.isFinite)).toBe(true);
      }
      dispose();
    });

    it('launches nothing for frozen matrices', () => {
      const device = deviceOf();
      const { update, dispose } = setUp(device);
      const counts = [{ plain: 0.1 }, { ...rates, frozen: 0.1 }, rates].map(given => {
        let [momentum, products] = [0, 0];
        device.observer = ({ name }) => {
          if (name === 'muon_momentum') momentum++;
          if (name.startsWith('matmul')) products++;
        };
        update(gradientsAt(0), given);
        device.observer = undefined;
        return [momentum, products];
      });
      // stacks of matrix: q, k, v and tall; wide. Of frozen: ice. Five steps of three products each
      const stack = (count: number) => [count, 15 * count];
      expect(counts).toEqual([stack(0), stack(3), stack(2)]);
      dispose();
    });
  });
}
