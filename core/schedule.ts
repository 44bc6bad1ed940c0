/** Learning-rate schedules: pure functions of the step. */
import { cos } from './math.js';

/** A warm-up, then half a cosine. */
export interface CosineSchedule {
  /** Highest rate, reached after the warm-up. */
  readonly peak: number;
  /** Steps of linear rise from 0. */
  readonly warmup: number;
  /** Steps in all. */
  readonly steps: number;
  /** Rate at the end, as a share of the peak. */
  readonly floor: number;
}

/**
 * Linear warm-up, then half a cosine down to `floor * peak` (Loshchilov & Hutter 2017, arXiv 1608.03983). `step`
 * counts from 0.
 */
export function cosineLearningRate(step: number, { peak, warmup, steps, floor }: CosineSchedule): number {
  if (step < warmup) return (peak * (step + 1)) / warmup;
  const progress = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
  return peak * (floor + (1 - floor) * 0.5 * (1 + cos(Math.PI * progress)));
}
