/** `--resume` with the path of a checkpoint. */
import fs from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeJson } from '../../../mgsd/runs/files.js';
import { run, smallConfig, untrainedCheckpoint } from '../capture.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();
let checkpoint: Uint8Array; // stage2, step 7, without an optimiser's state
beforeAll(async () => {
  checkpoint = await untrainedCheckpoint();
});

describe('going on from a checkpoint that is named', () => {
  it.each<[string, string, () => Uint8Array, RegExp]>([
    ['a file with another name', 'model.safetensors', () => checkpoint, /not named like a checkpoint of a run/],
    [
      'a damaged one',
      'checkpoint-stage2-7.safetensors',
      () => checkpoint.map((b, i) => (i === checkpoint.length - 9 ? b ^ 1 : b)),
      /refused: The checkpoint is damaged: its checksum is wrong; take an earlier checkpoint/,
    ],
    [
      'one that is cut off',
      'checkpoint-stage2-7.safetensors',
      () => checkpoint.subarray(0, 5000),
      /is refused: .*; take an earlier checkpoint/,
    ],
    ['one for inference alone', 'checkpoint-stage2-7.safetensors', () => checkpoint, /has not the optimiser's state/],
    [
      'one of another place',
      'checkpoint-stage1-7.safetensors',
      () => checkpoint,
      /was written as stage2, update 7; check the path/,
    ],
  ])('refuses %s and changes nothing', async (_, name, bytes, message) => {
    writeJson(temporary.file('config.json'), smallConfig);
    fs.writeFileSync(temporary.file(name), bytes());
    const { code, err } = await run('train', '--resume', temporary.file(name));
    expect(err).toMatch(message);
    expect(err).toMatch(/^error: [^\n]+$/);
    expect(code).toBe(2);
    expect(fs.readdirSync(temporary.path).sort()).toEqual([name, 'config.json'].sort());
  });
});
