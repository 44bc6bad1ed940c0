/**
 * Faults of a device, as opposed to mistakes in its use: results computed on it are lost or cannot be trusted.
 */

export type DeviceFault =
  /** The GPU is gone (driver reset, taken away, destroyed), and its memory with it. */
  | 'lost'
  /** There is no memory for a tensor. */
  | 'memory'
  /** A worker thread ended in the middle of its work. */
  | 'thread';

/** A device that cannot go on. The message says what happened and what to do, in one line. */
export class DeviceError extends Error {
  override name = 'DeviceError';
  readonly fault: DeviceFault;

  constructor(fault: DeviceFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

/** There is no WebGPU, or no adapter, where this runs; anything else that goes wrong with a GPU is a fault. */
export class WebGpuUnavailableError extends Error {}
