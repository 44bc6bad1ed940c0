/** Every exercise is unsolved where it lies, says so kindly, and can be solved. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { exercises } from './checks.js';
import type { Exercise } from './checks.js';

const root = path.join(import.meta.dirname, '../..');
const load = async (file: string) => (await import(path.join(root, file))) as unknown;

describe.each(Object.entries<Exercise>(exercises))('exercise %s', (name, { file, lesson, check }) => {
  it('has a gap, and a hint', async () => {
    const unsolved = await load(file);
    expect(() => check(unsolved)).toThrow(/^Your turn: .{20,}/);
  });

  it('can be solved', async () => {
    const solution = await load(`tests/lessons/solutions/${name}.ts`);
    expect(() => check(solution)).not.toThrow();
  });

  it('is named in its lesson', () => {
    const text = fs.readFileSync(path.join(root, lesson), 'utf8');
    expect(text).toContain(`npm run exercise -- ${name}`);
    expect(text).toContain(path.basename(file));
  });
});

it('checks tell wrong answers from right ones', () => {
  const wrong: Record<keyof typeof exercises, unknown> = {
    tape: { backward: (tape: unknown[]) => tape.map((_, i) => (i === tape.length - 1 ? 1 : 0)) },
    gradcheck: {
      numericGradient: (f: (x: Float64Array) => number, x: Float64Array, h: number) =>
        x.map((value, i) => (f(x.map((other, j) => (j === i ? value + h : other))) - f(x)) / h),
    },
    matmul: {
      tileRows: 4,
      tiledMatmul: (
        { m, n, k }: Record<'m' | 'n' | 'k', number>,
        a: (i: number, l: number) => number,
        b: (l: number, j: number) => number,
      ) =>
        Float64Array.from({ length: m * n }, (_, at) => {
          let sum = 0;
          for (let l = 0; l < k; l++) sum += a(Math.floor(at / n), l) * b(l, at % n);
          return sum;
        }),
    },
    attention: {
      attentionGradients: (q: unknown, k: unknown, _v: unknown, dout: unknown) => ({ dq: q, dk: k, dv: dout }),
    },
    loss: { entropyGradient: (z: number[]) => z.map(() => 0) },
    muon: { orthogonalize: (u: number[][]) => u },
    optimizer: { adamwStep: (state: { step: number }) => ({ ...state, step: state.step + 1 }) },
    cache: { sampleToken: (logits: number[]) => logits.indexOf(Math.max(...logits)) },
    vision: { toPatches: (image: Uint8Array) => Float32Array.from(image, byte => byte / 127.5 - 1) },
    stage0: { softTargets: ({ next }: { next: number[][] }) => next.map(row => row.map(() => 1 / row.length)) },
    stage1: { recapText: (rows: string[]) => `size:${rows.length} (0,0) (1,1)` },
    stage2: { sampledGradient: (z: number[]) => z.map(() => 0) },
    'on-policy': { expectedMistakes: (length: number, error: number) => length * error },
  };
  for (const [name, module] of Object.entries(wrong))
    expect(() => exercises[name as keyof typeof exercises].check(module), name).toThrow(/should be|not|loaded/);
});
