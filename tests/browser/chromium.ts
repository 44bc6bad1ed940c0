/** Programs in a real browser: bundled, served with isolation, opened in a headless Chromium. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import puppeteer from 'puppeteer-core';
import type { Browser, Page } from 'puppeteer-core';
import { serveFolder } from '../../mgsd/cli/static-server.js';
import { bundle } from '../../.config/bundle.mjs';
import { chromiumFlags, findChromium } from '../../bench/chromium.js';

/** The reason for which tests are skipped; .config/test.mjs knows its first words. */
export const noChromium = 'no Chromium: install it (apt-get install chromium) or name its path in CHROMIUM';

export interface OpenedPage {
  readonly page: Page;
  readonly browser: Browser;
  readonly url: string;
  /** Errors and warnings of the console, exceptions, and requests that failed or left the page's origin. */
  readonly problems: string[];
  close(): Promise<void>;
}

/**
 * Opens the index.html of a folder that is bundled already, at `hash`; undefined without a Chromium.
 * @param serve in place of the server of `mgsd-lite play`
 */
export async function openFolder(folder: string, hash = '', serve = serveFolder): Promise<OpenedPage | undefined> {
  const executablePath = findChromium();
  if (executablePath === undefined) return undefined;
  const server = await serve(folder, 0);
  const browser = await puppeteer.launch({ executablePath, args: chromiumFlags, protocolTimeout: 600_000 });
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on('console', message => {
    if (['error', 'warn'].includes(message.type())) problems.push(message.text());
  });
  page.on('pageerror', error => problems.push(String(error)));
  page.on('requestfailed', request => problems.push(`${request.url()}: ${request.failure()?.errorText ?? 'failed'}`));
  page.on('request', request => {
    // pictures that the page itself has made go nowhere
    if (!request.url().startsWith(server.url) && !request.url().startsWith('data:image/'))
      problems.push(`foreign request: ${request.url()}`);
  });
  await page.goto(`${server.url}${hash}`);
  const close = async () => {
    await browser.close();
    await server.close();
  };
  return { page, browser, url: server.url, problems, close };
}

/** Bundles a folder with an index.html, and opens that. */
export async function openProgram(folder: string): Promise<OpenedPage | undefined> {
  if (findChromium() === undefined) return undefined;
  const built = fs.mkdtempSync(path.join(os.tmpdir(), 'mgsd-browser-'));
  await bundle(folder, built);
  const opened = await openFolder(built);
  return opened && { ...opened, close: () => opened.close().then(() => fs.rmSync(built, { recursive: true })) };
}
