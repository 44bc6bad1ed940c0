/**
 * Folders of runs that were begun with commit 1b3f525: what still works with them, and the reason and the remedy where
 * something does not.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readJson, writeJson } from '../../../mgsd/runs/files.js';
import { splitName } from '../../../mgsd/method/split.js';
import { decodeCheckpoint, encodeCheckpoint } from '../../../models/index.js';
import { run, tinyRun } from '../capture.js';
import { useTemporaryFolder } from '../temporary.js';

/** What that commit wrote into every config.json and checkpoint beside the settings that there still are. */
const oldSettings = {
  ...{ beta: 0.5, topK: 16, topKOf: 'student', emaDecay: 0.99, lambda: 1, offPolicy: 'oracle', n: 1 },
  ...{ lossAggMode: 'token-mean', spanWeights: { recap: 1, action: 1, cell: 1 }, distillationCoef: 1, rewardCoef: 0 },
  ...{ reward: 'success', scaleRewards: true },
};

const temporary = useTemporaryFolder();
const files = new Map<string, Uint8Array>(); // of a finished run in the old form
let table: string;

interface Config {
  stage1: { gate: object };
  stage2: object;
}

function asOldRunWroteIt({ stage1, stage2, ...config }: Config): object {
  const { writer: _, ...kept } = stage2 as { writer: string };
  const gate = { ...stage1.gate, failed: 'join' };
  return { ...config, stage1: { ...stage1, gate }, stage2: { ...kept, ...oldSettings } };
}

function writeOldRun(folder: string, changes: object = {}): void {
  fs.mkdirSync(folder);
  for (const [name, bytes] of files) fs.writeFileSync(`${folder}/${name}`, bytes);
  const config = readJson(`${folder}/config.json`) as Config;
  writeJson(`${folder}/config.json`, { ...config, stage2: { ...config.stage2, ...changes } });
}

beforeAll(async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'old-run-'));
  const { code, err } = await run('train', ...tinyRun, '--out', `${folder}/run`);
  expect(code, err).toBe(0);
  table = fs.readFileSync(`${folder}/run/table.json`, 'utf8');
  const config = asOldRunWroteIt(readJson(`${folder}/run/config.json`) as Config);
  writeJson(`${folder}/run/config.json`, config);
  for (const entry of fs.readdirSync(`${folder}/run`, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const bytes = fs.readFileSync(`${folder}/run/${entry.name}`);
    if (!entry.name.endsWith('.safetensors')) files.set(entry.name, bytes);
    else {
      const checkpoint = decodeCheckpoint(bytes);
      const { split: _, draws: __, ...kept } = checkpoint.metadata; // its training boards had mirror images in the test
      const metadata = { ...kept, run: JSON.stringify(config) };
      files.set(entry.name, encodeCheckpoint({ ...checkpoint, metadata }));
    }
  }
  fs.rmSync(folder, { recursive: true });
});

describe('the folder of an old run', () => {
  it('is evaluated with a warning, reported and asked for plans; it does not train on, since the split has changed', async () => {
    const folder = temporary.file('run');
    writeOldRun(folder);
    for (const command of [
      ['eval', folder, '--puzzles', '2', '--device', 'cpu'],
      ['report', folder],
      ['plan', '--checkpoint', folder, '--level', '3', '--device', 'cpu'],
    ]) {
      const { code, err } = await run(...command);
      expect(code, `${command.join(' ')}: ${err}`).toBe(0);
      if (command[0] === 'eval') expect(err).toMatch(/earlier split: .* may have been training puzzles/);
    }
    const names = fs.readdirSync(folder);
    for (const at of [folder, `${folder}/checkpoint-stage2-3.safetensors`]) {
      const { code, err } = await run('train', '--resume', at, '--device', 'wasm', '--threads', '1');
      expect(err).toMatch(/is refused: it was trained under an earlier split.* begin a new run/);
      expect(code).toBe(2);
    }
    expect(fs.readdirSync(folder)).toEqual(names);
    expect(fs.readFileSync(`${folder}/table.json`, 'utf8')).toBe(table);
  });

  it('of puzzles drawn in another way does not train on either, and eval --data does not guess what it drew', async () => {
    const folder = temporary.file('run');
    writeOldRun(folder);
    for (const [name, bytes] of files) {
      if (!name.endsWith('.safetensors')) continue;
      const { metadata, ...rest } = decodeCheckpoint(bytes);
      fs.writeFileSync(`${folder}/${name}`, encodeCheckpoint({ ...rest, metadata: { ...metadata, split: splitName } }));
    }
    const { code, err } = await run('train', '--resume', folder, '--device', 'wasm', '--threads', '1');
    expect(err).toMatch(/is refused: its training puzzles were drawn by another version.* begin a new run/);
    expect(code).toBe(2);
    const data = temporary.file('data');
    await run('data', 'generate', '--level', '3', '--count', '3', '--out', data);
    const evaluated = await run('eval', folder, '--data', data, '--device', 'cpu');
    expect(evaluated.code, evaluated.err).toBe(0);
    expect(evaluated.out).toMatch(/which of them training drew cannot be told/);
    expect(evaluated.out).not.toMatch(/layouts trained on|layouts not trained on/);
  });

  it.each([
    [{ lambda: 0.5 }, /stage2\.lambda is gone: .* Leave it out, or train with commit 1b3f525/],
    [{ divergence: 'jsd' }, /stage2\.divergence=jsd made no difference .* Leave it out, or train with commit 1b3f525/],
    [{ teacher: 'ema' }, /stage2\.teacher=ema did far worse .* Leave it out, or train with commit 1b3f525/],
  ])('with %o is refused with the reason and the way out', async (changes, message) => {
    const folder = temporary.file('run');
    writeOldRun(folder, changes);
    for (const command of [
      ['train', '--resume', folder],
      ['report', folder],
    ]) {
      const { code, err } = await run(...command);
      expect(err).toMatch(message);
      expect(code).toBe(2);
    }
  });
});
