/** What the page does where something is missing or breaks: it says so, and what still works. */
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { expect, it } from 'vitest';
import { DeviceError } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import type { StaticServer } from '../../mgsd/cli/static-server.js';
import { useDevice } from '../../mgsd/page/device.js';
import { useTemporaryFolder } from '../mgsd/temporary.js';
import { noChromium, openFolder } from './chromium.js';
import type { OpenedPage } from './chromium.js';
import { chooseMiniature } from './miniature.js';
import { press, textWith } from './people.js';

const temporary = useTemporaryFolder();

it.for([
  ['a fault of the device', (fault: DeviceError) => fault],
  ['an error that a fault caused', (fault: DeviceError) => new Error('the answer is lost', { cause: fault })],
] as const)('%s: the next call has a device anew', async ([, wrap]) => {
  const here = (): Promise<Device> => useDevice(device => Promise.resolve(device));
  const first = await here();
  expect(await here()).toBe(first);
  await expect(useDevice(() => Promise.reject(new Error('a mistake')))).rejects.toThrow('a mistake');
  expect(await here()).toBe(first);
  const error = wrap(new DeviceError('lost', 'the GPU is gone'));
  await expect(useDevice(() => Promise.reject(error))).rejects.toBe(error);
  const second = await here();
  expect(second).not.toBe(first);
  await Promise.all([first, second].map(device => device.close()));
  await expect(useDevice(() => Promise.reject(error))).rejects.toBe(error); // the closed one is for no other test
});

const built = path.join(import.meta.dirname, '../../dist/page');
const slow = { timeout: 120_000 };

/** A copy of the page that lacks files. */
function pageWithout(missing: RegExp): string {
  const folder = temporary.file('page');
  fs.cpSync(built, folder, { recursive: true });
  for (const file of fs.readdirSync(path.join(folder, 'assets')))
    if (missing.test(file)) fs.rmSync(path.join(folder, 'assets', file));
  return folder;
}

it('a missing teacher: says so when it is asked, and all else works', slow, async context => {
  const opened = await openFolder(pageWithout(/^planner.*safetensors$/), '#plan');
  if (!opened) return context.skip(noChromium);
  try {
    await press(opened, 'Plan');
    await press(opened, 'Ask the teacher');
    await textWith(opened, /The teacher is missing \(.*: 404\)\. All else works without it\./);
    await textWith(opened, /It wrote[^]*Where it looks[^]*Ask the teacher/);
    await press(opened, 'Next puzzle');
    await press(opened, 'Plan');
    await textWith(opened, /It wrote/);
  } finally {
    await opened.close();
  }
});

it('a missing model: says so, and trains', slow, async context => {
  const opened = await openFolder(pageWithout(/safetensors$/), '#plan');
  if (!opened) return context.skip(noChromium);
  try {
    await textWith(opened, /The trained model is missing \(.*: 404\)\. Training works without it\./);
    await opened.page.goto(`${opened.url}#train`);
    await press(opened, 'How long?');
    await textWith(opened, /Here it takes about/);
  } finally {
    await opened.close();
  }
});

/** The page, whose workers begin with this script. */
function pageWithWorkers(script: string): string {
  const folder = pageWithout(/^$/);
  const assets = path.join(folder, 'assets');
  for (const file of fs.readdirSync(assets).filter(name => /^worker-.*js$/.test(name))) {
    const place = path.join(assets, file);
    fs.writeFileSync(place, `${script};${fs.readFileSync(place, 'utf8')}`);
  }
  return folder;
}

/** What the page says of its device. */
async function deviceText(opened: OpenedPage, runsOn: RegExp): Promise<string> {
  await textWith(opened, runsOn);
  await opened.page.$eval('header details', details => (details.open = true));
  return await opened.page.$eval('header details', details => details.innerText);
}

it.for([
  ['WebAssembly', 'delete globalThis.WebAssembly', /This browser has no WebAssembly\./],
  [
    'WebAssembly SIMD',
    "WebAssembly.validate = () => false; WebAssembly.compile = () => Promise.reject(new Error('invalid opcode'))",
    /This browser has no WebAssembly SIMD, which the kernels are written in\./,
  ],
] as const)('no %s: says so, and plans in plain JavaScript', slow, async ([, script, reason], context) => {
  const opened = await openFolder(pageWithWorkers(script), '#plan');
  if (!opened) return context.skip(noChromium);
  try {
    const text = await deviceText(opened, /Runs on plain JavaScript; not everything is available/);
    expect(text).toMatch(reason);
    expect(text.match(/WebAssembly/g)!.length).toBeLessThan(6); // said once
    expect(text).toContain('Everything works in plain JavaScript, only far more slowly.');
    await press(opened, 'Plan');
    await textWith(opened, /It wrote[^]*The plan reaches the goal/);
  } finally {
    await opened.close();
  }
});

/** A web host that sends no headers of its own. */
async function plainServer(folder: string): Promise<StaticServer> {
  const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };
  const server = http.createServer((request, response) => {
    const file = path.join(folder, new URL(request.url!, 'http://localhost').pathname.replace(/\/$/, '/index.html'));
    response.setHeader('Content-Type', types[path.extname(file)] ?? 'application/octet-stream');
    response.end(fs.readFileSync(file));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, close: () => new Promise(resolve => server.close(() => resolve())) };
}

it('no isolation, and no WebGPU: says so, and plans on one thread', slow, async context => {
  const folder = pageWithWorkers("Object.defineProperty(navigator, 'gpu', { value: undefined })");
  const opened = await openFolder(folder, '#plan', plainServer);
  if (!opened) return context.skip(noChromium);
  try {
    const text = await deviceText(opened, /Runs on WebAssembly, 1 thread; not everything is available/);
    expect(text).toMatch(/No GPU: This browser has no WebGPU \(.*\): take another browser, or the `wasm` backend\.\n/);
    expect(text).toMatch(/not isolated from other origins, so WebAssembly has one thread: a server that sends COOP/);
    await press(opened, 'Plan');
    await textWith(opened, /It wrote[^]*The plan reaches the goal/);
  } finally {
    await opened.close();
  }
});

it('a GPU that is lost while it trains: says so, keeps the run, and goes on', slow, async context => {
  const keep = `const ask = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (...given) {
      return (globalThis.gpuDevice = await ask.apply(this, given));
    }`;
  const opened = await openFolder(pageWithWorkers(keep), '?device=webgpu#train');
  if (!opened) return context.skip(noChromium);
  try {
    const { page } = opened;
    await textWith(opened, /Runs on the GPU/);
    await chooseMiniature(opened, 'stage0.steps=4000');
    await press(opened, 'Start');
    await textWith(opened, /symbolic planner: update [1-9]\d* of 4000/);
    for (const worker of page.workers())
      await worker.evaluate(() => (globalThis as { gpuDevice?: { destroy(): void } }).gpuDevice?.destroy());
    await textWith(opened, /Paused: preset tiny[^]*The GPU device was lost/);
    await press(opened, 'Go on');
    await textWith(opened, /symbolic planner: update [1-9]\d* of 4000/);
  } finally {
    await opened.close();
  }
});
