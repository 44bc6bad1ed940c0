/** The reference backend: every launch runs the kernel's own definition, one after another, in plain TypeScript. */
import { bytesPerElement, decodeElements, encodeElements } from '../../kernels/index.js';
import type { Kernel, NumberArray } from '../../kernels/index.js';
import { namedParams } from '../backend.js';
import type { Allocation, Backend, Capabilities, Operand } from '../backend.js';
import { DeviceError } from '../faults.js';
import { machineMemory, processorName, processors, runtime } from '../platform.js';

interface CpuAllocation extends Allocation {
  readonly data: ArrayBuffer;
}

/**
 * A view for f64, f32 and i32, which the reference writes in place; for f16 a decoded copy, to be encoded afterwards.
 */
function openOperand({ allocation, dtype, byteOffset, length }: Operand): NumberArray {
  const { data } = allocation as CpuAllocation;
  switch (dtype) {
    case 'f64':
      return new Float64Array(data, byteOffset, length);
    case 'f32':
      return new Float32Array(data, byteOffset, length);
    case 'i32':
      return new Int32Array(data, byteOffset, length);
    case 'f16':
      return Float64Array.from(decodeElements(data, 'f16', byteOffset, length)); // f64: one rounding, when stored
  }
}

export class CpuBackend implements Backend {
  readonly capabilities: Capabilities = {
    backend: 'cpu',
    name: processorName,
    driver: `${runtime}, plain TypeScript`,
    software: true,
    asynchronous: false,
    replays: false,
    dtypes: ['f64', 'f32', 'f16', 'i32'],
    maxBufferBytes: 2 ** 32,
    threads: 1,
    features: { processors: processors },
  };

  allocate(bytes: number): CpuAllocation {
    const size = Math.ceil(bytes / 16) * 16;
    try {
      return { bytes: size, data: new ArrayBuffer(size) };
    } catch (cause) {
      const message = `no memory for ${size} bytes more on the cpu backend: use a smaller batch or preset`;
      throw new DeviceError('memory', message, { cause });
    }
  }

  free(): void {
    // the garbage collector owns it
  }

  hasMemory(bytes: number): Promise<boolean> {
    return Promise.resolve(bytes <= machineMemory());
  }

  write(allocation: Allocation, byteOffset: number, data: ArrayBufferView): void {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    new Uint8Array((allocation as CpuAllocation).data).set(bytes, byteOffset);
  }

  read(allocation: Allocation, byteOffset: number, bytes: number): Promise<ArrayBuffer> {
    return Promise.resolve((allocation as CpuAllocation).data.slice(byteOffset, byteOffset + bytes));
  }

  launch(kernel: Kernel, operands: readonly Operand[], params: readonly number[]): void {
    const names = Object.keys(kernel.buffers);
    const opened = operands.map(openOperand);
    kernel.reference(Object.fromEntries(names.map((name, i) => [name, opened[i]!])), namedParams(kernel, params));
    operands.forEach((operand, i) => {
      if (operand.dtype !== 'f16' || kernel.buffers[names[i]!]!.access === 'read') return;
      const bytes = new Uint8Array(encodeElements(opened[i]!, 'f16'));
      this.write(operand.allocation, operand.byteOffset, bytes.subarray(0, operand.length * bytesPerElement.f16));
    });
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
