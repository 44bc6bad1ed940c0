import { describe, expect, it } from 'vitest';
import { cosineLearningRate } from '../../core/index.js';

const schedule = { peak: 2e-3, warmup: 10, steps: 110, floor: 0.1 };

describe('cosineLearningRate', () => {
  it('rises in equal steps to the peak, then falls along half a cosine to the floor', () => {
    const rates = Array.from({ length: 110 }, (_, step) => cosineLearningRate(step, schedule));
    for (let step = 0; step < 10; step++) expect(rates[step]).toBeCloseTo((2e-3 * (step + 1)) / 10, 12);
    expect(rates[9]).toBe(2e-3);
    expect(rates[10]).toBe(2e-3);
    expect(rates[60]).toBeCloseTo(2e-3 * 0.55, 12); // half way: the mean of peak and floor
    expect(rates[35]).toBeCloseTo(2e-3 * (0.1 + 0.9 * (0.5 + Math.SQRT1_2 / 2)), 12); // a quarter
    for (let step = 11; step < 110; step++) expect(rates[step]!).toBeLessThan(rates[step - 1]!);
    expect(cosineLearningRate(110, schedule)).toBeCloseTo(2e-4, 12);
  });

  it('stays at the floor after the end, and does without a warm-up', () => {
    expect(cosineLearningRate(500, schedule)).toBeCloseTo(2e-4, 12);
    expect(cosineLearningRate(0, { ...schedule, warmup: 0 })).toBe(2e-3);
    expect(cosineLearningRate(3, { ...schedule, warmup: 5, steps: 5 })).toBeCloseTo(1.6e-3, 12);
    expect(cosineLearningRate(5, { ...schedule, warmup: 5, steps: 5 })).toBe(2e-3);
  });
});
