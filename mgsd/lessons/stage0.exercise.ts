/** Exercise of stage0.md: soft targets from a search. `npm run exercise -- stage0` checks it. */
import { yourTurn } from '../../kernels/your-turn.exercise.js';

/** A puzzle as a graph: states are numbers from 0. */
export interface Graph {
  /** next[state][action]: where an action leads, -1 if it is fatal. */
  readonly next: readonly (readonly number[])[];
  readonly goal: number;
}

/**
 * What the planner should say in every state: each action that begins a shortest way to the goal has the same
 * probability, all others 0. States at the goal, or without a way to it, have zeros only.
 * @returns targets[state][action]
 */
export function softTargets(graph: Graph): number[][] {
  return yourTurn(
    'search backwards from the goal for the distances; an action is right if it leads one step nearer',
    graph,
  );
}
