/** The Machine panel of the page, as it is built, in a real browser. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kernels } from '../../kernels/index.js';
import { run } from '../mgsd/capture.js';
import { useTemporaryFolder } from '../mgsd/temporary.js';
import { noChromium, openFolder } from './chromium.js';
import type { OpenedPage } from './chromium.js';
import { isForPeople, press, savedBy, textWith } from './people.js';

const folder = path.join(import.meta.dirname, '../../dist/page');
const slow = { timeout: 120_000 };

/** What the button copies. */
interface Copied {
  readonly date: string;
  readonly device: { readonly backend: string };
  readonly results: {
    readonly offers: readonly { readonly name: string }[];
    readonly kernels: { readonly checked: number; readonly failures: readonly unknown[] };
    readonly figures: readonly { readonly what: string; readonly value: number }[];
  };
}

const temporary = useTemporaryFolder();
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
    await opened.page.locator('#panel-machine input').fill('a'); // many kernels, for a second
    await opened.page.evaluate(async () => {
      const button = () => document.querySelector<HTMLButtonElement>('#panel-machine .row button')!;
      button().click();
      while (button().innerText !== 'Cancel') await new Promise(resolve => setTimeout(resolve));
      button().click();
    });
    await textWith(opened, /Cancelled: the rest was not done/);
    await check(opened, 'softmax');
    await textWith(opened, /checked on wasm .*: all agree/);
  });

  it('measures products, memory, launches and training', slow, async context => {
    if (!opened) return context.skip(noChromium);
    await press(opened, 'Measure');
    const text = await textWith(opened, /Measured on wasm/);
    for (const n of [256, 512, 1024])
      expect(text).toMatch(new RegExp(`product of ${n} x ${n} .*\\s[\\d.]+\\s+GFLOP/s`));
    expect(text).toMatch(/64 MiB read.*\s[\d.]+\s+GB\/s/);
    expect(text).toMatch(/launches of .*\s[\d.]+\s+a second/);
    expect(text).toMatch(/training, stage 1 .*\s[\d.]+\s+tokens\/s/);
  });

  it('copies all of it as JSON in the form of bench/results', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const { page, url } = opened;
    for (const name of ['clipboard-read', 'clipboard-write'])
      await page.browserContext().setPermission(new URL(url).origin, { permission: { name }, state: 'granted' });
    await press(opened, 'Copy all as JSON');
    await textWith(opened, /Copied\./);
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    const { date, device, results } = JSON.parse(copied) as Copied;
    expect(Math.abs(Date.now() - Date.parse(date))).toBeLessThan(600_000);
    expect(device.backend).toBe('wasm');
    expect(results.offers.map(({ name }) => name)).toContain('WebAssembly SIMD');
    expect(results.kernels.checked).toBeGreaterThan(0);
    expect(results.kernels.failures).toEqual([]);
    expect(results.figures.length).toBe(7);
    for (const { what, value } of results.figures) expect(value, what).toBeGreaterThan(0);
  });

  it('gives the text to be copied by hand where the browser does not copy', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const { page, url } = opened;
    const permission = { name: 'clipboard-write' };
    await page.browserContext().setPermission(new URL(url).origin, { permission, state: 'denied' });
    await press(opened, 'Copy all as JSON');
    await textWith(opened, /take the text from the field below/);
    const text = await page.evaluate(() => String(getSelection())); // nothing is left to do but copy it
    expect((JSON.parse(text) as Copied).device.backend).toBe('wasm');
  });

  it('saves it as a file that the command line shows', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const file = path.join(await savedBy(opened, 'Save it', temporary.file('downloads')), 'machine.json');
    const { figures } = (JSON.parse(fs.readFileSync(file, 'utf8')) as Copied).results;
    await textWith(opened, /npx mgsd-lite info machine\.json shows such a file/);
    const { out, code } = await run('info', file);
    expect(code).toBe(0);
    expect(out).toMatch(/Chrome\/[^]*wasm: [^]*\nWebAssembly SIMD: yes\n/);
    expect(out).toMatch(/[1-9]\d* kernels checked, 3 calls each: 0 differ/);
    for (const { what } of figures) expect(out).toContain(what);
  });

  it('checks and measures on WebGPU, as a software adapter allows', slow, async context => {
    if (!opened) return context.skip(noChromium);
    await opened.page.goto(`${opened.url}?device=webgpu#machine`);
    await textWith(opened, /Runs on the GPU/);
    await check(opened, 'softmax');
    await textWith(opened, /[1-9]\d* checked on webgpu .*: all agree/);
    await press(opened, 'Measure');
    const text = await textWith(opened, /Measured on webgpu/);
    expect(text).toMatch(/training, stage 1 .*, 8 pictures an update\s+[\d.]+\s+tokens\/s/);
  });

  isForPeople(() => opened);
});
