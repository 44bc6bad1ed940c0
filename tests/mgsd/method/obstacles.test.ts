import { describe, expect, it, vi } from 'vitest';
import { modelPresets } from '../../../models/index.js';
import { presets, resolveConfig } from '../../../mgsd/method/config.js';
import { drawRunPuzzles, obstacles } from '../../../mgsd/method/obstacles.js';
import { stagesOf } from '../../../mgsd/runs/order.js';

vi.mock(import('../../../mgsd/method/puzzles.js'), async original => ({
  ...(await original()),
  gateGroups: () => {
    throw new Error('the gate has too few');
  },
}));

const fieldsOf = (changes: object, preset: 'tiny' | 'worlds' = 'tiny') => {
  const config = resolveConfig(preset, changes);
  return obstacles(config, stagesOf(config)).map(({ field }) => field);
};

describe('obstacles', () => {
  it('finds none in the presets', () => {
    for (const config of Object.values(presets))
      expect(obstacles(config, ['stage0', 'stage1', 'stage2', 'direct'])).toEqual([]);
  });

  it.each<[field: string, changes: object, nearby: object]>([
    ['evaluation.puzzles', { evaluation: { puzzles: 1 } }, { evaluation: { puzzles: 2 } }],
    ['evaluation.puzzles', { evaluation: { puzzles: 100_001 } }, { evaluation: { puzzles: 100_000 } }],
    ['stage1.gate.puzzles', { stage1: { gate: { puzzles: 100_001 } } }, { stage1: { gate: { puzzles: 100_000 } } }],
    ['tasks.0.pool.4', { tasks: { 0: { pool: { 4: 1e6 + 1 } } } }, { tasks: { 0: { pool: { 4: 1e6 } } } }],
    ['tasks', { tasks: { 0: { levels: [3, 4, 3] } } }, { tasks: { 0: { levels: [3, 4] } } }],
    ['optimizer.beta1', { optimizer: { beta1: 1 } }, { optimizer: { beta1: 1 - 2 ** -24 } }],
    ['optimizer.beta2', { optimizer: { beta2: 1 - 2 ** -25 } }, { optimizer: { beta2: 0.999999 } }],
    ['optimizer.epsilon', { optimizer: { epsilon: 1e-60 } }, { optimizer: { epsilon: 1e-30 } }],
    ['optimizer.maxNorm', { optimizer: { maxNorm: 1e39 } }, { optimizer: { maxNorm: 0 } }],
    ['stage0.warmup', { stage0: { steps: 100 } }, { stage0: { steps: 101 } }],
    ['stage2.warmup', { stage2: { warmup: 400 } }, { stage2: { warmup: 400, steps: 0 } }],
    [
      'stage2.teacherFloor',
      { stage2: { teacherFloor: -Math.log(modelPresets.tiny.vocabulary) } },
      { stage2: { teacherFloor: -4.9 } },
    ],
  ])('names %s in %j, and lets %j pass', (field, changes, nearby) => {
    expect(fieldsOf(changes)).toEqual([field]);
    expect(fieldsOf(nearby)).toEqual([]);
  });

  it('asks of a stage only what it needs', () => {
    expect(fieldsOf({ stages: ['stage0', 'stage1'], evaluation: { puzzles: 1 }, stage2: { warmup: 400 } })).toEqual([]);
    const { tasks } = presets.worlds;
    expect(fieldsOf({ tasks: [...tasks, tasks[1]] }, 'worlds')).toEqual(['tasks']);
  });
});

it('draws the puzzles of a gate too where the pools might not have enough', () => {
  const config = (puzzles: number) =>
    resolveConfig('tiny', {
      tasks: [{ world: 'frozenlake', levels: [3], pool: { '3': 60 } }],
      stage1: { gate: { recapExact: 0.9, puzzles, steps: 2, extensions: 1 } },
      evaluation: { puzzles: 4 },
    });
  expect(drawRunPuzzles(config(4)).training[0]!.puzzles).toHaveLength(60);
  expect(() => drawRunPuzzles(config(5))).toThrow('the gate has too few');
});

it('tells of every board as its pools are drawn, the held-out ones too', () => {
  const told: string[] = [];
  const tasks = [{ world: 'maze', levels: [5], pool: { '5': 2000 } }];
  drawRunPuzzles(resolveConfig('tiny', { tasks, evaluation: { puzzles: 1000 } }), (...of) => told.push(of.join(' ')));
  expect(told).toEqual(['maze 5 1000 2020', 'maze 5 2000 2020', 'maze 5 1000 1000']);
});
