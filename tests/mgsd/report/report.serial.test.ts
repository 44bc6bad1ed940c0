/** The report in a headless browser: no console output, no requests, no sideways scrolling, curves drawn. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { decodePng } from '../../../mgsd/pictures/png.js';
import { run } from '../capture.js';
import { findChromium } from '../../../bench/chromium.js';
import { Browser } from './browser.js';
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
    await browser.evaluate('document.querySelectorAll("details").forEach(fold => { fold.open = true; })');
    const undrawn = `[...document.querySelectorAll('.plot')].filter(plot => !plot.querySelector('path[stroke]'))`;
    expect(await browser.evaluate(`${undrawn}.map(plot => plot.textContent)`)).toEqual([]);
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
    const shown = () =>
      browser!.evaluate(
        '[...document.querySelectorAll(".tip")].filter(tip => getComputedStyle(tip).visibility === "visible").map(tip => tip.parentElement.firstChild.data)',
      );
    const names = (await browser.evaluate(
      '[...document.querySelector(".strip").querySelectorAll("button")].map(button => button.firstChild.data)',
    )) as string[];
    expect(
      await browser.evaluate(
        '[...document.querySelectorAll(".strip")].every(strip => strip.querySelectorAll("[tabindex=\\"0\\"]").length === 1)',
      ),
    ).toBe(true);
    expect(await shown()).toEqual([]);
    await browser.evaluate('document.querySelector(".strip button").focus()');
    expect(await shown()).toEqual([names[0]]);
    for (const [key, at] of [
      ['ArrowRight', 1],
      ['End', names.length - 1],
      ['ArrowLeft', names.length - 2],
      ['Home', 0],
    ] as const) {
      await browser.send('Input.dispatchKeyEvent', { type: 'keyDown', key });
      expect(await shown(), key).toEqual([names[at]]);
    }
    expect(browser.problems).toEqual([]);
  });

  it('shows the values of a plot at the pointer', async context => {
    if (!browser) return context.skip(why);
    await browser.open(file, { width: 1600, height: 800 });
    const shown = () =>
      browser!.evaluate(
        '[...document.querySelectorAll(".plot")[0].querySelectorAll("output")].map(o => o.textContent)',
      );
    expect(await shown()).toEqual(['50', '0.06']);
    const place = `const area = document.querySelector('.plot .area'); area.scrollIntoView({ block: 'center' }); const box = area.getBoundingClientRect();`;
    const [left, y] = (await browser.evaluate(`(() => { ${place} return [box.left, box.top + 20]; })()`)) as [
      number,
      number,
    ];
    await browser.send('Input.dispatchMouseEvent', { type: 'mouseMoved', x: left + 1, y });
    expect(await shown()).toEqual(['1', '3']);
    expect(browser.problems).toEqual([]);
  });
});
