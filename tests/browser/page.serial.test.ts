/** The page, as `npm run build` leaves it and `mgsd-lite play` serves it, in a real browser. */
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noChromium, openFolder } from './chromium.js';
import type { OpenedPage } from './chromium.js';
import { isForPeople, textWith } from './people.js';

const folder = path.join(import.meta.dirname, '../../dist/page');
const slow = { timeout: 120_000 };

let opened: OpenedPage | undefined;
beforeAll(async () => {
  opened = await openFolder(folder);
}, 60_000);
afterAll(() => opened?.close());

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

  isForPeople(() => opened);
});
