// What the optimiser's kernels read beside their arrays: `hyperFields` and `stateFields` of optimizer.ts.

@unmanaged
export class HyperParameters {
  learningRate: f32;
  beta1: f32;
  beta2: f32;
  epsilon: f32;
  weightDecay: f32;
  maxNorm: f32;
  growthInterval: f32;
  maxLossScale: f32;
  momentum: f32;
  matrixRate: f32;
}

@unmanaged
export class OptimizerState {
  step: f32;
  skipped: f32;
  finite: f32;
  norm: f32;
  clip: f32;
  beta1Power: f32;
  beta2Power: f32;
  lossScale: f32;
  goodSteps: f32;
}
