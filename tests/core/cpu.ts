import { CpuBackend } from '../../core/backends/cpu.js';
import { Device } from '../../core/index.js';

/** The reference device. */
export const cpu = new Device(new CpuBackend());
