/** The soak test (bench/soak.ts) in small. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../core/index.js';
import { crashRuns } from '../../bench/soak/crashes.js';
import { fuzz, fuzzKinds, requireClear } from '../../bench/soak/fuzz.js';
import { killRuns } from '../../bench/soak/kills.js';
import { memoryOverSteps } from '../../bench/soak/memory.js';
import { runBadCommands } from '../../bench/soak/processes.js';
import { useTemporaryFolder } from '../mgsd/temporary.js';

const temporary = useTemporaryFolder();
const child = path.join(import.meta.dirname, '../../dist/bench/soak/child.js');

it('a run that is killed at random instants loses nothing, and ends with the files of a straight one', async () => {
  const { kills, problems, finishedRuns, checkpointsRead } = await killRuns(6, temporary.path, 1, child);
  expect(problems).toEqual([]);
  expect(kills).toBe(6);
  expect(finishedRuns).toBeGreaterThan(0);
  expect(checkpointsRead).toBeGreaterThan(6);
}, 300_000);

it('a run that dies before a write, an appended line or a removal leaves the files of a straight one', async () => {
  const device = await openDevice('wasm', { threads: 1 });
  const { crashes, problems } = await crashRuns(device, temporary.path, 11, 5); // `npm run soak` does all of them
  await device.close();
  expect(problems).toEqual([]);
  expect(crashes).toBeGreaterThan(8);
}, 300_000);

describe('bad input', () => {
  it.each(fuzzKinds)('in $name is used or refused with one clear line', async kind => {
    const { inputs, problems } = await fuzz(kind, 60, temporary.file('inputs'), Number(process.env['FUZZ_SEED'] ?? 1));
    expect(problems).toEqual([]);
    expect(inputs).toBe(60);
  });

  it('given to the real command ends it with one line and exit code 2', () => {
    const { problems } = runBadCommands(10, temporary.path, 2);
    expect(problems).toEqual([]);
  }, 300_000);

  it('is told apart from accidents', () => {
    requireClear(new Error('the file is cut off'), 'here');
    requireClear(new RangeError('7 bytes are no RGB image of 3 x 3 pixels.'), 'here');
    for (const accident of [
      new TypeError("Cannot read properties of undefined (reading 'x')"),
      new RangeError('Invalid array length'),
      new Error('two\nlines'),
      new Error(''),
      'text',
    ])
      expect(() => requireClear(accident, 'here')).toThrow(/^here: /);
  });
});

it.each([true, false])(
  'memory is flat over steps whose rollouts have changing lengths (launch by launch: %s)',
  async eager => {
    const device = await openDevice('wasm', { threads: 1 });
    const { problems, responseTokens } = await memoryOverSteps(device, eager ? 100 : 400, eager);
    await device.close();
    expect(problems).toEqual([]);
    expect(responseTokens[1]).toBeGreaterThan(responseTokens[0]);
  },
  300_000,
);
