/** All experiments, in the order in which a class would do them. */
import { attention } from './attention.js';
import { coldStart } from './cold-start.js';
import type { Experiment } from './experiment.js';
import { modes } from './modes.js';
import { noise } from './noise.js';
import { onPolicy } from './on-policy.js';

export type { Experiment, ExperimentOptions, ExperimentResult } from './experiment.js';

export const experiments: readonly Experiment[] = [modes, noise, attention, coldStart, onPolicy];
