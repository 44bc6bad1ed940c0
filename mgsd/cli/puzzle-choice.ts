/** Which puzzle a command is about: one generated from --world, --level and --seed. */
import { numberedPuzzle } from '../method/numbered.js';
import type { Puzzle } from '../method/puzzles.js';
import type { SplitName } from '../method/split.js';
import type { RgbImage } from '../pictures/png.js';
import { createWorldByName } from '../worlds/registry.js';
import type { World } from '../worlds/world.js';
import { checkInput } from './errors.js';
import type { Flags, puzzleOptions } from './options.js';

/** The same flags give the same puzzle in every command. @throws InputError if the world has no boards of this size */
export function generatedPuzzle({ world, level, seed }: Flags<typeof puzzleOptions>, split: SplitName): Puzzle {
  const rules: World = createWorldByName(world);
  return checkInput(() => numberedPuzzle(rules, level, seed, split));
}

export function renderedPuzzle({ world, instance }: Puzzle, pixels: number): RgbImage {
  return { width: pixels, height: pixels, data: world.render(instance, pixels) };
}
