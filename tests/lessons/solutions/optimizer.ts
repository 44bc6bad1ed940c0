import type { Hyper, State } from '../../../kernels/optimizer/lesson.exercise.js';

export function adamwStep(state: State, scaledGradient: readonly number[], hyper: Hyper): State {
  const { learningRate, beta1, beta2, epsilon, weightDecay } = hyper;
  if (!scaledGradient.every(Number.isFinite)) return { ...state, lossScale: Math.max(1, state.lossScale / 2) };
  const step = state.step + 1;
  const gradient = scaledGradient.map(g => g / state.lossScale);
  const m = state.m.map((value, i) => beta1 * value + (1 - beta1) * gradient[i]!);
  const v = state.v.map((value, i) => beta2 * value + (1 - beta2) * gradient[i]! ** 2);
  const parameters = state.parameters.map((value, i) => {
    const update = m[i]! / (1 - beta1 ** step) / (Math.sqrt(v[i]! / (1 - beta2 ** step)) + epsilon);
    return value - learningRate * (weightDecay * value + update);
  });
  return { ...state, parameters, m, v, step };
}
