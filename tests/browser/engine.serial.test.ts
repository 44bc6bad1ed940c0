/** The same engine, from the same sources, in the worker of a real browser. */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runMiniature } from '../../bench/soak/miniature.js';
import { openDevice, sha256 } from '../../core/index.js';
import type { TableRow } from '../../mgsd/evaluation/table.js';
import { RunFolder } from '../../mgsd/runs/run-folder.js';
import { losses, recordRollouts, steps, trajectory } from '../mgsd/miniature-run.js';
import { hostBits } from '../mgsd/host-bits.js';
import { useTemporaryFolder } from '../mgsd/temporary.js';
import { noChromium, openProgram } from './chromium.js';
import type { OpenedPage } from './chromium.js';
import type { Question } from './engine/worker.js';

/** The software adapter compiles some shaders for seconds. */
const slow = { timeout: 300_000 };

interface Trained {
  readonly table: readonly TableRow[];
  readonly files: Readonly<Record<string, string>>;
}

const temporary = useTemporaryFolder();
let opened: OpenedPage | undefined;
beforeAll(async () => {
  opened = await openProgram(path.join(import.meta.dirname, 'engine'));
}, 120_000);
afterAll(() => opened?.close());

async function ask<T>({ page }: OpenedPage, question: Question): Promise<T> {
  return (await page.evaluate(
    given => (globalThis as unknown as { ask(question: Question): Promise<unknown> }).ask(given),
    question,
  )) as T;
}

describe('the engine in a browser', () => {
  it('has threads, and says what it runs on', async context => {
    if (!opened) return context.skip(noChromium);
    const wasm = await ask<{ threads: number; driver: string }>(opened, { task: 'capabilities', device: 'wasm' });
    expect(wasm.threads).toBe(await opened.page.evaluate(() => navigator.hardwareConcurrency));
    expect(wasm.driver).toMatch(/Chrome\/\d+.*WebAssembly SIMD/);
    const webgpu = await ask<{ software: boolean }>(opened, { task: 'capabilities', device: 'webgpu' });
    expect(webgpu.software).toBe(true);
  });

  it.for(['wasm', 'webgpu'] as const)(
    'every kernel does what its reference says, on %s',
    slow,
    async (device, context) => {
      if (!opened) return context.skip(noChromium);
      expect(await ask(opened, { task: 'conformance', device, calls: device === 'wasm' ? 3 : 1 })).toEqual([]);
    },
  );

  describe.each(['stage0', 'stage1', 'stage2'] as const)('20 losses of %s', stage => {
    it('have the bits of those in Node on wasm, and are near them on webgpu', slow, async context => {
      if (!opened) return context.skip(noChromium);
      const device = await openDevice('wasm', { threads: 2 });
      const expected = losses(await trajectory(device, stage, stage === 'stage2' ? await recordRollouts(steps) : []));
      await device.close();
      expect(await ask(opened, { task: 'losses', device: 'wasm', threads: 2, stage })).toEqual(expected);
      const onGpu = await ask<number[]>(opened, { task: 'losses', device: 'webgpu', threads: 1, stage });
      onGpu.forEach((loss, step) => expect(Math.abs(loss / expected[step]! - 1), `step ${step}`).toBeLessThan(1e-4));
    });
  });

  it('computes on the host what Node computes, to the last bit', slow, async context => {
    if (!opened) return context.skip(noChromium);
    expect(await ask(opened, { task: 'host' })).toEqual(hostBits());
  });

  it('trains a miniature to its table: files and bits are those of Node', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const device = await openDevice('wasm', { threads: 2 });
    const path = temporary.file('run');
    const expected = await runMiniature(device, path);
    await device.close();
    const { table, files } = await ask<Trained>(opened, { task: 'run', device: 'wasm', threads: 2 });
    expect(table).toEqual(expected);
    const folder = RunFolder.read(path);
    const bits = folder.names().filter(name => /^(?:checkpoint|evaluation|best|watch|table\.json)/.test(name));
    expect(bits.length).toBeGreaterThan(10);
    for (const name of bits) expect(files[name], name).toBe(sha256([folder.read(name)]));
  });

  it('leaves nothing in the console, and asks no other site', context => {
    if (!opened) return context.skip(noChromium);
    expect(opened.problems).toEqual([]);
  });
});
