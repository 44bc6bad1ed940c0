/** An interrupted run against an uninterrupted one: all of their files must be equal. */
import fs from 'node:fs';
import path from 'node:path';
import type { Device } from '../../core/index.js';
import { Interrupted } from '../../mgsd/runs/train-options.js';
import type { RunConfig } from '../../mgsd/method/config.js';
import { miniatureConfig, runMiniature } from './miniature.js';

/** Of a line of the log: times, speeds and peaks of memory, which no two processes share. */
const measured = /Seconds$|PerSecond$|Bytes$/;

/** What must be equal: all files by their bytes, but for `measured` in the log and the peaks of memory in table.md. */
function filesOf(folder: string): Map<string, string> {
  const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const contents = (name: string) => {
    const text = fs.readFileSync(path.join(folder, name), name.endsWith('.safetensors') ? 'latin1' : 'utf8');
    if (name === 'table.md') return text.replace(/\| peak memory[^]*/, '');
    if (name !== 'log.jsonl') return text;
    const rest = (line: string) =>
      JSON.stringify(JSON.parse(line, (key, value: unknown) => (measured.test(key) ? undefined : value)));
    return text
      .split('\n')
      .map(line => (line === '' ? '' : rest(line)))
      .join('\n');
  };
  return new Map(
    names.filter(name => fs.statSync(path.join(folder, name)).isFile()).map(name => [name, contents(name)]),
  );
}

/** The files in which two runs differ, or that one of them lacks; see `filesOf`. */
export function differingFiles(straight: string, other: string): string[] {
  const [expected, found] = [filesOf(straight), filesOf(other)];
  const names = [...new Set([...expected.keys(), ...found.keys()])];
  return names.filter(name => expected.get(name) !== found.get(name));
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
  const runs = ['straight', 'stopped', 'again'].map(name => path.join(folder, name));
  const [straight = '', stopped = '', again = ''] = runs;
  await runMiniature(device, straight, { config });
  let stops = 0;
  while (!(await runUntil(device, stopped, steps, config))) stops++;
  await runMiniature(device, again, { config });
  const differences = [stopped, again].flatMap(run =>
    differingFiles(straight, run).map(name => path.join(path.basename(run), name)),
  );
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
