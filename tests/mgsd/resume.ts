/** A run that was stopped again and again against one that was not: their files are the same, bit by bit. */
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import type { Device } from '../../core/index.js';
import { Interrupted } from '../../mgsd/train.js';
import { miniatureConfig, runMiniature } from '../../bench/soak/miniature.js';

/** What a run leaves that does not depend on time or on where it was stopped. */
function results(folder: string): Record<string, Buffer> {
  const names = fs.readdirSync(folder).filter(name => /^evaluation-|^table\.json$|^config|^best/.test(name));
  const ends = ['stage0-12', 'stage1-8', 'stage2-6'].map(name => `checkpoint-${name}.safetensors`);
  return Object.fromEntries([...names, ...ends].map(name => [name, fs.readFileSync(path.join(folder, name))]));
}

/** The log without times and memory. */
function numbers(folder: string): unknown[] {
  const lines = fs.readFileSync(path.join(folder, 'log.jsonl'), 'utf8').trim().split('\n');
  return lines.map(line =>
    Object.fromEntries(
      Object.entries(JSON.parse(line) as object).filter(([key]) => !/Seconds|PerSecond|Bytes/.test(key)),
    ),
  );
}

/** Runs twice: straight, and stopped after every second step. */
export async function expectSameAfterStops(device: Device, folder: string): Promise<void> {
  const config = miniatureConfig();
  const straight = path.join(folder, 'straight');
  await runMiniature(device, straight, { config });
  const stopped = path.join(folder, 'stopped');
  let stops = 0;
  for (;;) {
    const stop = new AbortController();
    let steps = 0;
    const onStep = () => {
      if (++steps === 2) stop.abort();
    };
    try {
      await runMiniature(device, stopped, { config, signal: stop.signal, observer: { onStep } });
      break;
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      stops++;
    }
  }
  expect(stops).toBeGreaterThan(6);
  const [expected, actual] = [results(straight), results(stopped)];
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, bytes] of Object.entries(expected)) expect(bytes.equals(actual[name]!), name).toBe(true);
  expect(numbers(stopped)).toEqual(numbers(straight));

  const again = path.join(folder, 'again');
  await runMiniature(device, again, { config });
  for (const [name, bytes] of Object.entries(expected)) expect(bytes.equals(results(again)[name]!), name).toBe(true);
}
