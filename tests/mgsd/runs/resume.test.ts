import fs from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../../core/index.js';
import type { Device } from '../../../core/index.js';
import { decodeRunState } from '../../../mgsd/runs/checkpoints.js';
import { readCheckpoint } from '../../../mgsd/runs/run-folder.js';
import { decodeSafetensors, encodeSafetensors } from '../../../models/index.js';
import { miniatureConfig, runMiniature } from '../../../bench/soak/miniature.js';
import { cpu } from '../../core/devices.js';
import { expectSameAfterStops } from './resume.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();
const wasm: Device = await openDevice('wasm', { threads: 1 });
afterAll(() => wasm.close());

describe('a run that is stopped again and again', () => {
  it('leaves the same bits as a straight one on cpu, and a second straight one too', async () => {
    await expectSameAfterStops(cpu, temporary.path);
  });

  it('leaves the same bits as a straight one on wasm, and a second straight one too', async () => {
    await expectSameAfterStops(wasm, temporary.path);
  });
});

describe('a run with Muon that is stopped again and again', () => {
  const optimizer = { kind: 'muon' };

  it.each([
    { threads: 1, precision: 'f32' },
    { threads: 2, precision: 'f16' },
  ] as const)('leaves the same bits as a straight one on wasm: %j', async ({ threads, precision }) => {
    const device = await openDevice('wasm', { threads });
    await expectSameAfterStops(device, temporary.path, 4, miniatureConfig({ optimizer, precision }));
    await device.close();
  });

  it('does not go on from a checkpoint that AdamW wrote, and says why', async () => {
    const folder = temporary.file('run');
    await runMiniature(wasm, folder, { stages: ['stage0'] });
    const [name] = fs.readdirSync(folder).filter(file => file.startsWith('checkpoint-stage0-12'));
    const bytes = fs.readFileSync(path.join(folder, name!));
    const file = { name: name!, path: path.join(folder, name!), stage: 'stage0', step: 12 } as const;
    expect(() => decodeRunState(file, bytes, miniatureConfig())).not.toThrow();
    expect(() => decodeRunState(file, bytes, miniatureConfig({ optimizer }))).toThrow(
      /is refused: it was trained by adamw, whose state is of no use to the muon of this run; check the path/,
    );
  });
});

describe('going on', () => {
  const notesOf = async (folder: string, options: Parameters<typeof runMiniature>[2] = {}) => {
    const notes: string[] = [];
    await runMiniature(wasm, folder, { ...options, observer: { onNote: note => notes.push(note) } });
    return notes;
  };
  const finished = async (): Promise<string> => {
    const folder = temporary.file('run');
    await runMiniature(wasm, folder);
    return folder;
  };
  const bytesOf = (folder: string, name: string) =>
    fs.readFileSync(path.join(folder, `checkpoint-${name}.safetensors`));

  it('keeps the last checkpoints of each stage and the best one, and knows it', async () => {
    const folder = await finished();
    const names = fs.readdirSync(folder).filter(name => name.startsWith('checkpoint-stage0'));
    expect(names).toContain('checkpoint-stage0-12.safetensors');
    const best = JSON.parse(fs.readFileSync(path.join(folder, 'best.json'), 'utf8')) as Record<
      string,
      { file: string; score: number }
    >;
    expect(Object.keys(best).sort()).toEqual(['stage0', 'stage1', 'stage2']);
    for (const { file, score } of Object.values(best)) {
      expect(fs.existsSync(path.join(folder, file))).toBe(true);
      expect(score).toBeGreaterThanOrEqual(0);
    }
    expect(names.length).toBeLessThanOrEqual(3);
  });

  it('writes seed, stage and step into each, so that data and random numbers are where they were', async () => {
    const { metadata, optimizer } = readCheckpoint(path.join(await finished(), 'checkpoint-stage2-6.safetensors'));
    expect(metadata).toMatchObject({ stage: 'stage2', step: '6', seed: '1' });
    expect([...optimizer.keys()].sort()).toEqual(['m', 'state', 'v']);
  });

  it('passes over what is damaged, cut off, of another run or place, and says so', async () => {
    const folder = await finished();
    const expected = bytesOf(folder, 'stage2-6');
    const stage0 = bytesOf(folder, 'stage0-12');
    const other = temporary.file('other');
    await runMiniature(wasm, other, { config: miniatureConfig({ seed: 2 }), stages: ['stage0'] });
    const bad: Record<string, Buffer> = {
      damaged: Buffer.from(expected.map((byte, i) => (i === expected.length - 9 ? byte ^ 1 : byte))),
      'cut off': expected.subarray(0, expected.length - 1),
      empty: Buffer.alloc(0),
      'of another stage': stage0,
      'of another run': bytesOf(other, 'stage0-12'),
      text: Buffer.from('once upon a time'),
    };
    for (const [what, bytes] of Object.entries(bad)) {
      const file = path.join(folder, 'checkpoint-stage2-6.safetensors');
      fs.writeFileSync(file, bytes);
      const notes = await notesOf(folder);
      expect(
        notes.filter(note => note.includes(file)),
        what,
      ).toHaveLength(1);
      expect(notes[0], what).toMatch(
        /stage2-6\.safetensors is refused: .*(take an earlier checkpoint|check the path)\.$/,
      );
      expect(notes[1], what).toMatch(/^files newer than update [1-5] of stage2 were moved to .*set-aside-\d$/);
      expect(notes[2], what).toMatch(/^stage2 resumes after update [1-5]$/);
      expect(fs.readFileSync(file).equals(expected), what).toBe(true);
    }
  });

  it('begins a stage anew where all of its checkpoints are bad, and says so', async () => {
    const folder = await finished();
    const expected = bytesOf(folder, 'stage1-8');
    for (const name of fs.readdirSync(folder))
      if (name.startsWith('checkpoint-stage1')) fs.truncateSync(path.join(folder, name), 100);
    const notes = await notesOf(folder);
    expect(notes.at(-2)).toMatch(/no checkpoint of stage1 in .* is good: it begins anew/);
    expect(notes.at(-1)).toMatch(/^files newer than update 0 of stage1 were moved to .*set-aside-1$/);
    expect(bytesOf(folder, 'stage1-8').equals(expected)).toBe(true);
  });

  it('does not replace what a newer program has written', async () => {
    const folder = await finished();
    const file = path.join(folder, 'checkpoint-stage2-6.safetensors');
    const { metadata, tensors } = decodeSafetensors(fs.readFileSync(file));
    fs.writeFileSync(file, encodeSafetensors(tensors, { ...metadata, version: '99' }));
    await expect(runMiniature(wasm, folder)).rejects.toThrow(
      /stage2-6\.safetensors is refused: .*version 99.*install a newer/,
    );
    expect(decodeSafetensors(fs.readFileSync(file)).metadata['version']).toBe('99');
  });

  it('reads the states of the first format, which knew no loss scale', async () => {
    const folder = await finished();
    const expected = bytesOf(folder, 'stage0-12');
    for (const name of fs.readdirSync(folder)) {
      const file = path.join(folder, name);
      if (name === 'checkpoint-stage0-12.safetensors') fs.rmSync(file);
      else if (name.startsWith('checkpoint-stage0')) {
        const { metadata, tensors } = decodeSafetensors(fs.readFileSync(file));
        const { sha256: _, ...old } = metadata;
        const state = tensors.get('optimizer.state')!.data.slice(0, 7) as Float32Array;
        const shortened = new Map(tensors).set('optimizer.state', { dtype: 'F32', shape: [7], data: state });
        fs.writeFileSync(file, encodeSafetensors(shortened, { ...old, version: '1' }));
      }
    }
    const notes = await notesOf(folder, { stages: ['stage0'] });
    expect(notes[1]).toMatch(/^stage0 resumes after update/);
    expect(bytesOf(folder, 'stage0-12').equals(expected)).toBe(true);
  });

  it('goes back to a checkpoint that is named, and sets aside what came after', async () => {
    const folder = await finished();
    const expected = bytesOf(folder, 'stage2-6');
    const earlier = fs
      .readdirSync(folder)
      .filter(name => name.startsWith('checkpoint-stage1'))
      .sort()[0]!;
    const notes = await notesOf(folder, { from: path.join(folder, earlier) });
    expect(notes[0]).toMatch(/^files newer than .* were moved to .*set-aside-1$/);
    const moved = fs.readdirSync(path.join(folder, 'set-aside-1'));
    expect(moved).toEqual(
      expect.arrayContaining(['checkpoint-stage2-6.safetensors', 'evaluation-mgsd.json', 'log.jsonl', 'table.json']),
    );
    expect(moved).not.toContain('evaluation-symbolic.json');
    expect(bytesOf(folder, 'stage2-6').equals(expected)).toBe(true);
    const places = fs
      .readFileSync(path.join(folder, 'log.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as { stage: string; step: number });
    expect(new Set(places.map(({ stage, step }) => `${stage} ${step}`)).size).toBe(places.length);
    expect(places).toHaveLength(12 + 8 + 6);
  });

  it('computes damaged results again', async () => {
    const folder = await finished();
    const file = path.join(folder, 'evaluation-mgsd.json');
    const expected = fs.readFileSync(file, 'utf8');
    for (const damaged of [expected.slice(0, 100), '[]', '{"success": true}', '[null]']) {
      fs.writeFileSync(file, damaged);
      const notes = await notesOf(folder);
      expect(notes).toEqual([expect.stringMatching(/evaluation-mgsd\.json.* computed again/)]);
      expect(fs.readFileSync(file, 'utf8')).toBe(expected);
    }
  });

  it('reports the peaks of memory in the log and below the table', async () => {
    const folder = await finished();
    const lines = fs.readFileSync(path.join(folder, 'log.jsonl'), 'utf8').trim().split('\n');
    for (const line of lines) {
      const { deviceBytes, hostBytes } = JSON.parse(line) as Record<string, number>;
      expect(deviceBytes).toBeGreaterThan(10_000);
      expect(hostBytes).toBeGreaterThan(10_000_000);
    }
    expect(fs.readFileSync(path.join(folder, 'table.md'), 'utf8')).toMatch(/\n\| stage2 \| \d+ \| \d+ \|\n$/);
  });
});
