/** What people do with a page and see of it: press, read, look at it on a phone and in the dark. */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { expect, it } from 'vitest';
import { noChromium } from './chromium.js';
import type { OpenedPage } from './chromium.js';

const axeSource = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Clicks the button, or what else has this role, of this name, once it is there. */
export const press = async ({ page }: OpenedPage, name: string, role = 'button') =>
  await page.locator(`::-p-aria([name="${name}"][role="${role}"])`).click();

/** The text of the page, once it holds this. */
export async function textWith({ page }: OpenedPage, pattern: RegExp): Promise<string> {
  const found = await page.waitForFunction(
    (source: string) => (new RegExp(source).test(document.body.innerText) ? document.body.innerText : undefined),
    { timeout: 60_000 },
    pattern.source,
  );
  return (await found.jsonValue())!;
}

/** Presses a button that saves a file. @returns the folder, which it then lies in */
export async function savedBy(opened: OpenedPage, button: string, downloadPath: string): Promise<string> {
  const session = await opened.page.createCDPSession();
  await session.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath, eventsEnabled: true });
  const saved = new Promise(resolve =>
    session.on('Browser.downloadProgress', ({ state }) => state === 'completed' && resolve(state)),
  );
  await press(opened, button);
  await saved;
  return downloadPath;
}

/** Colour schemes and widths in pixels. */
export const looks = [
  ['light', 1280],
  ['light', 360],
  ['dark', 360],
] as const;

/** What shuts somebody out of the page as it is shown, and what of it is wider than the window. */
export async function violations({ page }: OpenedPage, [scheme, width]: (typeof looks)[number]): Promise<unknown[]> {
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await page.setViewport({ width, height: 800 });
  await page.evaluate(axeSource); // as the debugger does, which the page's content security policy lets in
  const { violations: found } = (await page.evaluate('axe.run()')) as AxeResults;
  const actual = await page.evaluate(() => document.documentElement.scrollWidth);
  const tooWide = actual > width ? [`${actual} pixels wide`] : [];
  return [...found.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), ...tooWide];
}

/** Tests of what every panel owes people, as earlier tests have left it. @param shown the page, if there is one */
export function isForPeople(shown: () => OpenedPage | undefined): void {
  it.for(looks)('shuts nobody out: %s, %i pixels wide', { timeout: 120_000 }, async (look, context) => {
    const opened = shown();
    if (!opened) return context.skip(noChromium);
    expect(await violations(opened, look)).toEqual([]);
  });

  it('leaves nothing in the console, and asks no other site', context => {
    const opened = shown();
    if (!opened) return context.skip(noChromium);
    expect(opened.problems).toEqual([]);
  });
}
