/** Which puzzle a command is about: one generated from --world, --level and --seed. */
import { Random } from '../../core/index.js';
import { streams } from '../method/puzzles.js';
import type { Puzzle } from '../method/puzzles.js';
import { instancePool } from '../method/split.js';
import type { SplitName } from '../method/split.js';
import type { RgbImage } from '../pictures/png.js';
import { createWorldByName } from '../worlds/registry.js';
import type { World } from '../worlds/world.js';
import { checkInput } from './errors.js';
import type { Flags, puzzleOptions } from './options.js';

/** The same flags give the same puzzle in every command. @throws InputError if the world has no boards of this size */
export function generatedPuzzle(flags: Flags<typeof puzzleOptions>, split: SplitName): Puzzle {
  const world: World = createWorldByName(flags.world);
  const random = new Random(flags.seed, split === 'test' ? streams.test : streams.pools, flags.level);
  const [instance] = checkInput(() => instancePool(world, flags.level, random, { split, count: 1 }));
  return { world, instance: instance! };
}

export function renderedPuzzle({ world, instance }: Puzzle, pixels: number): RgbImage {
  return { width: pixels, height: pixels, data: world.render(instance, pixels) };
}
