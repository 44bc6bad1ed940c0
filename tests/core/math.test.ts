import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostMath } from '../../core/index.js';
import { hostBits } from '../mgsd/host-bits.js';

const { cos, exp, log, sin } = hostMath;

/** Two units in the last place of numbers of this size. */
const twoUnits = (value: number) => 2 ** (Math.floor(Math.log2(Math.abs(value))) - 51);

describe('mathematics of the host', () => {
  it.each([
    ['exp', exp, Math.exp, -700, 700],
    ['log', log, Math.log, 1e-300, 1e300],
    ['log', log, Math.log, 0.5, 2],
  ] as const)('%s is that of the engine to two units in the last place', (_, ours, theirs, min, max) => {
    const check = (x: number) =>
      theirs(x) === 0 ? ours(x) === 0 : Math.abs(ours(x) - theirs(x)) <= twoUnits(theirs(x));
    fc.assert(fc.property(fc.double({ min, max, noNaN: true }), check), { numRuns: 2000 });
  });

  it.each([
    ['sin', sin, Math.sin],
    ['cos', cos, Math.cos],
  ] as const)('%s is that of the engine to 4e-16', (_, ours, theirs) => {
    const check = (x: number) => Math.abs(ours(x) - theirs(x)) <= 4e-16;
    fc.assert(fc.property(fc.double({ min: -1000, max: 1000, noNaN: true }), check), { numRuns: 2000 });
  });

  it('knows its limits', () => {
    expect([exp(0), exp(-Infinity), exp(-746), exp(710), exp(NaN)]).toEqual([1, 0, 0, Infinity, NaN]);
    expect(exp(-740) / Math.exp(-740)).toBeCloseTo(1, 3); // subnormal
    expect([log(1), log(0), log(-1), log(Infinity), log(NaN)]).toEqual([0, -Infinity, NaN, Infinity, NaN]);
    expect(log(5e-324) / Math.log(5e-324)).toBeCloseTo(1, 15);
    expect([sin(0), cos(0), sin(Infinity), cos(NaN)]).toEqual([0, 1, NaN, NaN]);
  });

  it('and all that a run takes from it has the same bits in every engine', () => {
    expect(hostBits()).toMatchInlineSnapshot(`
      {
        "colours": "ef2bfbd742623ec9",
        "cos": "c1d86dec5cca1fbd",
        "exp": "fac360fb6f359531",
        "features": "8c1fe05f4cd30801",
        "log": "87f0b616215712e7",
        "normal": "80290d5122eb75eb",
        "pictures": "c14cc197aaf32c2a",
        "rate": "278458fd616a2de0",
        "sin": "1df82a86231cc459",
      }
    `);
  });
});
