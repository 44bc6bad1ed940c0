/** The op table: every differentiable op of the engine, one row each. Tests walk it. */
import { elementwiseOps } from './elementwise.js';
import { lossOps } from './loss.js';
import { networkOps } from './network.js';
import { reduceOps } from './reduce.js';
import { shapeOps } from './shape.js';

/** The op table: every differentiable op by name. Tests walk it. */
export const ops = {
  ...elementwiseOps,
  ...shapeOps,
  ...reduceOps,
  ...networkOps,
  ...lossOps,
} as const;
