/** `eval --perturb` and `eval --curve`. */
import fs from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { jsonLines, run, untrainedCheckpoint } from '../capture.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();
let checkpoint: Uint8Array;
beforeAll(async () => {
  checkpoint = await untrainedCheckpoint();
});

function evaluated(...flags: string[]) {
  fs.writeFileSync(temporary.file('model.safetensors'), checkpoint);
  return run(
    'eval',
    temporary.file('model.safetensors'),
    '--device',
    'cpu',
    '--puzzles',
    '2',
    '--level',
    '3',
    ...flags,
  );
}

interface Line {
  readonly perturb: readonly { readonly kind: string; readonly strength: number }[];
  readonly response: readonly number[];
}

test('a curve has a point for every strength, those of --perturb below it, and all of its items', async () => {
  const items = temporary.file('items.jsonl');
  const { code, out } = await evaluated(
    '--curve',
    'blur',
    '--curve',
    'noise',
    '--perturb',
    'tilt=0.2',
    '--json',
    '--items',
    items,
  );
  expect(code).toBe(0);
  const result = JSON.parse(out) as {
    curves: { kind: string; unit: string; points: { strength: number; items: number }[] }[];
  };
  expect(result).toMatchObject({ perturb: [{ kind: 'tilt', strength: 0.2 }] });
  expect(result.curves.map(({ kind }) => kind)).toEqual(['noise', 'blur']);
  for (const { unit, points } of result.curves) {
    expect(unit).toMatch(/deviation/);
    expect(points.map(({ strength, items: count }) => [strength, count])).toEqual(
      [0, 0.1, 0.25, 0.5, 0.75, 1].map(strength => [strength, 2]),
    );
  }
  const lines = jsonLines<Line>(fs.readFileSync(items, 'utf8'));
  expect(lines).toHaveLength(2 * (1 + 5 + 5));
  expect(lines.map(({ perturb }) => perturb.map(({ kind }) => kind).join())).toEqual([
    ...['tilt', 'tilt'],
    ...new Array<string>(10).fill('tilt,noise'),
    ...new Array<string>(10).fill('tilt,blur'),
  ]);
});

test('--curve all prints a table of every kind with its unit', async () => {
  const { code, out } = await evaluated('--curve', 'all', '--input', 'symbolic');
  expect(code).toBe(0);
  for (const kind of ['noise', 'blur', 'contrast', 'margin', 'tilt']) {
    expect(out).toMatch(new RegExp(`^│ ${kind} .*\\n│ recap exact %`, 'm'));
    expect(out).toMatch(new RegExp(`^${kind} 1: `, 'm'));
  }
});

test('strength 0 shows the pictures as they are, and what is shown decides what is answered', async () => {
  const responses = async (...flags: string[]) => {
    const items = temporary.file('items.jsonl');
    expect((await evaluated('--items', items, ...flags)).code).toBe(0);
    return jsonLines<Line>(fs.readFileSync(items, 'utf8')).map(({ response }) => response);
  };
  const plain = await responses();
  expect(await responses('--perturb', 'noise=0')).toEqual(plain);
  expect(await responses('--perturb', 'noise=1')).not.toEqual(plain);
  expect(await responses('--style', 'random')).not.toEqual(plain);
});

test.each([
  ['a strength above 1', ['--perturb', 'noise=2'], /noise=2.*strength from 0 to 1, as in noise=0\.1/],
  ['a strength that is no number', ['--perturb', 'noise='], /as in noise=0\.1/],
  ['a strength in another notation', ['--perturb', 'noise=0x1'], /as in noise=0\.1/],
  ['two strengths', ['--perturb', 'noise=0.1=0.2'], /as in noise=0\.1/],
  ['an unknown kind', ['--perturb', 'fog=0.1'], /noise, blur, contrast, margin, tilt/],
  ['the curve of an unknown kind', ['--curve', 'fog'], /Choose from noise, blur, contrast, margin, tilt, all/],
  ['symbols only', ['--perturb', 'noise=0.1', '--input', 'symbolic'], /--input symbolic shows none: add --input image/],
  ['a dump', ['--perturb', 'noise=0.1', '--dump', 'x.safetensors'], /leave --perturb out/],
])('%s is refused in one line', async (_, flags, message) => {
  const { code, err } = await evaluated(...flags);
  expect([code, err.trim().split('\n').length]).toEqual([2, 1]);
  expect(err).toMatch(message);
});
