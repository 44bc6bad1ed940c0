/**
 * What can be checked without any adapter: every module compiles on Dawn's null backend, and errors say what is
 * wrong.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebGpuBackend } from '../../../core/backends/webgpu/webgpu.js';
import { openDevice } from '../../../core/backends/webgpu/device.js';
import type { OpenedDevice } from '../../../core/backends/webgpu/device.js';
import { loadDawn } from '../../../core/platform/dawn.js';
import { kernels, leastMachine, unaryKernels, wgslProfiles } from '../../../kernels/index.js';
import type { DType, Kernel, WgslTarget } from '../../../kernels/index.js';
import { grid, wgslModule } from '../../../kernels/wgsl.js';
import { takeUncapturedErrors } from '../../config/uncaptured.js';

let opened: OpenedDevice;
beforeAll(async () => {
  opened = await openDevice({ backend: 'null' });
});
afterAll(() => opened.device.destroy());

it('one Dawn serves all devices that are opened with the same flags', async () => {
  const instances = (globalThis as unknown as Record<symbol, Map<string, GPU>>)[
    Symbol.for('mgsd-lite.webgpu.instances')
  ]!;
  const before = [...instances.values()];
  const again = await openDevice({ backend: 'null' });
  again.device.destroy();
  expect([...instances.values()]).toEqual(before);
  const other = await openDevice({ backend: 'null', mode: 'debug' });
  other.device.destroy();
  expect(instances.size).toBe(before.length + 1);
});

/**
 * The dtypes of all buffers where floats are `float`; `mixed` alternates f16 and f32, as conversions between them do.
 */
function dtypesOf(kernel: Kernel, float: 'f32' | 'f16' | 'mixed'): Record<string, DType> {
  const dtypes: Record<string, DType> = {};
  let half = true;
  for (const [name, { kind }] of Object.entries(kernel.buffers)) {
    dtypes[name] =
      kind === 'index' ? 'i32' : kind === 'wide' ? 'f32' : float === 'mixed' ? (half ? 'f16' : 'f32') : float;
    if (kind === 'float') half = !half;
  }
  return dtypes;
}

describe('compiling ahead', () => {
  const example = (kernel: Kernel) => {
    const operands = Object.keys(kernel.buffers).map(() => ({ dtype: 'f32' as const }));
    return { kernel, operands, params: Object.keys(kernel.params).map(() => 64) };
  };

  it('leaves nothing to compile for the launch', async () => {
    const own = await openDevice({ backend: 'null' });
    const compile = vi.spyOn(own.device, 'createComputePipeline');
    const backend = new WebGpuBackend(own);
    const kernel: Kernel = unaryKernels.tanh;
    await backend.compile([example(kernel), example(kernel)]);
    const operands = example(kernel).operands.map(({ dtype }) => ({
      ...{ allocation: backend.allocate(256), dtype, byteOffset: 0, length: 64 },
    }));
    backend.launch(kernel, operands, [64]);
    await backend.finish();
    expect(compile).not.toHaveBeenCalled();
    await backend.close();
  });

  it('says which shader is not valid, and so does its launch', async () => {
    const backend = new WebGpuBackend(await openDevice({ backend: 'null' }));
    const { tanh } = unaryKernels;
    const broken: Kernel = { ...tanh, wgsl: target => tanh.wgsl(target).map(pass => ({ ...pass, body: 'oops' })) };
    const said = /WGSL of kernel unary_tanh .*does not compile: [^]*oops/;
    await expect(backend.compile([example(broken)])).rejects.toThrow(said);
    const operands = example(broken).operands.map(({ dtype }) => ({
      ...{ allocation: backend.allocate(256), dtype, byteOffset: 0, length: 64 },
    }));
    expect(() => {
      backend.launch(broken, operands, [64]);
    }).toThrow(said);
    takeUncapturedErrors();
    await backend.close();
  });
});

/** The profiles, and subgroups of a GPU's size. */
const ways: readonly Omit<WgslTarget, 'dtypes'>[] = [
  ...wgslProfiles.map(profile => ({ profile })),
  { profile: 'alu', machine: { ...leastMachine, subgroupSize: { min: 32, max: 32 } } },
];

describe('modules on the null backend', () => {
  for (const kernel of kernels)
    it(kernel.name, async () => {
      const { device } = opened;
      for (const way of ways)
        for (const float of ['f32', 'f16', 'mixed'] as const) {
          const target = { dtypes: dtypesOf(kernel, float), ...way };
          for (const pass of kernel.wgsl(target)) {
            const code = wgslModule(kernel, pass, target);
            device.pushErrorScope('validation');
            const module = device.createShaderModule({ code });
            device.createComputePipeline({ layout: 'auto', compute: { module } });
            const [{ messages }, error] = await Promise.all([module.getCompilationInfo(), device.popErrorScope()]);
            expect(messages.map(({ lineNum, message }) => `${lineNum}: ${message}\n${code}`)).toEqual([]);
            expect(error?.message).toBeUndefined();
          }
        }
    });
});

/** `unary_copy` with another body. */
function brokenKernel(expression: string): Kernel {
  const [pass] = unaryKernels.copy.wgsl({ dtypes: { x: 'f32', y: 'f32' }, profile: 'alu' });
  return {
    ...(unaryKernels.copy as unknown as Kernel),
    name: 'broken',
    wgsl: () => [{ ...pass!, body: pass!.body.replace('select(x,', `select(${expression},`) }],
  };
}

describe('errors', () => {
  const operandsOf = (backend: WebGpuBackend, dtype: DType) =>
    [0, 1].map(() => ({ allocation: backend.allocate(64), dtype, byteOffset: 0, length: 4 }));

  it('name the kernel, the message and the lines around it, at the first wait and at every launch after', async () => {
    const backend = new WebGpuBackend(opened);
    const kernel = brokenKernel('no_such_function(x)');
    backend.launch(kernel, operandsOf(backend, 'f32'), [4]);
    const failure = await backend.finish().then(
      () => 'no error',
      (error: unknown) => (error as Error).message,
    );
    expect(failure).toContain('kernel broken');
    expect(failure).toContain("unresolved call target 'no_such_function'");
    expect(failure).toMatch(/^> +\d+ \| fn f\(x: f32\) -> f32 \{ return select\(no_such_function\(x\), .*\); \}$/m);
    expect(failure).toMatch(/^ {2} +\d+ \| /m);
    expect(() => backend.launch(kernel, operandsOf(backend, 'f32'), [4])).toThrow('kernel broken');
    takeUncapturedErrors();
    await backend.finish(); // reported once
  });

  it('refuse freed buffers and misplaced views', () => {
    const backend = new WebGpuBackend(opened);
    const copy = unaryKernels.copy as unknown as Kernel;
    expect(() => backend.launch(copy, operandsOf(backend, 'f32').slice(1), [4])).toThrow(
      'takes 2 buffers (x, y), got 1',
    );
    const [x, y] = operandsOf(backend, 'f32');
    expect(() => backend.launch(copy, [{ ...x!, byteOffset: 16 }, y!], [4])).toThrow('multiple of 256');
    backend.free(x!.allocation);
    expect(() => backend.launch(copy, [x!, y!], [4])).toThrow('freed');
    expect(() => backend.allocate(2 ** 40)).toThrow('smaller batch');
  });

  it('are kept for the wait, and not printed one by one', async () => {
    const own = await openDevice({ backend: 'null' });
    const backend = new WebGpuBackend(own);
    const prevented: boolean[] = [];
    own.device.addEventListener('uncapturederror', event => prevented.push(event.defaultPrevented));
    const copy = unaryKernels.copy as unknown as Kernel;
    const bytes = 2 ** 26; // more of them than the null backend has memory for
    const large = () => ({
      allocation: backend.allocate(bytes),
      dtype: 'f32' as const,
      byteOffset: 0,
      length: bytes / 4,
    });
    const x = large();
    for (let i = 0; i < 12; i++) backend.launch(copy, [x, large()], [bytes / 4]);
    await expect(backend.finish()).rejects.toThrow('No device memory');
    expect(prevented.length).toBeGreaterThan(0);
    expect(prevented).not.toContain(false);
    takeUncapturedErrors();
    await backend.close();
  });

  it('say what to do when the package does not load', async () => {
    await expect(loadDawn(() => Promise.reject(new Error('no binary')))).rejects.toThrow(/no binary[^]*wasm/);
  });

  it('say what to do when there is no such adapter', async () => {
    await expect(openDevice({ adapter: 'no adapter has this name' })).rejects.toThrow(
      /no adapter has this name[^]*vulkaninfo/,
    );
  });
});

it('grids fold where a dimension would be too long, and cover every workgroup', () => {
  for (const count of [1, 7, 32768, 32769, 65536, 5_000_000]) {
    const [x, y, z] = grid(count);
    expect(Math.max(x, y, z)).toBeLessThan(65536);
    expect(x * y * z).toBeGreaterThanOrEqual(count);
  }
  expect(grid(0)).toEqual([0, 0, 0]);
});
