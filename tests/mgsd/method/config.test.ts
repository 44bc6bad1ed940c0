import { describe, expect, it } from 'vitest';
import { modelPresets } from '../../../models/index.js';
import { modelConfigOf, parseOverride, presets, resolveConfig } from '../../../mgsd/method/config.js';
import { maximumPromptLength, maximumResponseLength } from '../../../mgsd/method/response.js';
import { createWorldByName } from '../../../mgsd/worlds/registry.js';

describe('presets', () => {
  it.each(Object.entries(presets))('%s is valid, and its puzzles fit its model', (name, config) => {
    expect(resolveConfig(config.preset)).toEqual(config);
    expect(config.preset).toBe(name);
    const model = modelPresets[config.preset];
    for (const task of config.tasks) {
      const world = createWorldByName(task.world, task.options);
      for (const level of task.levels) {
        expect(maximumPromptLength(world, level)).toBeLessThanOrEqual(model.promptPositions);
        expect(maximumResponseLength(world, level)).toBeLessThanOrEqual(model.responsePositions);
      }
    }
  });
});

describe('resolveConfig', () => {
  it('merges objects key by key, later changes winning, and leaves the preset as it was', () => {
    const before = structuredClone(presets.tiny);
    const config = resolveConfig(
      'tiny',
      { stage0: { steps: 5, noise: { recapTokens: 0.5 } } },
      { stage0: { steps: 6 } },
      { seed: 3 },
    );
    expect(config).toEqual({
      ...before,
      seed: 3,
      stage0: { ...before.stage0, steps: 6, noise: { ...before.stage0.noise, recapTokens: 0.5 } },
    });
    expect(presets.tiny).toEqual(before);
    expect(resolveConfig('tiny', { seed: undefined }).seed).toBe(1);
  });

  it('takes a prompt dropout by world, and adds to it world by world', () => {
    const [lake, both] = [{ promptDropout: { frozenlake: 0.1 } }, parseOverride('stage0.promptDropout.maze=0.3')];
    expect(resolveConfig('tiny', { stage0: lake }, both).stage0.promptDropout).toEqual({ frozenlake: 0.1, maze: 0.3 });
  });

  it("changes sizes of the preset's model, one by one", () => {
    expect(modelConfigOf(resolveConfig('tiny'))).toBe(modelPresets.tiny);
    const config = resolveConfig('tiny', parseOverride('model.coordinates=8'), { model: { layers: 2 } });
    expect(modelConfigOf(config)).toEqual({ ...modelPresets.tiny, coordinates: 8, layers: 2 });
  });

  it('replaces lists', () => {
    const tasks = [{ world: 'frozenlake', levels: [3], pool: { '3': 10 } }];
    expect(resolveConfig('tiny', { tasks }).tasks).toEqual(tasks);
  });

  const broken: [unknown, RegExp][] = [
    [{ stage9: {} }, /stage9/],
    [{ model: { coordinates: -1 } }, /model\.coordinates/],
    [{ model: { depth: 3 } }, /model: .*depth/],
    [{ model: { width: 72, heads: 5 } }, /width \(72\) must be a multiple of heads \(5\)/],
    [{ stage0: { stepz: 5 } }, /stage0: .*stepz/],
    [{ stage0: { steps: -1 } }, /stage0\.steps/],
    [{ stage0: { learningRate: '1e-3' } }, /stage0\.learningRate: .*number/],
    [{ stage2: { divergence: 'forward' } }, /stage2\.divergence: .*reverse_kl/],
    [{ stage2: { temperature: 0 } }, /stage2\.temperature/],
    [{ seed: 1.5 }, /seed: /],
    [{ seed: 2 ** 31 }, /seed: /],
    [{ stage0: { promptDropout: { chess: 0.1 } } }, /stage0\.promptDropout.*chess/],
    [{ stage0: { promptDropout: { maze: 2 } } }, /stage0\.promptDropout/],
    [{ stage1: { mismatch: 2 } }, /stage1\.mismatch: /],
    [{ stage2: { mismatchWeight: -1 } }, /stage2\.mismatchWeight: /],
    [{ tasks: [] }, /tasks: /],
    [{ tasks: [{ world: 'chess', levels: [3], pool: { '3': 1 } }] }, /world: .*frozenlake/],
    [{ tasks: [{ world: 'frozenlake', levels: [9], pool: { '9': 1 } }] }, /levels/],
    [
      { tasks: [{ world: 'frozenlake', levels: [3, 4], pool: { '3': 1 } }] },
      /board size 4 but its pool says not how many puzzles/,
    ],
    ['text', /config/],
  ];
  it.each(broken)('refuses %j in one line that names the field', (change, message) => {
    const resolve = () => resolveConfig('tiny', change);
    expect(resolve).toThrow(message);
    expect(resolve).toThrow(/^configuration: [^\n]*$/);
  });

  it('names every wrong field at once', () => {
    expect(() => resolveConfig('tiny', { seed: -1, stage1: { batch: 0 } })).toThrow(/seed.*stage1\.batch/s);
  });
});

describe('parseOverride', () => {
  it('reads a path and a JSON value, or text where it is not JSON', () => {
    expect(parseOverride('seed=7')).toEqual({ seed: 7 });
    expect(parseOverride('stage0.noise.recapTokens=0.5')).toEqual({ stage0: { noise: { recapTokens: 0.5 } } });
    expect(parseOverride('stage2.divergence=forward_kl')).toEqual({ stage2: { divergence: 'forward_kl' } });
    expect(parseOverride('stage2.maskAfterFatal=false')).toEqual({ stage2: { maskAfterFatal: false } });
    expect(resolveConfig('tiny', parseOverride('stage0.learningRate=1e-3')).stage0.learningRate).toBe(1e-3);
    expect(parseOverride('a=b=c')).toEqual({ a: 'b=c' });
  });

  it('refuses what has no path or no equals sign', () => {
    for (const text of ['seed', '=7', ''])
      expect(() => parseOverride(text)).toThrow(/is not an override; write path=value/);
  });
});
