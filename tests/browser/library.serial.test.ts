/** The example page of core/README.md, word for word: from static files by its import map, and bundled without it. */
import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { build } from 'vite';
import { isolation, serveFolder } from '../../mgsd/cli/static-server.js';
import { useTemporaryFolder } from '../mgsd/temporary.js';
import { noChromium, openFolder } from './chromium.js';

const slow = { timeout: 120_000 };
const root = path.join(import.meta.dirname, '../..');
const temporary = useTemporaryFolder();
const readme = fs.readFileSync(path.join(root, 'core/README.md'), 'utf8');
const example = /^```html\n([\s\S]*?)^```$/m.exec(readme)![1]!;

/** What the page says in the end. */
async function shown(folder: string): Promise<string | undefined> {
  const opened = await openFolder(folder, '', (from, port) => serveFolder(from, port, isolation));
  if (!opened) return undefined;
  const { page, problems } = opened;
  await page.waitForFunction(() => document.querySelector('output')?.textContent !== 'training …').catch(() => 0);
  const text = await page.evaluate(() => document.querySelector('output')?.textContent);
  await opened.close();
  expect(problems).toEqual([]);
  return text;
}

it('runs from static files, as the build leaves them', slow, async context => {
  const folder = temporary.file('static');
  const copy = (from: string, to = from) =>
    fs.cpSync(fs.realpathSync(path.join(root, from)), path.join(folder, 'node_modules', to), { recursive: true });
  for (const room of ['core', 'kernels']) copy(`dist/${room}`, `mgsd-lite/dist/${room}`);
  for (const name of ['@noble/hashes', '@petamoriken/float16']) copy(`node_modules/${name}`, name);
  fs.writeFileSync(path.join(folder, 'index.html'), example);
  const text = await shown(folder);
  if (text === undefined) return context.skip(noChromium);
  expect(text).toBe('y = 3.00 x');
});

it('runs through a bundler', slow, async context => {
  const folder = temporary.file('bundled');
  fs.mkdirSync(path.join(folder, 'node_modules'), { recursive: true });
  fs.symlinkSync(root, path.join(folder, 'node_modules/mgsd-lite'), 'junction');
  const bundled = example.replace(/<script type="importmap">[\s\S]*?<\/script>\n/, '');
  expect(bundled).not.toContain('node_modules');
  fs.writeFileSync(path.join(folder, 'index.html'), bundled);
  await build({ configFile: false, root: folder, base: './', logLevel: 'warn' });
  const text = await shown(path.join(folder, 'dist'));
  if (text === undefined) return context.skip(noChromium);
  expect(text).toBe('y = 3.00 x');
});
