/** The Train panel: a miniature, from random weights to its table. */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { miniatureConfig, miniatureModel } from '../../bench/soak/miniature-config.js';
import { openDevice } from '../../core/index.js';
import { stageSentences } from '../../mgsd/evaluation/summary.js';
import { tableCells } from '../../mgsd/evaluation/table.js';
import { configSchema, resolveConfig } from '../../mgsd/method/config.js';
import { MemoryStore } from '../../mgsd/runs/memory-store.js';
import { train } from '../../mgsd/runs/train.js';
import { noChromium, openFolder } from './chromium.js';
import type { OpenedPage } from './chromium.js';
import { looks, press, textWith, violations } from './people.js';

const folder = path.join(import.meta.dirname, '../../dist/page');
const slow = { timeout: 120_000 };

/** The miniature as changes of `tiny`, which people type into the page. */
const { tasks, stage0, stage1, stage2, evaluation } = miniatureConfig();
const sizes = new Set(Object.keys(configSchema.shape.model.unwrap().shape));
const model = Object.fromEntries(Object.entries(miniatureModel).filter(([name]) => sizes.has(name)));
const changes = { tasks, stage0, stage1, stage2, evaluation, model };
const typed = Object.entries(changes).map(([name, value]) => `${name}=${JSON.stringify(value)}`);

let opened: OpenedPage | undefined;
beforeAll(async () => {
  opened = await openFolder(folder, '#train');
}, 60_000);
afterAll(() => opened?.close());

/** Chooses the miniature, with further settings. */
async function choose({ page }: OpenedPage, ...others: readonly string[]): Promise<void> {
  await page.locator('#panel-train select').fill('tiny');
  await page.$eval('#panel-train details', details => (details.open = true));
  await page.locator('#panel-train textarea').fill([...typed, ...others].join('\n'));
}

describe('the Train panel', () => {
  it('says what is wrong with a setting in the words of the command line', slow, async context => {
    if (!opened) return context.skip(noChromium);
    await opened.page.locator('#panel-train input').fill('-1');
    await textWith(opened, /configuration: seed: Too small/);
    await opened.page.locator('#panel-train input').fill('1');
  });

  it('says what a run takes before it begins', slow, async context => {
    if (!opened) return context.skip(noChromium);
    await choose(opened);
    await press(opened, 'How long?');
    await textWith(opened, /Here it takes about .*: stage0 .* of evaluation, stage1 .*, stage2/);
  });

  it('trains to the table and the sentences of the command line', slow, async context => {
    if (!opened) return context.skip(noChromium);
    await press(opened, 'Start');
    const text = await textWith(opened, /Stage 2 [^]*It (?:looks|does not depend)/);
    const device = await openDevice('wasm', { threads: 2 });
    const config = resolveConfig('tiny', changes);
    const rows = await train({ config, device, folder: new MemoryStore() });
    await device.close();
    for (const cell of rows.flatMap(tableCells)) expect(text).toContain(cell);
    for (const sentence of stageSentences(rows)) expect(text).toContain(sentence);
  });

  it.for(looks)('shuts nobody out: %s, %i pixels wide', slow, async (look, context) => {
    if (!opened) return context.skip(noChromium);
    expect(await violations(opened, look)).toEqual([]);
  });

  it('stops', slow, async context => {
    if (!opened) return context.skip(noChromium);
    await choose(opened, 'stage0.steps=100000');
    await press(opened, 'Start');
    await textWith(opened, /update \d+ of 100000, .* a second; about .* left/);
    await press(opened, 'Stop');
    await textWith(opened, /Stopped/);
  });

  it('leaves nothing in the console, and asks no other site', context => {
    if (!opened) return context.skip(noChromium);
    expect(opened.problems).toEqual([]);
  });
});
