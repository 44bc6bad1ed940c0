/** What the Machine panel asks the worker: what there is, whether every kernel is right on it, and how fast. */
import type { Capabilities } from '../../../core/index.js';
import { useDevice } from '../device.js';
import type { Handler } from '../protocol.js';
import type { Checked, CheckEvent, CheckRequest } from './check.js';
import type { Measured, MeasureEvent } from './measure.js';
import { offersHere } from './offers.js';
import type { Offer } from './offers.js';

/** What this browser offers, by name, and what the engine made of it. */
export interface MachineReport {
  readonly offers: readonly Offer[];
  readonly device: Capabilities;
}

const describeMachine: Handler<undefined, MachineReport> = async () => {
  const device = await useDevice(({ capabilities }) => Promise.resolve(capabilities));
  return { offers: await offersHere(), device };
};

/** Checks kernels until all are done or the caller cancels. @throws Error without a device */
const checkKernels: Handler<CheckRequest, Checked, CheckEvent> = async (request, told) => {
  const { checkEach } = await import('./check.js'); // loaded when it is asked for
  return await checkEach(request, told);
};

/** Measures for some seconds, until all is done or the caller cancels. @throws Error without a device */
const measureMachine: Handler<undefined, Measured, MeasureEvent> = async (_, told) => {
  const { measureAll } = await import('./measure.js');
  return await measureAll(told);
};

export const machineCalls = { describeMachine, checkKernels, measureMachine };
