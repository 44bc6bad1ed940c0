/** The Chromium of benches and tests. */
import fs from 'node:fs';
import path from 'node:path';
import puppeteer from 'puppeteer-core';
import type { Browser } from 'puppeteer-core';
import { InputError } from '../mgsd/cli/errors.js';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

/** The path of an installed Chromium or Chrome: `CHROMIUM`, or the first on the path. */
export function findChromium(): string | undefined {
  const onPath = (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .flatMap(folder => names.map(name => path.join(folder, name)));
  return [...(process.env['CHROMIUM'] ? [process.env['CHROMIUM']] : []), ...onPath].find(file => fs.existsSync(file));
}

/** WebGPU on Chromium's software adapter, as a browser grants it; and no pace for the eye, which would take time. */
export const chromiumFlags = [
  ...['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
  '--force-prefers-reduced-motion',
];

/** A headless Chromium for a bench. @param flags beside the common ones @throws InputError where there is none */
export async function openChromium(...flags: readonly string[]): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new InputError('no Chromium: install it, or name its path in CHROMIUM');
  return await puppeteer.launch({ executablePath, args: [...chromiumFlags, ...flags], protocolTimeout: 600_000 });
}
