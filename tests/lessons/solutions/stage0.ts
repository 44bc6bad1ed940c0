import type { Graph } from '../../../mgsd/lessons/stage0.exercise.js';

export function softTargets({ next, goal }: Graph): number[][] {
  const distance = next.map((_, state) => (state === goal ? 0 : Infinity));
  for (let changed = true; changed;) {
    changed = false;
    next.forEach((targets, state) => {
      const best = Math.min(...targets.map(to => (to < 0 ? Infinity : distance[to]! + 1)));
      if (best < distance[state]!) {
        distance[state] = best;
        changed = true;
      }
    });
  }
  return next.map((targets, state) => {
    const here = distance[state]!;
    const right = targets.map(to => here > 0 && here < Infinity && to >= 0 && distance[to] === here - 1);
    const count = right.filter(Boolean).length;
    return right.map(is => (is ? 1 / count : 0));
  });
}
