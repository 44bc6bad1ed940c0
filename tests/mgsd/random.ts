/** A small seeded generator for tests (mulberry32), and the puzzles that property tests draw. */

import fc from 'fast-check';
import { createFrozenLake } from '../../mgsd/worlds/frozenlake/frozenlake.js';
import type { FrozenLakeInstance } from '../../mgsd/worlds/frozenlake/rules.js';
import type { RandomSource } from '../../mgsd/worlds/world.js';

export function testRandom(seed: number): RandomSource {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { uniform, integer: n => Math.floor(uniform() * n) };
}

export const frozenLake = createFrozenLake();

/** Any puzzle of sizes 3 to 8 that the default generator makes. */
export const anyPuzzle: fc.Arbitrary<FrozenLakeInstance> = fc
  .record({ seed: fc.nat(), level: fc.integer({ min: 3, max: 8 }) })
  .map(({ seed, level }) => frozenLake.generate(testRandom(seed), level));
