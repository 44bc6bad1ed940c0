/** The Train panel: a miniature, from random weights to its table. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../core/index.js';
import { stageSentences } from '../../mgsd/evaluation/summary.js';
import { tableCells } from '../../mgsd/evaluation/table.js';
import type { TableRow } from '../../mgsd/evaluation/table.js';
import { resolveConfig } from '../../mgsd/method/config.js';
import { MemoryStore } from '../../mgsd/runs/memory-store.js';
import { train } from '../../mgsd/runs/train.js';
import { run, untrainedCheckpoint } from '../mgsd/capture.js';
import { useTemporaryFolder } from '../mgsd/temporary.js';
import { noChromium, openFolder } from './chromium.js';
import type { OpenedPage } from './chromium.js';
import { changes, chooseMiniature } from './miniature.js';
import { looks, press, savedBy, textWith, violations } from './people.js';

const folder = path.join(import.meta.dirname, '../../dist/page');
const slow = { timeout: 120_000 };

/** The table of the last run, in Node. */
let trained: TableRow[] = [];

const temporary = useTemporaryFolder();
let opened: OpenedPage | undefined;
beforeAll(async () => {
  opened = await openFolder(folder, '#train');
  opened?.page.on('dialog', dialog => void dialog.accept());
}, 60_000);
afterAll(() => opened?.close());

/** Waits for the end of a run with further changes, and compares what it says with Node. @returns the page's text */
async function sameAsInNode(page: OpenedPage, further: object): Promise<string> {
  const text = await textWith(page, /Stage 2 [^]*It (?:looks|does not depend)/);
  const device = await openDevice('wasm', { threads: 2 });
  const config = resolveConfig('tiny', { ...changes, ...further });
  trained = await train({ config, device, folder: new MemoryStore() });
  await device.close();
  for (const cell of trained.flatMap(tableCells)) expect(text).toContain(cell);
  for (const sentence of stageSentences(trained)) expect(text).toContain(sentence);
  return text;
}

describe('the Train panel', () => {
  it('says what is wrong with a setting in the words of the command line', slow, async context => {
    if (!opened) return context.skip(noChromium);
    await opened.page.locator('#panel-train input').fill('-1');
    await textWith(opened, /configuration: seed: Too small/);
    await opened.page.locator('#panel-train input').fill('1');
  });

  it('takes the common settings from fields of their own', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const { page } = opened;
    await page.$eval('#panel-train details', details => (details.open = true));
    const field = page.locator('#panel-train .settings input');
    await field.fill('123');
    await textWith(opened, /stage 0: 123 updates of 64 puzzles/);
    await field.fill('many');
    await textWith(opened, /configuration: stage0\.steps: /);
    await field.fill('650');
    await textWith(opened, /stage 0: 650 updates of 64 puzzles/);
  });

  it('says what a run takes before it begins', slow, async context => {
    if (!opened) return context.skip(noChromium);
    await chooseMiniature(opened);
    await press(opened, 'How long?');
    await textWith(opened, /Here it takes about .*: stage0 .* of evaluation, stage1 .*, stage2/);
  });

  it('trains to the table and the sentences of the command line', slow, async context => {
    if (!opened) return context.skip(noChromium);
    await press(opened, 'Start');
    await sameAsInNode(opened, {});
  });

  it.for(looks)('shuts nobody out: %s, %i pixels wide', slow, async (look, context) => {
    if (!opened) return context.skip(noChromium);
    expect(await violations(opened, look)).toEqual([]);
  });

  it('draws curves of each stage, and held-out puzzles with their plans', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const text = await textWith(opened, /Stage 0: curves/);
    expect(text).toMatch(/Stage 2: curves[^]*Stage 1: curves/);
    expect(text).toMatch(/After update \d+ of stage 2 it solves \d+ of 3 from pictures/);
    const drawn = await opened.page.$$eval('#panel-train .plot path[stroke]', paths => paths.length);
    expect(drawn).toBeGreaterThan(30);
    expect(await opened.page.$$eval('#panel-train .film .board', boards => boards.length)).toBe(3);
  });

  it('keeps the run that is done', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const results = async () => {
      await textWith(opened!, /Stage 0: curves/);
      const text = await opened!.page.$eval('#panel-train', panel => (panel as HTMLElement).innerText);
      return text.slice(text.indexOf('95 % intervals'));
    };
    const before = await results();
    await opened.page.reload();
    expect(await results()).toBe(before);
  });

  it('saves a checkpoint that the command line evaluates to the same row', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const folder = await savedBy(opened, 'Save the checkpoint', temporary.file('downloads'));
    const file = path.join(folder, 'mgsd-lite-tiny-seed1-stage2-6.safetensors');
    const { out, code } = await run('eval', file, '--json', '--device', 'wasm', '--threads', '2');
    expect(code).toBe(0);
    const { stage, step, rows } = JSON.parse(out) as { stage: string; step: number; rows: Pick<TableRow, 'success'>[] };
    expect([stage, step]).toEqual(['stage2', 6]);
    expect(trained.find(({ name }) => name === 'mgsd')).toMatchObject({ success: rows[0]!.success });
  });

  it(
    'plans with its model, opens one of the command line, and refuses other files in one line',
    slow,
    async context => {
      if (!opened) return context.skip(noChromium);
      const { page } = opened;
      await press(opened, 'Plan with it');
      await textWith(
        opened,
        /Plans with mgsd-lite-tiny-seed1-stage2-6.safetensors: preset tiny, seed 1, stage2, update 6/,
      );
      // the button is hidden with its panel: the keyboard goes on from the panels' links
      expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Plan');
      await press(opened, 'Plan');
      await textWith(opened, /It wrote/);
      await page.$eval('header details:nth-of-type(2)', details => (details.open = true));
      const open = async (name: string, contents: string | Uint8Array) => {
        const file = temporary.file(name);
        fs.writeFileSync(file, contents);
        await (await page.locator('input[type=file]').waitHandle()).uploadFile(file);
      };
      await open('untrained.safetensors', await untrainedCheckpoint());
      await textWith(opened, /Plans with untrained.safetensors: preset tiny, seed 1, stage2, update 7/);
      await open('notes.safetensors', 'Nothing of the kind.');
      expect(await textWith(opened, /notes.safetensors cannot be opened. .*\./)).toContain('Plans with untrained');
      await press(opened, 'The packaged student');
      await textWith(opened, /Plans with the packaged student/);
      await page.evaluate(() => (location.hash = 'train'));
    },
  );

  it('pauses, and goes on after the page was left: to the table of a run that nothing stopped', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const { page } = opened;
    await chooseMiniature(opened, 'stage1.steps=800');
    await press(opened, 'Start');
    await textWith(opened, /cold-start grounding: update [1-9]/);
    await press(opened, 'Pause');
    const paused = async () =>
      /Paused: .*/.exec(await textWith(opened!, /Paused: preset tiny, seed 1, update \d+ of/))![0];
    const before = await paused();
    await page.reload();
    expect(await paused()).toBe(before);
    await press(opened, 'Go on');
    await sameAsInNode(opened, { stage1: { ...changes.stage1, steps: 800 } });
  });

  it('asks before it is left while it trains, and offers to go on from the last checkpoint', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const { page } = opened;
    await chooseMiniature(opened, 'stage0.steps=100000');
    await press(opened, 'Start');
    await textWith(opened, /update \d+ of 100000, .* a second; about .* left/);
    const [dialog] = await Promise.all([
      new Promise<string>(resolve => page.once('dialog', d => resolve(d.type()))),
      page.reload(),
    ]);
    expect(dialog).toBe('beforeunload');
    await textWith(opened, /Paused: preset tiny/);
  });

  it('does not train in two tabs', slow, async context => {
    if (!opened) return context.skip(noChromium);
    await press(opened, 'Go on');
    await textWith(opened, /update \d+ of 100000, /);
    const page = await opened.browser.newPage();
    await page.goto(opened.page.url());
    const other = { ...opened, page };
    await press(other, 'Go on');
    await textWith(other, /Another tab of this browser has a training/);
    await page.close();
    await opened.page.bringToFront(); // what is behind another tab is not drawn, so nobody could press it
  });

  it('stops, and forgets the run', slow, async context => {
    if (!opened) return context.skip(noChromium);
    await press(opened, 'Stop');
    await textWith(opened, /Stopped/);
    await opened.page.reload();
    const text = await textWith(opened, /stage 2: \d+ updates/);
    expect(text).not.toContain('Paused');
  });

  it('trains on where the storage is full, and says so', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const page = await (await opened.browser.createBrowserContext()).newPage();
    const session = await page.createCDPSession();
    await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(opened.url).origin, quotaSize: 1000 });
    await page.goto(`${opened.url}#train`);
    const full = { ...opened, page };
    await chooseMiniature(full);
    await press(full, 'Start');
    expect(await sameAsInNode(full, {})).toContain('This browser does not store the run (its storage is full)');
    await page.close();
  });

  it('leaves nothing in the console, and asks no other site', context => {
    if (!opened) return context.skip(noChromium);
    expect(opened.problems).toEqual([]);
  });
});
