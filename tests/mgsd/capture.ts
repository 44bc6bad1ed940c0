import fs from 'node:fs';
import path from 'node:path';
import pc from 'picocolors';
import { drawsName, splitName } from '../../mgsd/method/split.js';
import { resolveConfig } from '../../mgsd/method/config.js';
import { encodeCheckpoint } from '../../models/index.js';
import { cpu } from '../core/devices.js';
import { miniature, randomModel } from '../models/miniature.js';
import { main } from '../../mgsd/cli/main.js';

/** Runs a command in this process. @returns what it wrote, and its exit code */
export async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await main(argv, {
    out: text => out.push(text),
    err: text => err.push(text),
    bar: undefined,
    columns: undefined,
    colours: pc.createColors(false),
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

/** Options of a run that ends within seconds: 3x3 boards, few updates, one thread. */
export const tinyRun = [
  ...['--preset', 'tiny', '--device', 'wasm', '--threads', '1'],
  ...['tasks.0.levels=[3]', 'tasks.0.pool.3=60', 'stage0.batch=4', 'stage1.batch=4', 'stage2.batch=4'],
  ...['stage0.steps=4', 'stage1.steps=4', 'stage2.steps=4', 'evaluation.puzzles=6'],
  ...['stage0.warmup=0', 'stage1.warmup=0', 'stage2.warmup=0'],
].flatMap(text => (text.includes('=') ? ['--set', text] : [text]));

/** What the checkpoint of `untrainedCheckpoint` says about its run. */
export const smallConfig = resolveConfig('tiny', {
  tasks: [{ world: 'frozenlake', levels: [3], pool: { '3': 20 } }],
  evaluation: { puzzles: 4 },
});

/** A checkpoint of an untrained miniature model, as the trainer writes them. */
export async function untrainedCheckpoint(): Promise<Uint8Array> {
  const model = randomModel(cpu, 5);
  const parameters = await model.parameters.save();
  model.dispose();
  const names = { split: splitName, draws: drawsName };
  const metadata = { stage: 'stage2', step: '7', run: JSON.stringify(smallConfig), ...names };
  return encodeCheckpoint({ config: miniature, parameters, optimizer: new Map(), metadata });
}

/** The values of JSON lines. */
export function jsonLines<T = Record<string, unknown>>(text: string): T[] {
  return text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as T);
}

/** The files of a folder and what is in them. */
export function contentsOf(folder: string): Record<string, string> {
  const files = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const isFile = (file: string) => fs.statSync(path.join(folder, file)).isFile();
  return Object.fromEntries(
    files.filter(isFile).map(file => [file, fs.readFileSync(path.join(folder, file), 'base64')]),
  );
}
