/**
 * Breadth-first search over the plan states of a puzzle: the distance to the goal from everywhere a plan can get to.
 */

import type { PlanState, WorldInstance, WorldRules } from './world.js';

/**
 * The least number of actions from each state to a goal state, indexed by state: (largest reachable state + 1), -1
 * where the goal cannot be reached or the state cannot be reached from the start.
 *
 * Forwards from the start it collects the reachable states and, for each, the states that lead to it; backwards from
 * all reachable goal states it counts the actions. Fatal actions are no edges. Time and space: reachable states *
 * actions.
 */
export function solve<I extends WorldInstance>(rules: WorldRules<I>, instance: I): Int16Array {
  const start = rules.start(instance);
  const predecessors: PlanState[][] = [];
  predecessors[start] = [];
  const reachable = [start];
  const goals: PlanState[] = [];
  for (const state of reachable) {
    if (rules.isGoal(instance, state)) {
      goals.push(state);
      continue;
    }
    for (const action of rules.actions) {
      const step = rules.step(instance, state, action);
      if (step.verdict === 'fatal') continue;
      const known = predecessors[step.next];
      if (known !== undefined) {
        known.push(state);
        continue;
      }
      predecessors[step.next] = [state];
      reachable.push(step.next);
    }
  }

  const distance = new Int16Array(predecessors.length).fill(-1);
  for (const goal of goals) distance[goal] = 0;
  const queue = goals;
  for (const state of queue) {
    for (const before of predecessors[state] ?? []) {
      if (distance[before] !== -1) continue;
      distance[before] = distance[state]! + 1;
      queue.push(before);
    }
  }
  return distance;
}
