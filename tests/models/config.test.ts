import { describe, expect, it } from 'vitest';
import { sizeOf } from '../../core/index.js';
import { modelPresets, parameterSpecs, patchCount, validateModelConfig, vocabulary } from '../../models/index.js';
import type { ModelConfig } from '../../models/index.js';
import { miniature } from './miniature.js';

describe('model configs', () => {
  it.each(Object.entries(modelPresets))('preset %s is valid and fits the vocabulary', (_, config) => {
    expect(validateModelConfig(config)).toBe(config);
    expect(config.vocabulary).toBe(vocabulary.VOCABULARY_SIZE);
  });

  it('presets have the sizes that their comments state', () => {
    const millions = (config: ModelConfig) =>
      parameterSpecs(config).reduce((sum, { shape }) => sum + sizeOf(shape), 0) / 1e6;
    expect(millions(modelPresets.tiny)).toBeCloseTo(0.36, 1);
    expect(millions(modelPresets.small)).toBeCloseTo(0.46, 1);
    expect(millions(modelPresets.base)).toBeCloseTo(7.3, 1);
    expect(millions(modelPresets.large)).toBeCloseTo(30.4, 1);
  });

  it('counts patches', () => {
    expect(patchCount(miniature)).toBe(4);
    expect(patchCount(modelPresets.tiny)).toBe(36);
  });

  const broken: [Partial<ModelConfig>, RegExp][] = [
    [{ layers: 0 }, /layers must be a positive whole number, it is 0/],
    [{ width: 8.5 }, /width must be a positive whole number, it is 8.5/],
    [{ imageSize: 10 }, /imageSize \(10\) must be a multiple of patchSize \(4\)/],
    [{ heads: 3 }, /width \(8\) must be a multiple of heads \(3\)/],
    [{ visionHeads: 5 }, /visionWidth \(8\) must be a multiple of visionHeads \(5\)/],
    [{ layers: 1e6 }, /layers is 1000000, and can be 1024 at most/],
    [{ width: 1e9 }, /width is 1000000000, and can be 65536 at most/],
    [{ width: 65_536 }, /2 blocks of width 65536 and .* have 103079216640 parameters, and can have 1073741824 at most/],
    [{ promptPositions: 5 }, /4 image patches and two prompt tokens do not fit into promptPositions 5/],
  ];
  it.each(broken)('refuses %o by name', (change, message) => {
    expect(() => validateModelConfig({ ...miniature, ...change })).toThrow(message);
  });
});

describe('parameter specs', () => {
  it('names are unique; matrices decay and the rest does not', () => {
    const specs = parameterSpecs(miniature);
    expect(new Set(specs.map(({ name }) => name)).size).toBe(specs.length);
    for (const { name, group } of specs) {
      expect(group.startsWith(name.split('.')[0]!), name).toBe(true);
      expect(group.endsWith('.matrix'), name).toBe(name.endsWith('.weight'));
    }
  });
});
