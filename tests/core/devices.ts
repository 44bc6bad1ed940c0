/** Devices for tests: opened once per file, closed by the process's end. */
import { openDevice } from '../../core/index.js';
import type { Device, OpExample, Tensor } from '../../core/index.js';
import type { Draw } from '../../kernels/index.js';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { cpu } from './cpu.js';

export { cpu };

/** A `Draw` on top of fast-check's generator, so that failures shrink and print their seed. */
export function drawFrom(gen: fc.GeneratorValue): Draw {
  return {
    integer: (minimum, maximum) => gen(fc.integer, { min: minimum, max: maximum }),
    pick: choices => choices[gen(fc.integer, { min: 0, max: choices.length - 1 })]!,
  };
}

/** Inputs of an op example as f64 tensors (indices as i32); trainable unless constant. */
export function exampleTensors(example: OpExample<unknown>, uniform: () => number, device = cpu): Tensor[] {
  return example.inputs.map(({ shape, dtype = 'f64', values, range = [-2, 2], constant = false }) => {
    const size = shape.reduce((product, n) => product * n, 1);
    const numbers = values ?? Array.from({ length: size }, () => range[0] + uniform() * (range[1] - range[0]));
    const tensor = device.tensor(numbers, shape, { dtype });
    return constant || dtype === 'i32' ? tensor : tensor.trainable();
  });
}

/**
 * Opens a device for the tests of a `describe`, once. They are skipped with the reason if `open` returns why there is
 * none. @returns the device, while a test runs
 */
export function useDevice(open: () => Promise<Device | string>): () => Device {
  let opened: Device | string;
  beforeAll(async () => {
    opened = await open();
  });
  beforeEach(context => {
    if (typeof opened === 'string') context.skip(opened);
  });
  afterAll(async () => {
    if (typeof opened !== 'string') await opened.close();
  });
  return () => opened as Device;
}

/** The webgpu device, or why there is none; fails instead if MGSD_REQUIRE_WEBGPU=1. */
export async function openGpu(): Promise<Device | string> {
  try {
    return await openDevice('webgpu');
  } catch (error) {
    if (process.env['MGSD_REQUIRE_WEBGPU'] === '1') throw error;
    return `no WebGPU adapter: ${(error as Error).message.split('\n', 1)[0]!}`;
  }
}
