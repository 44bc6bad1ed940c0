/** A run's folder after somebody changed it: no table shows another model's results. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../../core/index.js';
import { miniatureConfig, runMiniature } from '../../../bench/soak/miniature.js';
import { differingFiles } from '../../../bench/soak/equality.js';
import type { MadeFrom } from '../../../mgsd/evaluation/made-from.js';
import type { TableRow } from '../../../mgsd/evaluation/table.js';
import { resolveConfig } from '../../../mgsd/method/config.js';
import { readRun } from '../../../mgsd/report/run-data.js';
import { readJson, writeJson } from '../../../mgsd/runs/files.js';
import { Interrupted } from '../../../mgsd/runs/train-options.js';
import { run } from '../capture.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();
const wasm = await openDevice('wasm', { threads: 1 });
afterAll(() => wasm.close());

const stages = { stage0: { steps: 3 }, stage1: { steps: 2 }, stage2: { steps: 2 } };
const config = miniatureConfig(stages);
const files = new Map<string, Buffer>(); // of a finished run
const straight = () => temporary.file('straight');

function writeRun(folder: string): string {
  fs.mkdirSync(folder);
  for (const [name, bytes] of files) fs.writeFileSync(path.join(folder, name), bytes);
  return folder;
}

beforeAll(async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'made-from-'));
  await runMiniature(wasm, path.join(folder, 'run'), { config });
  for (const name of fs.readdirSync(path.join(folder, 'run')))
    files.set(name, fs.readFileSync(path.join(folder, 'run', name)));
  fs.rmSync(folder, { recursive: true });
});

/** Resumes a run. @returns its notes */
async function resume(folder: string, options: Parameters<typeof runMiniature>[2] = {}): Promise<string[]> {
  const notes: string[] = [];
  await runMiniature(wasm, folder, { config, ...options, observer: { onNote: note => notes.push(note) } });
  return notes;
}

const rowOf = (folder: string, row: string) =>
  readJson(path.join(folder, `evaluation-${row}.json`)) as { madeFrom: MadeFrom; items: object[] };
const removeAll = (folder: string, pattern: RegExp) => {
  for (const name of fs.readdirSync(folder)) if (pattern.test(name)) fs.rmSync(path.join(folder, name));
};

describe('a finished run', () => {
  it('names in every result the weights, the configuration and the puzzles it was made from', () => {
    const folder = writeRun(straight());
    const table = readJson(path.join(folder, 'table.json')) as TableRow[];
    for (const { name, madeFrom } of table) {
      expect(madeFrom, name).toEqual(rowOf(folder, name).madeFrom);
      for (const hash of Object.values(madeFrom!)) expect(hash, name).toMatch(/^[0-9a-f]{64}$/);
      expect(fs.readFileSync(path.join(folder, 'table.md'), 'utf8')).toContain(
        `${name} ${madeFrom!.weights.slice(0, 16)}`,
      );
    }
    const origins = (pick: keyof MadeFrom) => new Set(table.map(({ madeFrom }) => madeFrom![pick])).size;
    expect([origins('weights'), origins('configuration'), origins('puzzles')]).toEqual([3, 1, 1]);
  });

  it('whose config.json was edited is refused with code 2, and nothing is touched', async () => {
    const folder = writeRun(temporary.file('run'));
    writeJson(path.join(folder, 'config.json'), miniatureConfig(stages, { stage2: { steps: 3 } }));
    const before = fs.readdirSync(folder).map(name => fs.readFileSync(path.join(folder, name), 'base64'));
    const { code, err } = await run('train', '--resume', folder, '--device', 'wasm', '--threads', '1');
    expect(err).toMatch(
      /^error: .*another configuration .*stage2\.steps is 2, not 3\): restore its config\.json[^\n]*$/,
    );
    expect(code).toBe(2);
    const edited = miniatureConfig(stages, { stage2: { steps: 3 } });
    await expect(resume(folder, { config: edited })).rejects.toThrow(
      /another configuration .*stage2\.steps is 2, not 3/,
    );
    expect(fs.readdirSync(folder).map(name => fs.readFileSync(path.join(folder, name), 'base64'))).toEqual(before);
    const warnings: string[] = [];
    expect(readRun(folder, edited, warning => warnings.push(warning)).table).toEqual([]);
    expect(warnings[0]).toMatch(/row "\S+" is left out: \S+ was not made from this run's configuration/);
  });

  it('whose checkpoints are gone sets aside what they came to, and says what it does', async () => {
    const folder = writeRun(temporary.file('run'));
    removeAll(folder, /^checkpoint-stage[12]/);
    const stop = new AbortController();
    const onStage = ({ stage }: { stage: string }) => {
      if (stage === 'stage1') stop.abort();
    };
    await expect(runMiniature(wasm, folder, { config, signal: stop.signal, observer: { onStage } })).rejects.toThrow(
      Interrupted,
    );
    const derived = [...files.keys()].filter(name => /^evaluation-(stage1|mgsd)|^table/.test(name));
    expect(fs.readdirSync(path.join(folder, 'set-aside-1'))).toEqual(expect.arrayContaining([...derived, 'log.jsonl']));
    expect(fs.readdirSync(folder).filter(name => derived.includes(name))).toEqual([]);
    await resume(folder);
    fs.rmSync(path.join(folder, 'set-aside-1'), { recursive: true });
    expect(differingFiles(writeRun(straight()), folder)).toEqual([]);
  });

  it('keeps its table while a baseline is added to it', async () => {
    const folder = writeRun(temporary.file('run'));
    const notes = await resume(folder, { stages: ['direct'] });
    expect(notes.filter(note => note.includes('moved'))).toEqual([]);
    const names = (readJson(path.join(folder, 'table.json')) as TableRow[]).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['mgsd', 'direct']));
  });

  it('evaluates again what is shortened, or of other weights, or does not say', async () => {
    const folder = writeRun(temporary.file('run'));
    const { madeFrom, items } = rowOf(folder, 'mgsd');
    const withoutHash = { ...rowOf(folder, 'base'), sha256: undefined };
    const changes: Record<string, [object, RegExp]> = {
      mgsd: [{ madeFrom, items: items.slice(1) }, /this run's puzzles: it is computed again/],
      stage1: [withoutHash, /this run's weights: it is computed again/],
      base: [rowOf(folder, 'base').items, /does not say what it was made from: it is computed again/],
      symbolic: [{ madeFrom: { ...madeFrom, configuration: '' }, items }, /configuration/],
    };
    for (const [row, [value]] of Object.entries(changes)) writeJson(path.join(folder, `evaluation-${row}.json`), value);
    const warnings: string[] = [];
    const shown = readRun(folder, config, warning => warnings.push(warning)).table.map(({ name }) => name);
    expect(shown).not.toContain('stage1');
    expect(warnings).toHaveLength(3); // base says nothing, so nothing is known against it
    const notes = await resume(folder);
    for (const [row, [, message]] of Object.entries(changes))
      expect(notes.filter(note => note.includes(`evaluation-${row}.json`)).join(), row).toMatch(message);
    expect(differingFiles(writeRun(straight()), folder)).toEqual([]);
  });

  it('evaluates again what was edited, and what is a copy of another row of the same weights', async () => {
    const folder = writeRun(temporary.file('run'));
    const edit = (row: string, change: (text: string) => string) => {
      const file = path.join(folder, `evaluation-${row}.json`);
      fs.writeFileSync(file, change(fs.readFileSync(file, 'utf8')));
    };
    edit('mgsd', text => text.replace('"success": false', '"success": true'));
    edit('mgsd-blank', () => fs.readFileSync(path.join(folder, 'evaluation-mgsd-symbolic.json'), 'utf8'));
    edit('stage1', text => JSON.stringify(JSON.parse(text) as object)); // the same in one line
    const warnings: string[] = [];
    const shown = readRun(folder, config, warning => warnings.push(warning)).table.map(({ name }) => name);
    expect(shown).toEqual(expect.not.arrayContaining(['mgsd', 'mgsd-blank']));
    expect(shown).toContain('stage1');
    expect(warnings).toHaveLength(2);
    for (const warning of warnings)
      expect(warning).toMatch(/row "mgsd(-blank)?" is left out: .*does not hold the results that were written to it/);
    const notes = await resume(folder);
    expect(notes).toHaveLength(2);
    for (const note of notes) expect(note).toMatch(/evaluation-mgsd.*written to it\. It is computed again/);
    edit('stage1', () => files.get('evaluation-stage1.json')!.toString());
    expect(differingFiles(writeRun(straight()), folder)).toEqual([]);
  });

  it('resumed on another device says so; another number of threads is no other device', async () => {
    const folder = writeRun(temporary.file('run'));
    const file = path.join(folder, 'device.json');
    const device = readJson(file) as { description: string };
    const other = { ...device, description: device.description.replace('1 thread,', '8 threads,') };
    writeJson(file, other);
    expect(await resume(folder)).toEqual([]);
    writeJson(file, { ...device, description: device.description.replace('wasm:', 'webgpu:') });
    expect(await resume(folder)).toEqual([expect.stringMatching(/another device \(webgpu: .*its numbers differ/)]);
    expect(readJson(file)).toEqual(device);
  });
});

it('writes checkpoints with the same bytes whatever the order of the keys of its configuration', async () => {
  const { stages = [], ...rest } = resolveConfig('tiny', config, { stages: ['stage0'] });
  const orders = [
    { stages, ...rest },
    { ...rest, stages },
  ];
  const bytes = [];
  for (const [k, order] of orders.entries()) {
    await runMiniature(wasm, temporary.file(`run${k}`), { config: order });
    bytes.push(fs.readFileSync(temporary.file(`run${k}/checkpoint-stage0-3.safetensors`), 'base64'));
  }
  expect(bytes[0]).toBe(bytes[1]);
});
