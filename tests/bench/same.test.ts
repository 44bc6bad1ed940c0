/**
 * What `npm run same` makes of two runs: planted differences are found and named, and renamed things are no difference.
 */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cases } from '../../bench/same/cases.js';
import { differences } from '../../bench/same/compare.js';
import { allowed } from '../../bench/same/renames.js';
import type { Allowed } from '../../bench/same/renames.js';
import { configOf, keyOf, respell } from '../../bench/same/runs.js';
import { snapshotOf } from '../../bench/same/snapshot.js';
import type { Entry } from '../../bench/same/snapshot.js';
import { resolveConfig } from '../../mgsd/method/config.js';
import { drawRunPuzzles, obstacles } from '../../mgsd/method/obstacles.js';
import { stageNames } from '../../mgsd/runs/order.js';
import type { PresetName } from '../../models/index.js';
import { encodeSafetensors } from '../../models/safetensors.js';
import { useTemporaryFolder } from '../mgsd/temporary.js';

const folder = useTemporaryFolder();

const none: Allowed = {
  files: {},
  log: {},
  json: {},
  tensors: {},
  metadata: {},
  settings: {},
  options: {},
  added: { files: [], log: [], json: [], tensors: [], metadata: [] },
  retired: {},
};

const lines = (...records: readonly object[]) => ({
  text: records.map(record => `${JSON.stringify(record)}\n`).join(''),
});

const log = (losses: readonly number[], more: object = {}) =>
  lines(...losses.map((loss, i) => ({ stage: 'stage1', step: i + 1, loss, ...more })));

const files = (changes: Readonly<Record<string, Entry>> = {}): Record<string, Entry> => ({
  'log.jsonl': log([3, 2, 1]),
  'table.json': { text: '[{"name":"base","items":4,"byLevel":{"maze 3":0.5}}]' },
  'table.md': { text: '| row |\n| 50 |\n\n| peak memory |\n| --- |\n| stage0 | 24 |\n' },
  'checkpoint-stage1-3.safetensors': {
    metadata: { stage: 'stage1', run: '{"preset":"tiny"}', sha256: 'ab' },
    tensors: { 'a.weight': 'F32 [2] 01', m: 'F32 [2] 02' },
  },
  ...changes,
});

describe('comparison', () => {
  it('finds nothing where nothing differs but times, memory and the spelling of the configuration', () => {
    const measured = { samplesPerSecond: 5, hostBytes: 7 };
    const other = files({
      'log.jsonl': log([3, 2, 1], measured),
      'table.json': { text: '[{"items":4,"name":"base","byLevel":{"maze 3":5e-1},"madeFrom":{"weights":"a1"}}]' },
      'table.md': { text: '| row |\n| 50 |\n\n| peak memory |\n| --- |\n| stage0 | 25 |\n' },
      'checkpoint-stage1-3.safetensors': {
        metadata: { stage: 'stage1', run: '{}', sha256: 'cd' },
        tensors: { m: 'F32 [2] 02', 'a.weight': 'F32 [2] 01' },
      },
    });
    expect(differences(files(), other, none)).toEqual([]);
  });

  it('says from which update on a log differs, and in what', () => {
    const other = files({ 'log.jsonl': log([3, 2 + 2 ** -51, 1]) });
    expect(differences(files(), other, none)).toEqual([
      'log.jsonl: from stage1 update 2 on (1 of 3 lines): loss is 2.0000000000000004, not 2',
    ]);
    const [short] = differences(files(), files({ 'log.jsonl': log([3, 2]) }), none);
    expect(short).toBe('log.jsonl: ends after stage1 update 2, 1 line early');
    const [more] = differences(files(), files({ 'log.jsonl': log([3, 2, 1], { skipped: 0 }) }), none);
    expect(more).toBe('log.jsonl: from stage1 update 1 on (3 of 3 lines): skipped is new');
  });

  it('names tensors, places in the table and files', () => {
    const other = files({
      'table.json': { text: '[{"name":"base","items":4,"byLevel":{"maze 3":0.25}}]' },
      'table.md': { text: '| row |\n| 25 |\n' },
      'checkpoint-stage1-3.safetensors': {
        metadata: { stage: 'stage2' },
        tensors: { 'a.weight': 'F32 [3] 03', m: 'F32 [2] 04' },
      },
      'more.json': { text: '{}' },
    });
    expect(differences(files({ 'watch.jsonl': log([]) }), other, none)).toEqual([
      'watch.jsonl is missing',
      'checkpoint-stage1-3.safetensors: tensor a.weight (F32 [3], not F32 [2]) and 1 of 1 other tensors',
      'checkpoint-stage1-3.safetensors: metadata stage is stage2, not stage1',
      'more.json is new',
      'table.json: 0.byLevel.maze 3 is 0.25, not 0.5',
      'table.md: line 2 is "| 25 |", not "| 50 |"',
    ]);
  });

  it('takes renamed, removed and added things for the same', () => {
    const names: Allowed = {
      ...none,
      files: { 'table.json': 'results.json' },
      log: { loss: 'objective', gone: null },
      json: { byLevel: 'levels' },
      tensors: { m: 'first' },
      metadata: { stage: 'phase' },
      added: { ...none.added, log: ['bonus'], files: ['more.txt'] },
    };
    const other = {
      'log.jsonl': lines(...[3, 2, 1].map((objective, i) => ({ stage: 'stage1', step: i + 1, objective, bonus: i }))),
      'results.json': { text: '[{"name":"base","items":4,"levels":{"maze 3":0.5}}]' },
      'table.md': files()['table.md']!,
      'checkpoint-stage1-3.safetensors': {
        metadata: { phase: 'stage1' },
        tensors: { 'a.weight': 'F32 [2] 01', first: 'F32 [2] 02' },
      },
      'more.txt': { text: '' },
    };
    expect(differences(files({ 'log.jsonl': log([3, 2, 1], { gone: 1 }) }), other, names)).toEqual([]);
  });
});

it('reads the folder of a run', () => {
  const data = Float32Array.of(1, 2);
  const encoded = encodeSafetensors(new Map([['a', { dtype: 'F32', shape: [2], data }]]), { stage: 'stage0' });
  writeFileSync(folder.file('checkpoint-stage0-1.safetensors'), encoded);
  writeFileSync(folder.file('log.jsonl'), '{}\n');
  writeFileSync(folder.file('device.json'), '{}');
  const before = snapshotOf(folder.path);
  expect(Object.keys(before)).toEqual(['checkpoint-stage0-1.safetensors', 'log.jsonl']);
  encoded[encoded.length - 1]! ^= 1;
  writeFileSync(folder.file('checkpoint-stage0-1.safetensors'), encoded);
  expect(differences(before, snapshotOf(folder.path), none)).toEqual(['checkpoint-stage0-1.safetensors: tensor a']);
});

describe('cases', () => {
  const [example] = cases;
  const changed = { ...example!, settings: { 'stage1.gate.steps': 4, 'stage2.n': 2, seed: 3 }, options: ['--direct'] };

  it('are told to the working tree in its own spelling', () => {
    const { settings, options } = respell(changed, {
      settings: { 'stage1.gate': 'gate', 'stage2.n': null },
      options: { '--direct': '--baseline' },
    });
    expect(configOf(settings)).toEqual({ gate: { steps: 4 }, seed: 3 });
    expect(options).toEqual(['--baseline']);
  });

  it('have names of their own, and keys that change with them', () => {
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
    expect(keyOf(changed)).not.toBe(keyOf(example!));
    const known = cases.map(({ name }) => name);
    for (const name of Object.keys(allowed.retired)) expect(known).toContain(name);
  });

  it('can all be trained: what the working tree refuses, an older commit may refuse as well, and it would be skipped', () => {
    for (const example of cases) {
      const { settings } = respell(example, allowed);
      const { preset = 'tiny', ...rest } = configOf(settings) as { preset?: PresetName };
      const config = resolveConfig(preset, rest);
      const stages = stageNames.filter(name => name !== 'direct' || example.options?.includes('--direct'));
      expect(obstacles(config, stages), example.name).toEqual([]);
      expect(() => drawRunPuzzles(config), example.name).not.toThrow();
    }
  });
});
