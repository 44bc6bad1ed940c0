/**
 * The preset `classroom` on the page's Train panel in a headless Chromium, from Start to the table, and then in Node:
 * all stages and evaluations on WebAssembly, with as many threads as there are processors.
 *
 * `npm run bench:tab-classroom -- --json bench/results/tab-classroom.json`
 */
import os from 'node:os';
import path from 'node:path';
import { openDevice } from '../core/index.js';
import { serveFolder } from '../mgsd/cli/static-server.js';
import { rowTitles } from '../mgsd/evaluation/table.js';
import { resolveConfig } from '../mgsd/method/config.js';
import { writeJson } from '../mgsd/runs/files.js';
import { MemoryStore } from '../mgsd/runs/memory-store.js';
import { train } from '../mgsd/runs/train.js';
import { openChromium } from './chromium.js';
import { benchCommand, jsonOption, progress } from './command.js';
import { commandLine } from './harness.js';

const { json } = benchCommand({
  command: 'npm run bench:tab-classroom --',
  about: 'How long a lesson takes: the preset classroom in a tab, from Start to the table, and then in Node.',
  measures: ['seconds, and what the student plans from images after stage 1 and after stage 2'],
  takes: '4 minutes on two cores',
  options: { json: jsonOption },
  examples: [['--json bench/results/tab-classroom.json', 'what stands in the README']],
});

interface Lesson {
  readonly seconds: number;
  /** Success from images, percent. */
  readonly stage1: number;
  readonly mgsd: number;
}

/** As somebody does it who opens the page and presses Start: it measures first, and draws curves and boards. */
async function inTab(): Promise<Lesson> {
  const server = await serveFolder(path.resolve(import.meta.dirname, '../../dist/page'), 0);
  const browser = await openChromium();
  const page = await browser.newPage();
  await page.goto(`${server.url}?device=wasm#train`);
  const button = await page.waitForSelector('#panel-train button.primary:enabled');
  const started = performance.now();
  await button!.click();
  await page.waitForSelector('#panel-train table.results', { timeout: 3_600_000 });
  const seconds = (performance.now() - started) / 1000;
  const cells = (await page.evaluate(
    `[...document.querySelectorAll('#panel-train table.results tbody tr')]
      .map(row => [...row.children].map(cell => cell.textContent.trim()))`,
  )) as string[][];
  await browser.close();
  await server.close();
  const success = (title: string) => Number.parseFloat(cells.find(([head]) => head === title)![1]!);
  return { seconds, stage1: success(rowTitles.stage1), mgsd: success(rowTitles.mgsd) };
}

async function inNode(): Promise<Lesson> {
  const started = performance.now();
  const device = await openDevice('wasm');
  const rows = await train({ config: resolveConfig('classroom', {}), device, folder: new MemoryStore() });
  const seconds = (performance.now() - started) / 1000;
  await device.close();
  const success = (name: string) => 100 * rows.find(row => row.name === name)!.success.value;
  return { seconds, stage1: success('stage1'), mgsd: success('mgsd') };
}

progress.write('in the tab');
const tab = await inTab();
progress.write('in Node');
const lessons = { tab, node: await inNode() };
for (const [place, { seconds, stage1, mgsd }] of Object.entries(lessons))
  console.log(
    `${place}: ${seconds.toFixed(1)} s; from images ${stage1.toFixed(1)} % after stage 1, ${mgsd.toFixed(1)} % after stage 2`,
  );
if (json !== undefined) {
  const [machine] = os.cpus();
  const context = { date: new Date().toISOString(), command: commandLine(), node: process.version };
  writeJson(json, { ...context, processor: machine?.model, cores: os.availableParallelism(), lessons });
  console.log(`written to ${json}`);
}
process.exit(0); // Node's kernel threads are not waited for
