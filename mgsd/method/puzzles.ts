/** The puzzles of a run: pools for training and held-out ones for evaluation, decided by the seed alone. */
import { Random } from '../../core/index.js';
import type { RunConfig } from './config.js';
import type { ModelConfig } from '../../models/index.js';
import { assertNoLeak, instancePool, type DrawObserver } from './split.js';
import { assertOracleFits, maximumResponseLength, symbolicPrompt } from './response.js';
import { createWorldByName } from '../worlds/registry.js';
import type { World, WorldInstance } from '../worlds/world.js';

/** A puzzle with the world whose rules it follows. */
export interface Puzzle {
  readonly world: World;
  readonly instance: WorldInstance;
}

/** Puzzles of one world and board size. */
export interface PuzzleGroup {
  readonly world: World;
  readonly level: number;
  /** Weight of its world in a batch, beside those of the others. Default 1. */
  readonly share?: number | undefined;
  readonly puzzles: readonly Puzzle[];
  /** The same, by the world's difficulty classes; classes without a puzzle are left out. */
  readonly byDifficulty: readonly (readonly Puzzle[])[];
}

/** Streams of the run's random numbers; each use has its own, so that they do not disturb each other. */
export const streams = {
  pools: 10,
  test: 11,
  stage0: 20,
  stage1: 21,
  stage2: 22,
  rollouts: 23,
  direct: 24,
  teacherRollouts: 25,
  rehearsal: { stage1: 126, stage2: 226 },
  questions: 27,
  mismatch: { stage1: 128, stage2: 228 },
  looks: { stage1: 129, stage2: 229, questions: 329, direct: 429, mismatch: { stage1: 529, stage2: 629 } },
  shuffle: 30,
  bootstrap: 31,
} as const;

/** The seed of the held-out puzzles is fixed: runs with different seeds are judged on the same ones. */
const testSeed = 606_2026;

function poolGroups(
  config: RunConfig,
  split: 'train' | 'test',
  seed: number,
  stream: number,
  count: (pool: number) => number,
  onDrawn?: DrawObserver,
): PuzzleGroup[] {
  return config.tasks.flatMap((task, t) => {
    const world = createWorldByName(task.world, task.options);
    return task.levels.map(level => {
      const random = new Random(seed, stream, 100 * t + level);
      const request = { split, count: count(task.pool[level]!), onDrawn };
      const puzzles = instancePool(world, level, random, request).map(instance => ({ world, instance }));
      return groupOf({ world, level, share: task.share }, puzzles);
    });
  });
}

/** Puzzles as a group. Difficulty classes are found when first asked for: that takes a search for every puzzle. */
export function groupOf(
  { world, level, share }: Pick<PuzzleGroup, 'world' | 'level' | 'share'>,
  puzzles: readonly Puzzle[],
): PuzzleGroup {
  let classes: Puzzle[][] | undefined;
  return {
    world,
    level,
    share,
    puzzles,
    get byDifficulty() {
      return (classes ??= byDifficulty(world, puzzles));
    },
  };
}

function byDifficulty(world: World, puzzles: readonly Puzzle[]): Puzzle[][] {
  const classes = new Map(world.difficulties.map(name => [name, [] as Puzzle[]]));
  for (const puzzle of puzzles) classes.get(world.difficulty(puzzle.instance))?.push(puzzle);
  return [...classes.values()].filter(list => list.length > 0);
}

/** `maze 4`, for people. */
export function groupName({ world, level }: Pick<PuzzleGroup, 'world' | 'level'>): string {
  return `${world.name} ${level}`;
}

/**
 * Puzzles that stage 1's gate asks about: `stage1.gate.puzzles` per world and size from the training side of the split,
 * but none of those that stage 1 trains on.
 */
export function gateGroups(config: RunConfig): PuzzleGroup[] {
  const { images, gate } = config.stage1;
  const drawn = (pool: number) => Math.min(pool, images);
  const groups = poolGroups(config, 'train', config.seed, streams.pools, pool => drawn(pool) + gate.puzzles);
  return groups.map(group => part(group, -gate.puzzles));
}

/** Training puzzles per world and size: `pool` many, or `limit` if that is less; a smaller pool begins a larger one. */
export function trainingGroups(config: RunConfig, limit = Infinity): PuzzleGroup[] {
  return poolGroups(config, 'train', config.seed, streams.pools, pool => Math.min(pool, limit));
}

/** All puzzles of a run, by world and size. */
export interface RunPuzzles {
  /** The pools that all stages draw from. */
  readonly training: readonly PuzzleGroup[];
  /** From the training side of the split too, but in no pool: the best checkpoint is chosen by them. */
  readonly validation: readonly PuzzleGroup[];
  /** What the tables report; no choice depends on them. */
  readonly heldOut: readonly PuzzleGroup[];
}

/** Validation puzzles per world and size; fewer where fewer are held out. */
const validationPuzzles = 20;

/**
 * Draws the puzzles of a run. An Error says where a pool asks for more than there are.
 * @param validation puzzles per world and size
 */
export function runPuzzles(
  config: RunConfig,
  validation = Math.min(validationPuzzles, config.evaluation.puzzles),
  onDrawn?: DrawObserver,
): RunPuzzles {
  const drawn = poolGroups(config, 'train', config.seed, streams.pools, pool => pool + validation, onDrawn);
  return {
    training: drawn.map(group => part(group, 0, -validation)),
    validation: drawn.map(group => part(group, -validation)),
    heldOut: heldOutGroups(config, onDrawn),
  };
}

/** Some puzzles of a group, by their places as in `Array.slice`. */
export function part(group: PuzzleGroup, from: number, to?: number): PuzzleGroup {
  return groupOf(group, group.puzzles.slice(from, to));
}

/** Held-out puzzles per world and size, the same for every seed. None of their layouts occurs in training. */
export function heldOutGroups(config: RunConfig, onDrawn?: DrawObserver): PuzzleGroup[] {
  return poolGroups(config, 'test', testSeed, streams.test, () => config.evaluation.puzzles, onDrawn);
}

/**
 * Share of each group in a batch: worlds get equal shares, or as their tasks say, and sizes of a world shares by their
 * number of cells, since that is how much there is to see and to plan on a board.
 */
export function groupShares(groups: readonly PuzzleGroup[]): number[] {
  const weights = new Map(groups.map(({ world, share = 1 }) => [world.name, share]));
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  return groups.map(({ world, level }) => {
    const cells = groups.reduce((sum, other) => sum + (other.world.name === world.name ? other.level ** 2 : 0), 0);
    return ((level ** 2 / cells) * weights.get(world.name)!) / total;
  });
}

/**
 * `batch` puzzles of a step, drawn with replacement, the groups by their shares.
 * @param balance share of puzzles that are drawn evenly from the difficulty classes of their group, so that hard ones
 * come more often than chance brings them; the rest are drawn as they come
 * @param shares of the groups in the batch; they sum to 1
 */
export function drawPuzzles(
  groups: readonly PuzzleGroup[],
  random: Random,
  batch: number,
  balance = 0,
  shares: readonly number[] = groupShares(groups),
): Puzzle[] {
  // Places at equal distances, shifted as a whole: over the steps each group gets its share, however small the batch
  // is.
  const offset = random.uniform();
  let group = 0;
  let end = shares[0]!;
  return Array.from({ length: batch }, (_, i) => {
    while ((i + offset) / batch >= end && group < groups.length - 1) end += shares[++group]!;
    // classes are asked for only if wanted; a world may have none
    const classes = random.uniform() < balance ? groups[group]!.byDifficulty : [];
    const pool = classes.length > 0 ? classes[random.integer(classes.length)]! : groups[group]!.puzzles;
    return pool[random.integer(pool.length)]!;
  });
}

/** A puzzle of the world of `puzzle`, of any size, but never the same one; there must be another. */
export function drawOther(groups: readonly PuzzleGroup[], random: Random, { world, instance }: Puzzle): Puzzle {
  const others = groups.filter(group => group.world.name === world.name);
  for (;;) {
    const [other] = drawPuzzles(others, random, 1);
    if (other && world.instanceKey(other.instance) !== world.instanceKey(instance)) return other;
  }
}

/**
 * Throws unless the training puzzles and the held-out ones have no layout in common and the oracle's own responses to
 * all of them fit the limits: those that rollouts and evaluation are cut at, and the model's position tables. A limit
 * that is too short caps success silently.
 */
export function checkPuzzles(
  { responsePositions, promptPositions }: Pick<ModelConfig, 'responsePositions' | 'promptPositions'>,
  training: readonly PuzzleGroup[],
  heldOut: readonly PuzzleGroup[],
): void {
  for (const { world, level, puzzles } of [...training, ...heldOut]) {
    const limit = Math.min(maximumResponseLength(world, level), responsePositions);
    for (const { instance } of puzzles) {
      assertOracleFits(world, instance, limit);
      const prompt = symbolicPrompt(world, instance).length;
      if (prompt > promptPositions)
        throw new Error(
          `${world.title} level ${level}: a symbolic prompt of ${prompt} tokens does not fit the model's ${promptPositions} prompt positions`,
        );
    }
  }
  for (const { world, level, puzzles } of heldOut)
    for (const other of training)
      if (other.world.name === world.name && other.level === level)
        assertNoLeak(
          world,
          other.puzzles.map(({ instance }) => instance),
          puzzles.map(({ instance }) => instance),
        );
}
