/** The report in a real browser, headless: nothing on the console, no request out, no sideways scrolling, curves drawn. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { decodePng } from '../../../mgsd/pictures/png.js';
import { run } from '../capture.js';
import { Browser, findChromium } from './browser.js';
import { makeRun } from './run.js';

const chromium = findChromium();
let browser: Browser | undefined;
let folder = '';
let file = '';

beforeAll(async () => {
  if (chromium === undefined) return;
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mgsd-report-'));
  await makeRun(path.join(folder, 'run'), { checkpoints: true });
  file = path.join(folder, 'run', 'report.html');
  const { code, err } = await run('report', path.dirname(file), '--device', 'cpu');
  expect([code, err]).toEqual([0, '']);
  browser = await Browser.launch(chromium);
});

afterAll(async () => {
  await browser?.close();
  if (folder !== '') fs.rmSync(folder, { recursive: true, force: true });
});

const why = 'no Chromium: install it (apt-get install chromium) or name its path in CHROMIUM';

describe('in a browser', () => {
  it.for([
    [400, false],
    [400, true],
    [1600, false],
    [1600, true],
  ] as const)('%i pixels wide, dark %s', async ([width, dark], context) => {
    if (!browser) return context.skip(why);
    await browser.open(file, { width, height: 800, dark, touch: width < 800 });
    expect(await browser.evaluate('document.querySelectorAll(".plot").length')).toBeGreaterThan(5);
    expect(await browser.evaluate('document.querySelectorAll(".more:not([open]) .uplot").length')).toBe(0);
    await browser.evaluate('document.querySelectorAll(".more").forEach(fold => { fold.open = true; })');
    await browser.evaluate('new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
    expect(await browser.evaluate('document.querySelectorAll(".plot .uplot canvas").length')).toBe(
      await browser.evaluate('document.querySelectorAll(".plot").length'),
    );
    expect(await browser.evaluate('document.documentElement.scrollWidth')).toBe(width);
    expect(await browser.evaluate('document.title')).toBe('mgsd-lite: run');
    expect(browser.problems).toEqual([]);
    expect(browser.requests.filter(url => !url.startsWith('data:'))).toEqual([pathToFileURL(file).href]);

    const { data, width: seen, height } = decodePng(await browser.screenshot());
    expect([seen, height]).toEqual([width, 800]);
    const brightness = data.reduce((sum, value) => sum + value, 0) / data.length;
    if (dark) expect(brightness).toBeLessThan(110);
    else expect(brightness).toBeGreaterThan(200);
  });

  it('tells of a token by keyboard, one stop for each strip', async context => {
    if (!browser) return context.skip(why);
    await browser.open(file, { width: 400, height: 800 });
    const shown = () => browser!.evaluate('[...document.querySelectorAll(".tip")].filter(tip => getComputedStyle(tip).visibility === "visible").map(tip => tip.parentElement.firstChild.data)'); // prettier-ignore
    const names = (await browser.evaluate('[...document.querySelector(".strip").querySelectorAll("button")].map(button => button.firstChild.data)')) as string[]; // prettier-ignore
    expect(await browser.evaluate('[...document.querySelectorAll(".strip")].every(strip => strip.querySelectorAll("[tabindex=\\"0\\"]").length === 1)')).toBe(true); // prettier-ignore
    expect(await shown()).toEqual([]);
    await browser.evaluate('document.querySelector(".strip button").focus()');
    expect(await shown()).toEqual([names[0]]);
    for (const [key, at] of [
      ['ArrowRight', 1],
      ['End', names.length - 1],
      ['ArrowLeft', names.length - 2],
      ['Home', 0],
    ] as const) {
      // prettier-ignore
      await browser.send('Input.dispatchKeyEvent', { type: 'keyDown', key });
      expect(await shown(), key).toEqual([names[at]]);
    }
    expect(browser.problems).toEqual([]);
  });

  it('draws the curves anew when the colours change', async context => {
    if (!browser) return context.skip(why);
    await browser.open(file, { width: 400, height: 800 });
    const colour = () => browser!.evaluate('document.querySelector(".u-legend .u-series:nth-child(2) .u-marker").style.borderColor'); // prettier-ignore
    const before = await colour();
    await browser.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: 'dark' }] });
    await browser.evaluate('new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
    expect(await colour()).not.toBe(before);
    expect(browser.problems).toEqual([]);
  });
});
