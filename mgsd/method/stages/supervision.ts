/** Next-token supervision: all of stages 0, 1 and direct training, and what may stand beside the loss of stage 2. */
import { crossEntropy, sum } from '../../../core/index.js';
import type { HostArray, Tensor } from '../../../core/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import type { SupervisedInputs } from '../packing.js';

/** Cross-entropy with all right tokens of every position, a weighted mean over N positions: a scalar. V vocabulary. */
export function supervisedLoss(model: VisionLanguageModel, batch: SupervisedInputs<Tensor>): Tensor {
  const logits = model.forward(batch.sequences); // (N, V)
  return sum(crossEntropy(logits, batch.targets, batch.weights)); // ()
}

/** Supervision beside a stage's own loss. */
export interface Auxiliary {
  /** Under which its loss is logged: `lossReplay`. */
  readonly name: `loss${'Replay' | 'Mismatch' | 'Questions'}`;
  readonly batch: SupervisedInputs<HostArray>;
  /** Of its loss, where the stage's own counts 1. */
  readonly weight: number;
}
