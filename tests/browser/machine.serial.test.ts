/** The Machine panel of the page, as it is built, in a real browser. */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kernels } from '../../kernels/index.js';
import { noChromium, openFolder } from './chromium.js';
import type { OpenedPage } from './chromium.js';
import { looks, press, textWith, violations } from './people.js';

const folder = path.join(import.meta.dirname, '../../dist/page');
const slow = { timeout: 120_000 };

let opened: OpenedPage | undefined;
beforeAll(async () => {
  opened = await openFolder(folder, '?device=wasm#machine');
}, 60_000);
afterAll(() => opened?.close());

/** Presses Check for the kernels with this in their names. */
async function check(page: OpenedPage, named: string): Promise<void> {
  await page.page.locator('#panel-machine input').fill(named);
  await press(page, 'Check');
}

describe('the Machine panel', () => {
  it('says what this browser offers', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const text = await textWith(opened, /What this browser offers[^]*Memory/);
    expect(text).toMatch(/WebAssembly SIMD\s+yes/);
    expect(text).toMatch(/Isolation from other origins\s+yes/);
    const processors = await opened.page.evaluate(() => navigator.hardwareConcurrency);
    expect(text).toMatch(new RegExp(`Processors\\s+${processors}\\b`));
    expect(text).toMatch(/WebGPU half precision\s+no\s+Models on the GPU take twice the memory/);
  });

  it('checks kernels by name, and counts them in every element type', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const expected = kernels.filter(({ name }) => name.includes('softmax'));
    expect(expected.length).toBeGreaterThan(0);
    await check(opened, 'softmax');
    await textWith(opened, new RegExp(`\\b${2 * expected.length} checked on wasm .*: all agree`));
  });

  it('does not call it agreement where nothing was checked', slow, async context => {
    if (!opened) return context.skip(noChromium);
    await check(opened, 'no such kernel');
    expect(await textWith(opened, /0 checked: no kernel has "no such kernel"/)).not.toContain('all agree');
  });

  it('ends when it is cancelled, and checks again afterwards', slow, async context => {
    if (!opened) return context.skip(noChromium);
    await opened.page.locator('#panel-machine input').fill('');
    await opened.page.evaluate(async () => {
      const button = () => document.querySelector<HTMLButtonElement>('#panel-machine .row button')!;
      button().click();
      while (button().innerText !== 'Cancel') await new Promise(resolve => setTimeout(resolve));
      button().click(); // at once: all kernels together take a moment only
    });
    await textWith(opened, /Cancelled: the rest was not checked/);
    await check(opened, 'softmax');
    await textWith(opened, /checked on wasm .*: all agree/);
  });

  it.for(looks)('shuts nobody out: %s, %i pixels wide', slow, async (look, context) => {
    if (!opened) return context.skip(noChromium);
    expect(await violations(opened, look)).toEqual([]);
  });

  it('leaves nothing in the console, and asks no other site', context => {
    if (!opened) return context.skip(noChromium);
    expect(opened.problems).toEqual([]);
  });
});
