/** The queue of the webgpu backend: order of launches and transfers, reuse of memory, errors that are never lost. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebGpuBackend } from '../../../core/backends/webgpu/webgpu.js';
import { openDevice } from '../../../core/backends/webgpu/device.js';
import type { OpenedDevice } from '../../../core/backends/webgpu/device.js';
import type { Allocation, Operand } from '../../../core/backend.js';
import {
  binaryKernels,
  encodeElements,
  randomUniformKernel,
  stridedReadKernel,
  unaryKernels,
} from '../../../kernels/index.js';
import type { DType, Kernel } from '../../../kernels/index.js';
import { takeUncapturedErrors } from '../../config/uncaptured.js';
import { describeWithAdapter } from './webgpu.js';

const stridedRead = stridedReadKernel as unknown as Kernel;
const copy = unaryKernels.copy as unknown as Kernel;
const add = binaryKernels.add as unknown as Kernel;

const view = (allocation: Allocation, length: number, byteOffset = 0, dtype: DType = 'f32'): Operand => ({
  allocation,
  dtype,
  byteOffset,
  length,
});

/** Whole numbers from -1 on, for `fill` to repeat. */
const numbers = Float32Array.from({ length: 202 }, (_, i) => i - 1);

describeWithAdapter('queue', () => {
  let opened: OpenedDevice;
  let backend: WebGpuBackend;
  beforeAll(async () => {
    opened = await openDevice();
    backend = new WebGpuBackend(opened);
  });
  afterAll(() => backend.close());

  /** Launches a kernel that writes `value` `count` times. */
  const fill = (on: WebGpuBackend, y: Allocation, count: number, value: number) => {
    const source = on.allocate(1024);
    on.write(source, 0, numbers);
    on.launch(stridedRead, [view(source, numbers.length), view(y, count)], [1, 1, 1, count, 0, 0, 0, 0, value + 1]);
    on.free(source);
  };
  const floats = async (allocation: Allocation, length: number, byteOffset = 0) =>
    Array.from(new Float32Array(await backend.read(allocation, byteOffset, 4 * length)));

  it('keeps the order of writes, launches and reads on one buffer', async () => {
    const [x, y] = [backend.allocate(64), backend.allocate(64)];
    backend.write(x, 0, Float32Array.of(1, 2, 3, 4));
    backend.launch(copy, [view(x, 4), view(y, 4)], [4]);
    backend.write(x, 0, Float32Array.of(5, 6, 7, 8)); // the launch above must not see it
    const first = floats(y, 4);
    backend.launch(copy, [view(x, 4), view(y, 4)], [4]);
    const second = floats(y, 4);
    fill(backend, y, 4, -1);
    const third = floats(y, 4);
    expect(await Promise.all([first, second, third])).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
      [-1, -1, -1, -1],
    ]);
  });

  it('takes host memory that is shared, and lets the source change at once', async () => {
    const x = backend.allocate(16);
    const shared = new Float32Array(new SharedArrayBuffer(16)).fill(3);
    backend.write(x, 0, shared);
    shared.fill(4);
    expect(await floats(x, 4)).toEqual([3, 3, 3, 3]);
  });

  it('writes an odd number of f16 without touching the neighbour', async () => {
    const x = backend.allocate(1024);
    backend.write(x, 0, new Uint16Array(encodeElements(new Array(512).fill(1), 'f16')));
    backend.write(x, 600, new Uint16Array(encodeElements([2, 3, 4], 'f16')));
    const words = new Uint16Array(await backend.read(x, 598, 10));
    expect(Array.from(words)).toEqual(Array.from(new Uint16Array(encodeElements([1, 2, 3, 4, 1], 'f16'))));
  });

  it('runs in place and between parts of one buffer, which WebGPU itself refuses', async () => {
    const x = backend.allocate(1024);
    backend.write(x, 0, Float32Array.of(1, 2, 3, 4));
    backend.write(x, 512, Float32Array.of(10, 20, 30, 40));
    backend.launch(add, [view(x, 4), view(x, 4, 512), view(x, 4)], [4]);
    backend.launch(add, [view(x, 4), view(x, 4), view(x, 4)], [4]);
    expect(await floats(x, 4)).toEqual([22, 44, 66, 88]);
    expect(await floats(x, 4, 512)).toEqual([10, 20, 30, 40]);
  });

  it('folds grids beyond 65535 workgroups', async () => {
    const n = 65536 * 64 * 2 + 5; // one element per lane
    const control = backend.allocate(32);
    backend.write(control, 0, Int32Array.of(1, 2, 3, 4, 5));
    const y = backend.allocate(4 * n);
    backend.launch(randomUniformKernel, [view(control, 5, 0, 'i32'), view(y, n)], [n]);
    const tail = await floats(y, 5, 4 * (n - 5));
    const reference = new Float32Array(n);
    randomUniformKernel.reference({ control: Int32Array.of(1, 2, 3, 4, 5), y: reference }, { n });
    expect(tail).toEqual(Array.from(reference.slice(-5)));
    backend.free(y);
    backend.free(control);
  });

  it('frees memory while launches that use it are queued', async () => {
    const result = backend.allocate(64);
    const round = (value: number) => {
      const x = backend.allocate(4096);
      fill(backend, x, 1000, value);
      const y = backend.allocate(4096);
      backend.launch(add, [view(x, 1000), view(x, 1000), view(y, 1000)], [1000]);
      backend.free(x);
      backend.launch(copy, [view(y, 4), view(result, 4)], [4]);
      backend.free(y);
    };
    const before = backend.statistics.liveBytes;
    for (let i = 0; i < 100; i++) round(i);
    expect(await floats(result, 4)).toEqual([198, 198, 198, 198]);
    expect(backend.statistics.liveBytes).toBe(before);
  });

  it('keeps a bounded number of bind groups, and none of a buffer that is gone', async () => {
    const small = new WebGpuBackend(opened, 8);
    const buffers = Array.from({ length: 21 }, () => small.allocate(1024));
    const [source, ...targets] = buffers;
    for (const target of targets) small.launch(copy, [view(source!, 4), view(target, 4)], [4]);
    expect(small.statistics.bindGroupsCreated).toBe(20);
    expect(small.statistics.bindGroups).toBeLessThanOrEqual(8);
    small.free(targets.at(-1)!); // its launch is still in the open batch
    expect(small.statistics.bindGroups).toBeGreaterThan(0);
    for (const buffer of buffers) small.free(buffer);
    expect(small.statistics).toMatchObject({ bindGroups: 0, liveBytes: 0 });
    await small.finish();
  });

  it('survives thousands of launches with waits in between', async () => {
    const [x, one] = [backend.allocate(4096), backend.allocate(4096)];
    fill(backend, x, 1000, 0);
    fill(backend, one, 1000, 1);
    let y = backend.allocate(4096);
    let sum = x;
    for (let i = 1; i <= 3000; i++) {
      backend.launch(add, [view(sum, 1000), view(one, 1000), view(y, 1000)], [1000]);
      [sum, y] = [y, sum];
      if (i % 500 === 0) expect(await floats(sum, 1, 4 * (i % 1000))).toEqual([i]);
      else if (i % 130 === 0) await backend.finish();
    }
    expect(await floats(sum, 2)).toEqual([3000, 3000]);
  });

  it('reports what goes wrong on the device at the next wait, once', async () => {
    // usages that are not allowed together
    opened.device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
    await expect(backend.finish()).rejects.toThrow(/usage/i);
    expect(takeUncapturedErrors()).toHaveLength(1);
    await backend.finish();
  });

  it('cannot be used after it was closed, and reports what is left at the end', async () => {
    const device = await openDevice();
    const closed = new WebGpuBackend(device);
    device.device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
    await expect(closed.close()).rejects.toThrow(/usage/i);
    takeUncapturedErrors();
    expect(() => closed.allocate(16)).toThrow('closed');
    await closed.close();
  });
});
