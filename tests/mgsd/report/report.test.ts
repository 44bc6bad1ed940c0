import fc from 'fast-check';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ItemResult } from '../../../mgsd/evaluation/evaluate.js';
import { storedConfig } from '../../../mgsd/cli/run-choice.js';
import { chooseItems, heldOutPuzzles, puzzleKey, worstFailures } from '../../../mgsd/report/choose.js';
import { readRun, updateSeconds } from '../../../mgsd/report/run-data.js';
import { rowTitles } from '../../../mgsd/evaluation/table.js';
import { run, tinyRun } from '../capture.js';
import { readHtml } from './html.js';
import type { HtmlElement } from './html.js';
import { config, hostile, makeRun, puzzles } from './run.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();

const readPage = (file: string) => readHtml(fs.readFileSync(file, 'utf8'));
const having = (elements: readonly HtmlElement[], className: string) =>
  elements.filter(({ attributes }) => attributes.get('class')?.split(' ').includes(className));
const textOf = (elements: readonly HtmlElement[]) => elements.find(({ name }) => name === 'body')!.text;

describe('mgsd-lite report', () => {
  it('writes one well-formed page that needs nothing else, with every row and puzzle', async () => {
    const { folder } = await makeRun(temporary.file('<i>run'), { checkpoints: true });
    const { code, out, err } = await run('report', folder, '--device', 'cpu', '--json');
    expect([code, err]).toEqual([0, '']);
    const file = path.join(folder, 'report.html');
    expect(JSON.parse(out)).toEqual({ file, bytes: fs.statSync(file).size, puzzles: 12 });

    const elements = readPage(file);
    for (const { name, attributes } of elements) {
      for (const key of ['src', 'href'])
        if (attributes.has(key)) expect(attributes.get(key), name).toMatch(/^(data:|#)/);
      expect([...attributes.keys()].filter(key => key.startsWith('on'))).toEqual([]);
    }
    for (const style of elements.filter(({ name }) => name === 'style'))
      expect(style.text).not.toMatch(/url\(|@import/);
    const text = textOf(elements);
    for (const row of ['base', 'stage1', 'mgsd', 'symbolic', 'mgsd-blank', 'mgsd-shuffled'] as const)
      expect(text).toContain(rowTitles[row].replace("'", '&#39;'));
    expect(text).not.toContain(rowTitles.direct);

    expect(having(elements, 'puzzle')).toHaveLength(12);
    const titles = elements.filter(({ name, text: title }) => name === 'h3' && title.includes('FrozenLake 3 × 3'));
    expect(titles).toHaveLength(12);
    expect(
      elements.filter(
        ({ name, attributes }) => name === 'img' && attributes.get('src')!.startsWith('data:image/png;base64,'),
      ),
    ).toHaveLength(12);
    expect(having(elements, 'strip')).toHaveLength(24); // after stage 1 and after stage 2
    expect(
      having(elements, 'tip').every(({ text: tip }) =>
        /nats\. .*The student wrote .*The teacher, who sees the symbols: /s.test(tip),
      ),
    ).toBe(true);
    expect(text).toContain('stage 2, update 5'); // a checkpoint between the ends of stages
    expect(having(elements, 'imagined').length).toBeGreaterThan(0);
  });

  it('turns nothing from a file into markup', async () => {
    const { folder } = await makeRun(temporary.file('run'));
    expect((await run('report', folder, '--no-models')).code).toBe(0);
    const page = fs.readFileSync(path.join(folder, 'report.html'), 'utf8');
    const elements = readHtml(page);
    expect(textOf(elements)).toContain('&lt;/script&gt;&lt;img src=&quot;http://evil.example/x&quot;');
    expect(page).not.toContain('<img src="http');
    const data = elements.filter(({ attributes }) => attributes.get('type') === 'application/json');
    const plots = data.map(({ text }) => JSON.parse(text) as { curves: { label: string }[] });
    expect(plots.flatMap(({ curves }) => curves.map(({ label }) => label))).toContain(hostile);
    const policy = elements.find(({ attributes }) => attributes.get('http-equiv') === 'Content-Security-Policy')!;
    expect(policy.attributes.get('content')).toMatch(/^default-src &#39;none&#39;; .*script-src &#39;sha256-/);
  });

  it('shows an unfinished run as far as it is', async () => {
    const { folder } = await makeRun(temporary.file('run'), { unfinished: true });
    const { code, out } = await run('report', folder, '--no-models', '--puzzles', '3');
    expect([code, out]).toEqual([0, expect.stringMatching(/report\.html \(.*, 3 puzzles\)/)]);
    const elements = readPage(path.join(folder, 'report.html'));
    expect(textOf(elements)).toMatch(/not finished; begun \d{4}-/);
    expect(having(elements, 'puzzle')).toHaveLength(3);
    expect(having(elements, 'strip')).toHaveLength(0);
  });

  it('shows a run that has just begun', async () => {
    fs.mkdirSync(temporary.file('run'));
    fs.writeFileSync(temporary.file('run/config.json'), JSON.stringify(config));
    expect((await run('report', temporary.file('run'), '--no-models')).code).toBe(0);
    expect(textOf(readPage(temporary.file('run/report.html')))).toContain('Nothing has been evaluated yet');
  });

  it('puts several runs side by side: rows, curves, differences', async () => {
    const first = await makeRun(temporary.file('one'));
    const second = await makeRun(temporary.file('two'), { changes: { seed: 7, stage2: { estimator: 'sampled' } } });
    expect((await run('report', first.folder, second.folder, '--no-models')).code).toBe(0);
    const elements = readPage(temporary.file('comparison.html'));
    const heads = elements.filter(({ name, attributes }) => name === 'th' && attributes.get('scope') === 'row');
    for (const name of ['one', 'two']) expect(heads.filter(({ text }) => text.endsWith(name))).toHaveLength(6);
    const data = elements.filter(({ attributes }) => attributes.get('type') === 'application/json');
    for (const { text } of data)
      expect((JSON.parse(text) as { curves: { label: string }[] }).curves.map(({ label }) => label)).toEqual([
        'one',
        'two',
      ]);
    const cells = elements.filter(({ name }) => name === 'td').map(({ text }) => text);
    expect(cells.join('|')).toContain('1|7|&quot;full&quot;|&quot;sampled&quot;'); // seed, stage2.estimator
  });

  it('replaces an older report, and nothing else', async () => {
    const { folder } = await makeRun(temporary.file('run'), { unfinished: true });
    for (let time = 0; time < 2; time++) expect((await run('report', folder, '--no-models')).code).toBe(0);
    const before = fs.readFileSync(path.join(folder, 'config.json'));
    const { code, err } = await run('report', folder, '--no-models', '--out', path.join(folder, 'config.json'));
    expect([code, err]).toEqual([2, expect.stringMatching(/^error: .*config\.json is there already.*--out/)]);
    expect(fs.readFileSync(path.join(folder, 'config.json'))).toEqual(before);
  });

  it('refuses what is no run', async () => {
    const { code, err } = await run('report', temporary.path);
    expect([code, err]).toEqual([2, expect.stringMatching(/is not the folder of a run/)]);
  });

  it('is written at the end of a training, which also notes its device', async () => {
    const folder = temporary.file('run');
    const { code, out } = await run('train', '--out', folder, ...tinyRun);
    expect([code, out]).toEqual([0, expect.stringContaining(path.join(folder, 'report.html'))]);
    const elements = readPage(path.join(folder, 'report.html'));
    expect(having(elements, 'puzzle')).toHaveLength(6);
    const { description } = JSON.parse(fs.readFileSync(path.join(folder, 'device.json'), 'utf8')) as {
      description: string;
    };
    expect(description).toMatch(/wasm/);
    expect(textOf(elements)).toContain(description);
  });
});

describe('what is read of a run', () => {
  it('leaves out what is damaged, and says so', async () => {
    const { folder } = await makeRun(temporary.file('run'), { unfinished: true });
    fs.writeFileSync(path.join(folder, 'evaluation-base.json'), '[{"world": 3}]');
    fs.writeFileSync(path.join(folder, 'device.json'), '{');
    fs.appendFileSync(
      path.join(folder, 'log.jsonl'),
      '\nnull\n{"stage":"stage9","step":1}\n{"stage":"stage0","step":51,"loss":1}\n',
    );
    const warnings: string[] = [];
    const read = readRun(folder, storedConfig(folder), message => warnings.push(message));
    expect([...read.rows.keys()]).toEqual(['symbolic']);
    expect(read.table.map(({ name }) => name)).toEqual(['symbolic']);
    expect(read.device).toBeNull();
    expect(read.log.filter(({ stage }) => stage === 'stage0')).toHaveLength(51);
    expect(warnings).toEqual([
      expect.stringMatching(/row "base" is left out: .*evaluation-base\.json holds no results/),
      expect.stringMatching(/log\.jsonl, line 51, column 22: .* the line was left out/),
      expect.stringMatching(/log\.jsonl, line 52: it names no stage and step; the line was left out/),
      expect.stringMatching(/device\.json is left out: .* not valid JSON/),
    ]);
    expect(updateSeconds(read, 'stage0')).toBeCloseTo(50); // 64 puzzles an update at 64 a second
  });

  it('keeps rows over other puzzles out of the table', async () => {
    const { folder, items } = await makeRun(temporary.file('run'));
    fs.writeFileSync(path.join(folder, 'evaluation-stage1.json'), JSON.stringify(items.toReversed()));
    const warnings: string[] = [];
    const read = readRun(folder, config, message => warnings.push(message));
    expect(read.table.map(({ name }) => name)).not.toContain('stage1');
    expect(warnings).toEqual([expect.stringContaining('"stage1" was evaluated on other puzzles')]);
  });
});

describe('the puzzles that are shown', () => {
  const outcome = fc.record({ detour: fc.boolean(), success: fc.boolean(), level: fc.integer({ min: 3, max: 5 }) });

  it('are different ones, as many as asked for or as there are, in the order of the evaluation', () => {
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), (outcomes, count) => {
        const items = outcomes.map((flags, k): ItemResult => ({
          world: 'frozenlake',
          key: String(k),
          layout: '',
          optimal: false,
          recapExact: true,
          reason: flags.success ? 'goal' : 'hole',
          response: [],
          ...flags,
        }));
        const chosen = chooseItems(items, count);
        expect(chosen).toHaveLength(Math.min(count, items.length));
        expect(new Set(chosen).size).toBe(chosen.length);
        const places = chosen.map(item => items.indexOf(item));
        expect(places).toEqual(places.toSorted((a, b) => a - b));
      }),
    );
  });

  it('are mostly detours, half of them solved, if there are enough of all kinds', () => {
    const items = Array.from({ length: 200 }, (_, k): ItemResult => ({
      world: 'frozenlake',
      level: 3 + (k % 3),
      key: String(k),
      layout: '',
      detour: k % 10 < 2,
      success: k % 2 === 0,
      optimal: false,
      recapExact: true,
      reason: k % 2 === 0 ? 'goal' : 'hole',
      response: [],
    }));
    const chosen = chooseItems(items);
    const count = (is: (item: ItemResult) => boolean) => chosen.filter(is).length;
    expect([chosen.length, count(({ detour }) => detour), count(({ success }) => success)]).toEqual([12, 8, 6]);
    expect(new Set(chosen.map(({ level }) => level))).toEqual(new Set([3, 4, 5]));
  });

  it('of failures are the earliest mistakes, most frequent reason first', async () => {
    const { items } = await makeRun(temporary.file('run'));
    const groups = worstFailures(items, heldOutPuzzles([config]), 2);
    const failed = items.filter(({ success }) => !success);
    expect(groups.reduce((sum, { count }) => sum + count, 0)).toBe(failed.length);
    expect(groups.map(({ count }) => count)).toEqual(groups.map(({ count }) => count).toSorted((a, b) => b - a));
    const known = new Map(
      puzzles.map(({ world, instance }) => [
        puzzleKey({ world: world.name, key: world.instanceKey(instance) }),
        world.shortestLength(instance),
      ]),
    );
    const grammar = groups.find(({ reason }) => reason === 'grammar')!;
    const lengths = failed.filter(({ reason }) => reason === 'grammar').map(item => known.get(puzzleKey(item))!);
    expect(grammar.worst.map(item => known.get(puzzleKey(item)))).toEqual(
      lengths.toSorted((a, b) => a - b).slice(0, 2),
    );
  });
});
