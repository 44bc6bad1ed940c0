/** The page's worker, where the engine runs: the tables of calls of all panels. */
import { deviceCalls } from './device.js';
import { machineCalls } from './machine/calls.js';
import { planCalls } from './plan/calls.js';
import { serve } from './protocol.js';
import { studentCalls } from './student.js';
import { trainCalls } from './train/calls.js';

export const calls = { ...deviceCalls, ...studentCalls, ...planCalls, ...trainCalls, ...machineCalls };

serve(calls);
