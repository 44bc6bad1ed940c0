import { describe, expect, it } from 'vitest';
import { Random } from '../../core/index.js';
import { resolveConfig } from '../../mgsd/config.js';
import { drawPuzzles, groupShares, heldOutGroups, trainingGroups } from '../../mgsd/puzzles.js';
import type { PuzzleGroup } from '../../mgsd/puzzles.js';

const config = (seed = 1) =>
  resolveConfig('tiny', {
    seed,
    tasks: [{ world: 'frozenlake', levels: [3, 4], pool: { '3': 60, '4': 40 } }],
    evaluation: { puzzles: 25 },
  });
const keys = (groups: readonly PuzzleGroup[]) =>
  groups.map(({ puzzles }) => puzzles.map(({ world, instance }) => world.instanceKey(instance)));
const layouts = (groups: readonly PuzzleGroup[]) =>
  groups.flatMap(({ puzzles }) =>
    puzzles.map(({ world, instance }) => `${instance.size} ${world.layoutKey(instance)}`),
  );

describe('the puzzles of a run', () => {
  const training = trainingGroups(config());

  it('are as many different ones per size as the config says, or fewer under a limit, which begin the pool', () => {
    expect(training.map(({ level, puzzles }) => [level, puzzles.length])).toEqual([[3, 60], [4, 40]]); // prettier-ignore
    for (const group of keys(training)) expect(new Set(group).size).toBe(group.length);
    for (const { level, puzzles } of training) for (const { instance } of puzzles) expect(instance.size).toBe(level);
    expect(keys(trainingGroups(config(), 50))).toEqual(keys(training).map(group => group.slice(0, 50)));
  });

  it('follow from the seed for training, and are the same for every seed for evaluation', () => {
    expect(keys(trainingGroups(config()))).toEqual(keys(training));
    expect(keys(trainingGroups(config(2)))).not.toEqual(keys(training));
    const heldOut = heldOutGroups(config());
    expect(heldOut.map(({ puzzles }) => puzzles.length)).toEqual([25, 25]);
    expect(keys(heldOutGroups(config(2)))).toEqual(keys(heldOut));
  });

  it('share no layout between training and evaluation', () => {
    const seen = new Set([...layouts(training), ...layouts(trainingGroups(config(2)))]);
    expect(layouts(heldOutGroups(config())).filter(layout => seen.has(layout))).toEqual([]);
  });
});

describe('drawPuzzles', () => {
  const groups = trainingGroups(config());

  it('gives sizes shares by their cells, and draws what the random numbers say', () => {
    expect(groupShares(groups)).toEqual([9 / 25, 16 / 25]);
    const batch = drawPuzzles(groups, new Random(1, 2, 3), 31);
    expect(batch.map(({ instance }) => instance.size)).toEqual(Array.from({ length: 31 }, (_, i) => (i < 11 ? 3 : 4)));
    expect(drawPuzzles(groups, new Random(1, 2, 3), 31)).toEqual(batch);
    expect(drawPuzzles(groups, new Random(1, 2, 4), 31)).not.toEqual(batch);
  });

  it('draws evenly from the difficulty classes if asked to', () => {
    const hard = (balance: number) => {
      const drawn = drawPuzzles(groups, new Random(5), 2000, balance);
      return drawn.filter(({ world, instance }) => world.difficulty(instance) === 'detour').length / drawn.length;
    };
    expect(hard(1)).toBeGreaterThan(1.5 * hard(0));
  });

  it('reaches every puzzle', () => {
    const random = new Random(1);
    const drawn = new Set(Array.from({ length: 20 }, () => drawPuzzles(groups, random, 100)).flat());
    expect(drawn.size).toBe(100);
  });
});
