/** The page, as `npm run build` leaves it and `mgsd-lite play` serves it, in a real browser. */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AxeResults } from 'axe-core';
import { run } from '../mgsd/capture.js';
import { noChromium, openFolder } from './chromium.js';
import type { OpenedPage } from './chromium.js';

const folder = path.join(import.meta.dirname, '../../dist/page');
const axeSource = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const slow = { timeout: 120_000 };

let opened: OpenedPage | undefined;
beforeAll(async () => {
  opened = await openFolder(folder);
}, 60_000);
afterAll(() => opened?.close());

/** Clicks the button of this name, once it is there. */
const press = async ({ page }: OpenedPage, name: string) =>
  await page.locator(`::-p-aria([name="${name}"][role="button"])`).click();

/** The text of the page, once it holds this. */
async function textWith({ page }: OpenedPage, pattern: RegExp): Promise<string> {
  const found = await page.waitForFunction(
    (source: string) => (new RegExp(source).test(document.body.innerText) ? document.body.innerText : undefined),
    { timeout: 60_000 },
    pattern.source,
  );
  return (await found.jsonValue())!;
}

describe('the page', () => {
  it('is small when it is first loaded, the student included', () => {
    const files = fs.readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile());
    const sizes = files
      .map(({ parentPath, name }) => path.join(parentPath, name))
      .filter(file => !file.includes('planner')) // fetched when the teacher is asked for
      .map(file => zlib.gzipSync(fs.readFileSync(file)).length);
    expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThan(1.5e6);
  });

  it('says what it runs on', slow, async context => {
    if (!opened) return context.skip(noChromium);
    await textWith(opened, /Runs on WebAssembly, \d+ thread/);
  });

  it('plans for a puzzle what the command line plans', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const { out } = await run('plan', '--world', 'frozenlake', '--level', '4', '--seed', '1', '--json');
    const { answer, recapText } = JSON.parse(out) as { answer: string; recapText: string };
    await press(opened, 'Plan');
    const text = await textWith(opened, /reaches the goal|fails/);
    expect(text).toContain(answer);
    expect(text).toContain(recapText);
  });

  it.for([
    ['light', 1280],
    ['light', 360],
    ['dark', 360],
  ] as const)('shuts nobody out: %s, %i pixels wide', slow, async ([scheme, width], context) => {
    if (!opened) return context.skip(noChromium);
    const { page } = opened;
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await page.setViewport({ width, height: 800 });
    await page.evaluate(axeSource); // as the debugger does, which the page's content security policy lets in
    const { violations } = (await page.evaluate('axe.run()')) as AxeResults;
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  });

  it('leaves nothing in the console, and asks no other site', context => {
    if (!opened) return context.skip(noChromium);
    expect(opened.problems).toEqual([]);
  });
});
