/** Alternatives to the reverse KL over the whole vocabulary. */
import { add, divergenceFields, forwardKl, mul, reshape, slice, sub, tokenCrossEntropy } from '../../../core/index.js';
import type { Tensor } from '../../../core/index.js';
import type { Divergence } from './choose.js';

/** KL(teacher || student). */
export const forwardDivergence: Divergence = (student, teacher, { weights, floor }) =>
  forwardKl(student, teacher, weights, floor);

/**
 * The estimator of the paper's code: a policy gradient with advantage log q - log p of the sampled token, held fixed.
 * Its expectation over the token is the gradient of the exact reverse KL at that prefix; with + KL(p || q) as a
 * baseline the advantage is zero on average, and varies less.
 */
export function sampledDivergence(withBaseline: boolean): Divergence {
  return (student, _, { weights, tokens, stats }) => {
    const surprise = sub(field(stats, 'teacherLogProb'), field(stats, 'studentLogProb')); // (N)
    const advantage = withBaseline ? add(surprise, field(stats, 'reverseKl')) : surprise; // (N)
    return tokenCrossEntropy(student, tokens, mul(weights, advantage)); // (N)
  };
}

/** A column of the statistics: (N). */
function field(stats: Tensor, name: (typeof divergenceFields)[number]): Tensor {
  const at = divergenceFields.indexOf(name);
  return reshape(slice(stats, 1, at, at + 1), [stats.shape[0]!]);
}
