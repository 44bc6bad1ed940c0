import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ablate, plannedRuns, runConfig } from '../../../mgsd/ablation/ablate.js';
import { ablationNames, ablationRows, plannedImages, rowConfig, scaled } from '../../../mgsd/ablation/rows.js';
import type { AblationName } from '../../../mgsd/ablation/rows.js';
import { ablationMarkdown, ablationTable } from '../../../mgsd/ablation/table.js';
import type { AblationResult, SeedItems } from '../../../mgsd/ablation/table.js';
import { resolveConfig } from '../../../mgsd/method/config.js';
import type { ItemResult } from '../../../mgsd/evaluation/evaluate.js';
import { RunFolder } from '../../../mgsd/runs/run-folder.js';
import { Interrupted } from '../../../mgsd/runs/train-options.js';
import type { TrainObserver } from '../../../mgsd/runs/train-options.js';
import { cpu } from '../../core/devices.js';
import { run } from '../capture.js';
import { miniature } from '../../models/miniature.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();

const sets = [
  'tasks.0.levels=[3]',
  'tasks.0.pool.3=60',
  'stage0.steps=2',
  'stage0.batch=4',
  'stage1.steps=3',
  'stage1.batch=4',
  'stage2.steps=2',
  'stage2.batch=2',
  ...['stage0', 'stage1', 'stage2'].map(stage => `${stage}.warmup=0`),
  'evaluation.puzzles=4',
];
const options = [...sets.flatMap(text => ['--set', text]), '--device', 'wasm', '--threads', '1'];

describe('rows', () => {
  const tiny = resolveConfig('tiny');
  const worlds = resolveConfig('worlds');

  it.each(ablationNames)('%s is a sensible configuration that uses as many images as the method', name => {
    for (const config of [tiny, worlds]) {
      const images = plannedImages(config);
      const row = ablationRows[name];
      const own = rowConfig(row, config, images);
      const last = row.stages.at(-1)!;
      const used =
        row.stages.includes('direct') || last === 'stage1' ? own.stage1.steps * own.stage1.batch : plannedImages(own);
      if (last !== 'stage0') expect(Math.abs(used - images)).toBeLessThanOrEqual(own.stage1.batch);
      if (name !== 'plan-teacher') expect(own.stage0).toEqual(config.stage0); // the same planner
    }
  });

  it('are those of the paper unless others are asked for, and need their runs in an order', () => {
    const needed: AblationName[] = [
      'base',
      'stage1',
      'stage2',
      'mgsd',
      'off-policy',
      'forward-kl',
      'sampled',
      'oracle',
      'direct',
      'symbolic',
    ];
    expect(ablationNames).toEqual(expect.arrayContaining(needed));
    const names = (rows: AblationName[]) =>
      plannedRuns('out', rows, [4]).map(({ name, stages }) => [name, stages.at(-1)]);
    expect(names(['symbolic', 'base'])).toEqual([['mgsd', 'stage0']]);
    expect(names(['direct'])).toEqual([
      ['mgsd', 'stage2'],
      ['direct', 'direct'],
    ]); // its number of images is what MGSD uses
    expect(names(['sampled', 'base'])).toEqual([
      ['mgsd', 'stage0'],
      ['sampled', 'stage2'],
    ]);
    const [run] = plannedRuns('out', ['mgsd'], [4]);
    expect(runConfig(run!, tiny, plannedImages(tiny))).toEqual({ ...tiny, seed: 4 });
  });

  it('are scaled by the numbers of updates', () => {
    const small = scaled(worlds, 0.1);
    expect([small.stage0.steps, small.stage1.steps, small.stage2.steps]).toEqual(
      [worlds.stage0.steps, worlds.stage1.steps, worlds.stage2.steps].map(steps => Math.round(steps / 10)),
    );
    expect(small.stage0.warmup).toBe(Math.round(worlds.stage0.warmup / 10));
  });
});

describe('the table', () => {
  const item = (k: number, success: boolean): ItemResult => ({
    ...{ world: 'frozenlake', level: 3, key: `k${k}`, layout: `l${k >> 1}`, detour: false, success, optimal: success },
    ...{ recapExact: true, reason: success ? 'goal' : 'hole', response: [] },
  });
  const seedItems = (rate: number, seed: number): SeedItems => ({
    ...{ seed, images: 10 },
    items: Array.from({ length: 100 }, (_, k) => item(k, (k * 37 + 11 * seed) % 100 < 100 * rate)),
  });
  const rates: readonly (readonly [AblationName, number, number])[] = [
    ['base', 0.1, 0.1],
    ['mgsd', 0.9, 0.8],
    ['sampled', 0.5, 0.5],
    ['oracle', 0.85, 0.85],
    ['symbolic', 0.9, 0.9],
  ];
  const rows = () => ablationTable(new Map(rates.map(([name, ...two]) => [name, two.map(seedItems)])));
  const byName = (table: readonly AblationResult[], name: AblationName) => table.find(row => row.name === name)!;

  it('holds means over seeds, the gap closed, and paired differences', () => {
    const table = rows();
    expect(byName(table, 'mgsd').success.value).toBeCloseTo(0.85);
    expect(byName(table, 'mgsd').seeds.map(({ success }) => success)).toEqual([0.9, 0.8]);
    expect(byName(table, 'mgsd').gapClosed!.value).toBeCloseTo((0.85 - 0.1) / (0.9 - 0.1));
    expect([byName(table, 'symbolic').gapClosed, byName(table, 'mgsd').difference]).toEqual([null, null]);
    const sampled = byName(table, 'sampled');
    expect(sampled.difference!.value).toBeCloseTo(-0.35);
    expect(sampled.differs).toBe(true);
    expect(byName(table, 'oracle').difference!.value).toBeCloseTo(0);
    expect(byName(table, 'oracle').differs).toBe(false); // worse for one seed, better for the other
  });

  it('compares over the seeds that all rows have', () => {
    const [first, second] = [seedItems(0.5, 1), seedItems(0.7, 2)];
    const table = ablationTable(
      new Map([
        ['mgsd', [first, second]],
        ['sampled', [second]],
      ]),
    );
    expect(table.map(({ seeds }) => seeds.map(({ seed }) => seed))).toEqual([[2], [2]]);
    expect(() =>
      ablationTable(
        new Map([
          ['mgsd', [first]],
          ['sampled', [second]],
        ]),
      ),
    ).toThrow(/no seed/);
  });

  it('is Markdown with as many cells in every line, and says how it was made', () => {
    const text = ablationMarkdown(rows(), 'mgsd-lite ablate --seeds 0,1');
    const lines = text.split('\n').filter(line => line.startsWith('|'));
    expect(lines).toHaveLength(7);
    expect(new Set(lines.map(line => line.split('|').length)).size).toBe(1);
    expect(text).toContain('-35.0 (');
    expect(text).toContain('Made by `mgsd-lite ablate --seeds 0,1`.');
  });
});

const config = resolveConfig('tiny', {
  tasks: [{ world: 'frozenlake', levels: [3], pool: { '3': 40 } }],
  ...{ stage0: { steps: 2, batch: 3 }, stage1: { steps: 3, batch: 4 }, stage2: { steps: 2, batch: 3 } },
  evaluation: { puzzles: 3 },
});

describe('ablate', () => {
  const rows: readonly AblationName[] = ['base', 'stage1', 'mgsd', 'forward-kl', 'direct', 'symbolic'];
  const stepsOf = (seen: string[]): TrainObserver => ({ onStep: ({ stage }) => void seen.push(stage) });

  it('shares what runs have in common, counts images, stops, goes on, and ends with the same table', async () => {
    const notes: string[] = [];
    const seen: string[] = [];
    const common = {
      config,
      rows,
      seeds: [7],
      device: cpu,
      model: miniature,
      command: 'mgsd-lite ablate',
      onNote: (note: string) => void notes.push(note),
    };
    const straight = await ablate({ ...common, out: temporary.file('a'), observer: stepsOf(seen) });
    expect(seen.filter(stage => stage === 'stage0')).toHaveLength(2); // once for four runs
    expect(seen.filter(stage => stage === 'stage1')).toHaveLength(3 + 5); // MGSD and forward KL share one
    expect(notes.filter(note => note.startsWith('stage0 is that of'))).toHaveLength(3);
    expect(notes.filter(note => note.startsWith('stage1 is that of'))).toHaveLength(1);
    expect(straight.map(({ name, seeds }) => [name, seeds[0]!.images])).toEqual([
      ['base', 0],
      ['stage1', 20], // 18, in whole batches of 4
      ['mgsd', 18],
      ['forward-kl', 18],
      ['direct', 20],
      ['symbolic', 0],
    ]);
    const written = JSON.parse(fs.readFileSync(temporary.file('a/ablation.json'), 'utf8')) as { rows: unknown };
    expect(written.rows).toEqual(JSON.parse(JSON.stringify(straight)));

    const busy = RunFolder.open(temporary.file('a/seed7/forward-kl'));
    notes.length = 0;
    await ablate({ ...common, rows: ['mgsd', 'sampled'], out: temporary.file('a') });
    busy.close();
    expect(notes.filter(note => note.includes('forward-kl'))).toEqual([]); // another process is at it
    expect(notes.filter(note => note.startsWith('stage1 is that of'))).toHaveLength(1);

    const stop = new AbortController();
    const stopping: TrainObserver = {
      onStep: ({ stage, step }) => {
        if (stage === 'stage2' && step === 1) stop.abort();
      },
    };
    const out = temporary.file('b');
    await expect(ablate({ ...common, out, signal: stop.signal, observer: stopping })).rejects.toThrow(Interrupted);
    const after: string[] = [];
    const resumed = await ablate({ ...common, out, observer: stepsOf(after) });
    expect(after.filter(stage => stage === 'stage0')).toEqual([]);
    expect(JSON.stringify(resumed)).toBe(JSON.stringify(straight));

    const states: string[] = [];
    await ablate({ ...common, out, onRun: (_, state) => void states.push(state) });
    expect(new Set(states)).toEqual(new Set(['complete']));
    const folder = RunFolder.open(path.join(out, 'seed7/forward-kl'));
    expect(new Set(folder.readLog().map(({ stage }) => stage))).toEqual(new Set(['stage0', 'stage1', 'stage2']));
    folder.close();
    const other = resolveConfig('tiny', config, { stage2: { batch: 2 } });
    await expect(ablate({ ...common, config: other, out })).rejects.toThrow(
      /seed7.mgsd was begun with another configuration/,
    );
  });
});

describe('on the command line', () => {
  it('trains and writes the table', async () => {
    const out = temporary.file('ablation');
    const args = ['ablate', '--rows', 'base,mgsd,symbolic', '--seeds', '1', '--out', out, ...options];
    const { code, out: text, err } = await run(...args);
    expect([code, err]).toEqual([0, '']);
    expect(text).toContain(`run 1 of 1: ${path.join(out, 'seed1', 'mgsd')} begins`);
    expect(text).toMatch(/ablation\.md and .*ablation\.json hold the table$/);
    const markdown = fs.readFileSync(path.join(out, 'ablation.md'), 'utf8');
    expect(markdown).toMatch(/\| MGSD \(stages 1 \+ 2\) \|/);
    expect(markdown).toContain("--set 'tasks.0.levels=[3]'");
    expect(markdown).toContain('--rows base,mgsd,symbolic --seeds 1');
  });

  it('estimates without training, and refuses what does not exist', async () => {
    const out = temporary.file('nothing');
    const args = ['--rows', 'mgsd,sampled', '--seeds', '1,2', '--out', out, '--dry-run', '--json', ...options];
    const { code, out: text } = await run('ablate', ...args);
    expect(code).toBe(0);
    const plan = JSON.parse(text) as { images: number; runs: { name: string; trains: string[]; seconds: number }[] };
    expect(plan.images).toBe(3 * 4 + 2 * 2);
    expect(plan.runs.map(({ name, trains }) => [name, trains.join()])).toEqual([
      ['mgsd', 'stage0,stage1,stage2'],
      ['sampled', 'stage2'],
      ['mgsd', 'stage0,stage1,stage2'],
      ['sampled', 'stage2'],
    ]);
    expect(plan.runs.every(({ seconds }) => seconds > 0)).toBe(true);
    expect(fs.existsSync(out)).toBe(false);
    expect(await run('ablate', '--rows', 'base,magic')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/'base,magic' is invalid. Choose from base, stage1/) as string,
    });
    expect(await run('ablate', '--scale', '0')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/above 0/) as string,
    });
  });
});
