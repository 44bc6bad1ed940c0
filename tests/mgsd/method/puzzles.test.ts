import { describe, expect, it, vi } from 'vitest';
import { Random } from '../../../core/index.js';
import { resolveConfig } from '../../../mgsd/method/config.js';
import { checkPuzzles, drawPuzzles, groupShares, heldOutGroups, trainingGroups } from '../../../mgsd/method/puzzles.js';
import { drawsName } from '../../../mgsd/method/split.js';
import { presets } from '../../../mgsd/method/presets.js';
import { crc32 } from '../../../mgsd/worlds/crc32.js';
import { createWorldByName } from '../../../mgsd/worlds/registry.js';
import type { PresetName } from '../../../models/index.js';
import type { PuzzleGroup } from '../../../mgsd/method/puzzles.js';

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
    expect(training.map(({ level, puzzles }) => [level, puzzles.length])).toEqual([
      [3, 60],
      [4, 40],
    ]);
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

  it('are drawn in the way that checkpoints name: who changes a draw or a default gives it another name', () => {
    const tasks = presets.worlds.tasks.map(task => ({
      ...task,
      pool: Object.fromEntries(task.levels.map(level => [level, 5])),
    }));
    const drawn = trainingGroups(resolveConfig('worlds', { tasks }));
    expect([drawsName, crc32(JSON.stringify(keys(drawn)))]).toEqual(['near-goals', 2239609270]);
  });

  it('share no layout between training and evaluation', () => {
    const seen = new Set([...layouts(training), ...layouts(trainingGroups(config(2)))]);
    expect(layouts(heldOutGroups(config())).filter(layout => seen.has(layout))).toEqual([]);
  });
});

describe('drawPuzzles', () => {
  const groups = trainingGroups(config());

  it('asks for the difficulty of puzzles when it balances, once each, and not before', () => {
    const pool = trainingGroups(config());
    const asked = pool.map(({ world }) => vi.spyOn(world, 'difficulty'));
    const calls = () => asked.map(({ mock }) => mock.calls.length);
    drawPuzzles(pool, new Random(1, 2, 3), 31);
    expect(calls()).toEqual([0, 0]);
    for (let step = 0; step < 3; step++) drawPuzzles(pool, new Random(1, 2, step), 31, 1);
    expect(calls()).toEqual([100, 100]); // both sizes have one world
    for (const { byDifficulty, puzzles } of pool) expect(new Set(byDifficulty.flat())).toEqual(new Set(puzzles));
  });

  it('gives sizes shares by their cells, and draws what the random numbers say', () => {
    expect(groupShares(groups)).toEqual([9 / 25, 16 / 25]);
    const batch = drawPuzzles(groups, new Random(1, 2, 3), 31);
    const small = batch.filter(({ instance }) => instance.size === 3).length;
    expect(Math.abs(small - (31 * 9) / 25)).toBeLessThan(1);
    expect(drawPuzzles(groups, new Random(1, 2, 3), 31)).toEqual(batch);
    expect(drawPuzzles(groups, new Random(1, 2, 4), 31)).not.toEqual(batch);
  });

  it('gives worlds the shares that their tasks ask for', () => {
    const tasks = [
      { world: 'frozenlake', levels: [3], pool: { '3': 5 }, share: 3 },
      { world: 'minibehaviour', levels: [5], pool: { '5': 5 } },
    ];
    const shared = resolveConfig('tiny', { tasks });
    expect(groupShares(trainingGroups(shared))).toEqual([0.75, 0.25]);
    const [group] = trainingGroups(shared, 2); // a part of a pool keeps it
    expect(group?.share).toBe(3);
    expect(() => resolveConfig('tiny', { tasks: [{ ...tasks[0], share: 0 }] })).toThrow('tasks.0.share');
  });

  it('draws evenly from the difficulty classes if asked to', () => {
    const hard = (balance: number) => {
      const drawn = drawPuzzles(groups, new Random(5), 2000, balance);
      return drawn.filter(({ world, instance }) => world.difficulty(instance) === 'detour').length / drawn.length;
    };
    expect(hard(1)).toBeGreaterThan(1.5 * hard(0));
  });

  it('draws all alike in a world without difficulties', () => {
    const plain = groups.map(group => ({ ...group, byDifficulty: [] }));
    expect(drawPuzzles(plain, new Random(5), 50, 1)).toEqual(drawPuzzles(plain, new Random(5), 50, 0));
  });

  it.each(Object.keys(presets) as PresetName[])(
    'gives every board of %s its share over updates, in batches of any size',
    name => {
      const boards = presets[name].tasks.flatMap(({ world, levels }) =>
        levels.map(level => ({ world: createWorldByName(world), level, puzzles: [], byDifficulty: [] })),
      );
      const groups = boards.map((board, g) => ({ ...board, puzzles: [g] as unknown as PuzzleGroup['puzzles'] }));
      const shares = groupShares(groups);
      for (let batch = 1; batch <= 16; batch++) {
        const counts = new Float64Array(groups.length);
        for (let step = 0; step < 1000; step++)
          for (const g of drawPuzzles(groups, new Random(1, 2, step), batch)) counts[g as unknown as number]!++;
        // At most one of a batch's draws falls to a neighbour, so a count's deviation is that of 1000 coin tosses at
        // most.
        shares.forEach((share, g) => {
          expect(Math.abs(counts[g]! - 1000 * batch * share), `board ${g}, batch ${batch}`).toBeLessThan(65);
          expect(counts[g]).toBeGreaterThan(0);
        });
      }
    },
  );

  it('reaches every puzzle', () => {
    const random = new Random(1);
    const drawn = new Set(Array.from({ length: 20 }, () => drawPuzzles(groups, random, 100)).flat());
    expect(drawn.size).toBe(100);
  });
});

describe('checkPuzzles', () => {
  const model = { promptPositions: 112, responsePositions: 160 };
  const [training, heldOut] = [trainingGroups(config()), heldOutGroups(config())];

  it('lets pass what a run draws', () => {
    expect(() => {
      checkPuzzles(model, training, heldOut);
    }).not.toThrow();
  });

  it('refuses limits that the oracle itself does not keep', () => {
    const check = (limits: Partial<typeof model>) => () => {
      checkPuzzles({ ...model, ...limits }, training, heldOut);
    };
    expect(check({ responsePositions: 12 })).toThrow(
      /the oracle's own response .* needs \d+ tokens, but the limit is 12/,
    );
    expect(check({ promptPositions: 5 })).toThrow(
      /FrozenLake level 3: a symbolic prompt of \d+ tokens .* 5 prompt positions/,
    );
  });

  it('refuses a layout on both sides, of the same board size', () => {
    const leak = [{ ...heldOut[0]!, puzzles: [...heldOut[0]!.puzzles, training[0]!.puzzles[0]!] }];
    expect(() => {
      checkPuzzles(model, training, leak);
    }).toThrow(/occurs in training and in test puzzles/);
  });
});
