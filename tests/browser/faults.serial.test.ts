/** What the page does where something is missing or breaks: it says so, and what still works. */
import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { DeviceError } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import { useDevice } from '../../mgsd/page/device.js';
import { useTemporaryFolder } from '../mgsd/temporary.js';
import { noChromium, openFolder } from './chromium.js';
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
