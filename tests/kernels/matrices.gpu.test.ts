/**
 * Kernels for matrix units on an adapter that has one: a GPU, or the driver of .ci/unpack-matrix-driver. The tiles of
 * products are small, which a processor compiles in seconds.
 */
import { afterAll, expect, it } from 'vitest';
import { Device } from '../../core/index.js';
import { openWebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import { attentionCases, checkCase, conformanceCase, matmulCases } from '../../kernels/cases.js';
import type { WgslTarget } from '../../kernels/index.js';
import { attentionNans, expectInfiniteSlopes } from '../core/corners.js';
import { cpu } from '../core/devices.js';
import { describeWithMatrices } from '../core/backends/webgpu.js';
import { declareWays } from './ways.js';

const staged = { kind: 'staged', m: 32, n: 32, depth: 16, warpM: 16, warpN: 16 } as const;
const direct = { ...staged, kind: 'direct' } as const;

/** Every layout, edges, slices, an epilogue and attention, but not each with each: bounds checks double the code. */
const checked =
  /^matmul_(nn_bias_residual f16 staged|nt f32 direct|tn f32 staged).*\)( ragged split)?$|^attention.* matrix (8|16) /;

/** Faults to plant into a product's WGSL: what they replace, and by what. */
const faults = [
  ['offset', /(let b0 = .*&stage, )/g, '$11u + '],
  ['stride', /(let a0 = .*), \d+u\);/g, '$1, 1u);'],
  ['epilogue', 'bitcast<vec4f>(stage[e])', 'bitcast<vec4f>(stage[e ^ 1u])'],
] as const;

for (const mode of ['production', 'debug'] as const)
  describeWithMatrices(`matrix units, ${mode}`, ({ machine }) => {
    const backend = openWebGpuBackend({ mode, profile: 'sgmat' });
    afterAll(async () => {
      await (await backend).close();
    });
    const target = { profile: 'sgmat', machine } as const;
    const cases = [...matmulCases(target, [staged, direct]), ...attentionCases(target)].filter(
      ({ kernel, dtypes, selects }) =>
        /^(staged|direct|matrix)/.test(selects) &&
        (mode === 'production' || checked.test(`${kernel.name} ${'c' in dtypes ? dtypes.c : ''} ${selects}`)),
    );
    declareWays(cases, backend);
    it('keep slopes beyond the range of f16 infinite', async () => {
      const device = new Device(await backend);
      await device.scope(() => expectInfiniteSlopes(device));
      expect((await backend).selections().map(({ variant }) => variant)).toContainEqual(
        expect.stringMatching(/^matrix 16 /),
      );
    });
    it.each([NaN, Infinity])(
      'let %d reach rows of its own tile beside what depends on it, and no others',
      async odd => {
        const device = new Device(await backend);
        for (const part of [0, 1, 2] as const) {
          const where = { width: 16, row: 16, part, odd };
          const got = await device.scope(() => attentionNans(device, { ...where, dtype: 'f16' }));
          const want = await attentionNans(cpu, where);
          for (const [name, columns] of [
            ['y', 16],
            ['grad', 48],
          ] as const) {
            expect(got[name], `${name}, ${'qkv'[part]}`).toEqual(expect.arrayContaining(want[name]));
            const more = got[name].filter(i => !want[name].includes(i)).map(i => Math.floor(i / columns));
            expect(
              more.every(row => row >= 6 && row < 38),
              `${name}, ${'qkv'[part]}: rows ${[...new Set(more)].join()}`,
            ).toBe(true);
          }
        }
      },
    );
    if (mode === 'debug')
      it.each(faults)(
        'would find a wrong %s',
        async (_, right, wrong) => {
          const { kernel, example, dtypes, selects } = cases.find(
            test => test.kernel.name === 'matmul_nn_bias_residual',
          )!;
          const plant = (text: string) => {
            const planted = text.replace(right, wrong);
            expect(planted).not.toBe(text);
            return planted;
          };
          const faulty = {
            ...kernel,
            wgsl: (given: WgslTarget) =>
              kernel.wgsl(given).map(pass => (pass.variant === selects ? { ...pass, body: plant(pass.body) } : pass)),
          };
          const problem = await checkCase(await backend, faulty, conformanceCase(kernel, example, dtypes, 1, 7));
          expect(problem).toContain('the reference says');
        },
        240_000,
      );
  });
