/** An interrupted run against an uninterrupted one: their files must be equal, bit by bit. */
import fs from 'node:fs';
import path from 'node:path';
import type { Device } from '../../core/index.js';
import { Interrupted } from '../../mgsd/runs/train-options.js';
import type { RunConfig } from '../../mgsd/method/config.js';
import { miniatureConfig, runMiniature } from './miniature.js';

/** Files of a run that depend neither on time nor on where it stopped. */
function results(folder: string): Map<string, Buffer> {
  const names = fs.readdirSync(folder).filter(name => /^evaluation-|^table\.json$|^config|^best/.test(name));
  const { stage0, stage1, stage2 } = miniatureConfig();
  const ends = [`stage0-${stage0.steps}`, `stage1-${stage1.steps}`, `stage2-${stage2.steps}`];
  const files = [...names, ...ends.map(name => `checkpoint-${name}.safetensors`)];
  return new Map(files.map(name => [name, fs.readFileSync(path.join(folder, name))]));
}

/** The log without times and memory. */
function numbers(folder: string): string {
  const lines = fs.readFileSync(path.join(folder, 'log.jsonl'), 'utf8').trim().split('\n');
  return lines
    .map(line =>
      JSON.stringify(JSON.parse(line, (key, value: unknown) => (/Seconds|PerSecond|Bytes/.test(key) ? 0 : value))),
    )
    .join('\n');
}

export interface Comparison {
  /** How often the second run was stopped. */
  readonly stops: number;
  /** Files that differ. */
  readonly differences: readonly string[];
}

/**
 * Runs three times: straight, stopped after every `steps` steps, and straight again.
 * @param folder an empty one
 */
export async function compareRuns(
  device: Device,
  folder: string,
  steps = 2,
  config = miniatureConfig(),
): Promise<Comparison> {
  const [straight = '', stopped = '', again = ''] = ['straight', 'stopped', 'again'].map(name =>
    path.join(folder, name),
  );
  await runMiniature(device, straight, { config });
  let stops = 0;
  while (!(await runUntil(device, stopped, steps, config))) stops++;
  await runMiniature(device, again, { config });
  const expected = results(straight);
  const differences = [stopped, again].flatMap(run => {
    const actual = results(run);
    const names = new Set([...expected.keys(), ...actual.keys()]);
    const files = [...names].filter(name => actual.get(name)?.equals(expected.get(name)!) !== true);
    const logs = numbers(run) === numbers(straight) ? [] : ['log.jsonl'];
    return [...files, ...logs].map(name => path.join(path.basename(run), name));
  });
  return { stops, differences };
}

/** Resumes a run for some steps. @returns true at its end */
async function runUntil(device: Device, folder: string, steps: number, config: RunConfig): Promise<boolean> {
  const stop = new AbortController();
  let done = 0;
  const onStep = () => {
    if (++done === steps) stop.abort();
  };
  try {
    await runMiniature(device, folder, { config, signal: stop.signal, observer: { onStep } });
    return true;
  } catch (error) {
    if (error instanceof Interrupted) return false;
    throw error;
  }
}
