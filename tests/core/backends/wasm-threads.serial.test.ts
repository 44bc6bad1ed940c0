import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { openWasmBackend } from '../../../core/backends/wasm/wasm.js';
import type { WasmBackend } from '../../../core/backends/wasm/wasm.js';
import { encodeElements, gatherRowsKernel, kernels, unaryKernels } from '../../../kernels/index.js';
import type { Draw, Kernel } from '../../../kernels/index.js';

/** A small generator of its own, so that both backends see the same call. */
function drawFrom(seed: number): Draw & { value(): number } {
  let state = seed >>> 0;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  return {
    integer: (minimum, maximum) => minimum + Math.floor(next() * (maximum - minimum + 1)),
    pick: choices => choices[Math.floor(next() * choices.length)]!,
    value: () => 2 * next() - 1,
  };
}

/** Bytes of every buffer after one call of `kernel` on its example number `seed`. */
async function run(backend: WasmBackend, kernel: Kernel, seed: number): Promise<ArrayBuffer[]> {
  const draw = drawFrom(seed);
  const example = kernel.example(draw);
  const operands = Object.entries(kernel.buffers).map(([name, spec]) => {
    const length = example.lengths[name]!;
    const fill = example.fills?.[name];
    const values = Array.from({ length }, (_, i) => {
      if (fill?.kind === 'values') return fill.values[i % fill.values.length]!;
      const u = draw.value();
      return fill ? fill.minimum + ((u + 1) / 2) * (fill.maximum - fill.minimum) : u;
    });
    const dtype = spec.kind === 'index' ? ('i32' as const) : ('f32' as const);
    const allocation = backend.allocate(4 * length);
    backend.write(allocation, 0, new Uint8Array(encodeElements(values, dtype)));
    return { allocation, dtype, byteOffset: 0, length };
  });
  backend.launch(
    kernel,
    operands,
    Object.keys(kernel.params).map(name => example.params[name]!),
  );
  const outputs = await Promise.all(operands.map(({ allocation, length }) => backend.read(allocation, 0, 4 * length)));
  for (const { allocation } of operands) backend.free(allocation);
  return outputs;
}

describe('threads of the wasm backend', () => {
  it('give the same bits as one thread, for every kernel', async () => {
    const one = await openWasmBackend({ threads: 1 });
    // three threads even on two processors, and every launch is shared, however small
    const three = await openWasmBackend({ threads: 3, shareFromMicroseconds: 0 });
    expect(one.capabilities.threads).toBe(1);
    expect(three.capabilities.threads).toBe(3);
    for (const kernel of kernels)
      for (let seed = 1; seed <= 6; seed++) {
        const [expected, actual] = [await run(one, kernel, seed), await run(three, kernel, seed)];
        expected.forEach((bytes, i) => {
          expect(Buffer.compare(Buffer.from(bytes), Buffer.from(actual[i]!)), `${kernel.name}, example ${seed}`).toBe(
            0,
          );
        });
      }
    expect(three.memory.used).toBe(0);
    await one.close();
    await three.close();
  });

  it('end with close', async () => {
    const backend = await openWasmBackend({ threads: 2 });
    await backend.close();
    expect(backend.workers).toHaveLength(1);
    expect(await backend.workers[0]!.terminate()).toBeUndefined(); // Node's answer if it has ended already
  });

  it('report a worker that died', async () => {
    const backend = await openWasmBackend({ threads: 2 });
    await backend.workers[0]!.terminate();
    await expect(backend.finish()).rejects.toThrow(/worker thread.*gone.*exit code/);
    const x = backend.allocate(64);
    const operand = { allocation: x, dtype: 'f32', byteOffset: 0, length: 16 } as const;
    expect(() => backend.launch(unaryKernels.exp as unknown as Kernel, [operand, operand], [16])).toThrow(
      /worker thread/,
    );
    await backend.close();
  });

  it('report a worker that does not finish its piece', async () => {
    const backend = await openWasmBackend({ threads: 2, shareFromMicroseconds: 0, stallMilliseconds: 50 });
    const n = 2 ** 20;
    const operand = { allocation: backend.allocate(4 * n), dtype: 'f32', byteOffset: 0, length: n } as const;
    const exp = unaryKernels.exp as unknown as Kernel;
    backend.launch(exp, [operand, operand], [n]);
    // Ends the worker in the middle of a job, without a turn of the event loop in which its exit could be noticed.
    // Which piece it holds then, if any, is chance: without one the others are done by this thread, and the exit is
    // noticed later.
    const gone = backend.workers[0]!.terminate();
    const launchAll = async () => {
      for (let i = 0; i < 20; i++) backend.launch(exp, [operand, operand], [n]);
      await gone;
      await backend.finish();
    };
    await expect(launchAll()).rejects.toThrow(/worker thread.*gone/);
    await backend.close();
  });

  it.each([1, 3])('turn a trap into an error that names the kernel, and stay usable (%i)', async threads => {
    const backend = await openWasmBackend({ threads, shareFromMicroseconds: 0 });
    const [rows, cols] = [320, 4];
    const gather = gatherRowsKernel as unknown as Kernel;
    const [table, index, y] = [backend.allocate(64), backend.allocate(4 * rows), backend.allocate(4 * rows * cols)];
    const operands = [
      { allocation: table, dtype: 'f32', byteOffset: 0, length: 16 },
      { allocation: index, dtype: 'i32', byteOffset: 0, length: rows },
      { allocation: y, dtype: 'f32', byteOffset: 0, length: rows * cols },
    ] as const;
    backend.write(index, 0, new Int32Array(rows).fill(2 ** 27)); // 2 GiB behind the table
    expect(() => backend.launch(gather, operands, [rows, cols, 2 ** 31 - 1])).toThrow(
      /gather_rows.*"rows":320.*memory access/,
    );
    backend.write(index, 0, new Int32Array(rows).fill(-1));
    backend.launch(gather, operands, [rows, cols, 4]);
    expect(new Float32Array(await backend.read(y, 0, 4 * rows * cols)).every(value => value === 0)).toBe(true);
    await backend.close();
  });

  it('are done without where the runtime has no worker threads', () => {
    const script = `
      import { openWasmBackend } from './dist/core/backends/wasm/wasm.js';
      const { threads, features } = (await openWasmBackend()).capabilities;
      console.log(threads, features.threads, typeof features.oneThreadBecause);`;
    const flag = Number(process.versions.node.split('.')[0]) < 24 ? '--experimental-permission' : '--permission';
    const { status, stdout } = spawnSync(
      process.execPath,
      [flag, '--allow-fs-read=*', '--input-type=module', '--eval', script],
      { encoding: 'utf8', timeout: 30_000 },
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: '1 1 string\n' });
  });

  it('do not keep the process alive', () => {
    const script = `
      import { openWasmBackend } from './dist/core/backends/wasm/wasm.js';
      const backend = await openWasmBackend({ threads: 2 });
      console.log(backend.capabilities.threads);`;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '2\n', stderr: '' });
  });
});

describe('memory of the wasm backend', () => {
  it('says how much is missing when it runs out', async () => {
    const backend = await openWasmBackend({ threads: 1, maxBytes: 32 * 2 ** 20 });
    const first = backend.allocate(20 * 2 ** 20);
    expect(() => backend.allocate(20 * 2 ** 20)).toThrow(/out of memory.*wasm.*MiB.*batch/s);
    backend.free(first);
    backend.free(backend.allocate(20 * 2 ** 20));
    expect(() => backend.free(first)).toThrow(/freed already/);
    await backend.close();
  });

  it('refuses operands that are freed or out of range', async () => {
    const backend = await openWasmBackend({ threads: 1 });
    const exp = unaryKernels.exp as unknown as Kernel;
    const allocation = backend.allocate(64);
    const operand = { allocation, dtype: 'f32', byteOffset: 0, length: 16 } as const;
    expect(() => backend.launch(exp, [operand, { ...operand, length: 10_000 }], [16])).toThrow(/outside/);
    backend.free(allocation);
    expect(() => backend.launch(exp, [operand, operand], [16])).toThrow(/freed/);
    await backend.close();
  });
});
