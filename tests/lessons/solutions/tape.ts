import type { Entry } from '../../../core/lessons/tape.exercise.js';

export function backward(tape: readonly Entry[]): number[] {
  const gradients = tape.map((_, i) => (i === tape.length - 1 ? 1 : 0));
  for (let i = tape.length - 1; i >= 0; i--)
    tape[i]!.parents.forEach((parent, p) => (gradients[parent]! += gradients[i]! * tape[i]!.partials[p]!));
  return gradients;
}
