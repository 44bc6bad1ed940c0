/** Updates whose numbers are not finite, from weights that overflow for some of the batches or for all. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { AdamW, openDevice } from '../../../core/index.js';
import { encodeCheckpoint } from '../../../models/index.js';
import type { Checkpoint } from '../../../models/index.js';
import { BadSteps } from '../../../mgsd/runs/bad-steps.js';
import { explainNaN } from '../../../mgsd/runs/explain-nan.js';
import { readCheckpoint, RunFolder } from '../../../mgsd/runs/run-folder.js';
import { RunStopped } from '../../../mgsd/runs/train-options.js';
import type { Interrupted } from '../../../mgsd/runs/train-options.js';
import type { StageName } from '../../../mgsd/method/stages/stage.js';
import { miniatureConfig, miniatureModel, runMiniature } from '../../../bench/soak/miniature.js';
import { randomModel } from '../../models/miniature.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();
const wasm = await openDevice('wasm', { threads: 1 });
afterAll(() => wasm.close());

const config = miniatureConfig();
/**
 * Stops a run after two updates of a stage and changes its checkpoint, or its teacher's.
 * @returns the newest checkpoint
 */
async function changeCheckpoint(folder: string, stage: StageName, change: (checkpoint: Checkpoint) => void) {
  const stop = new AbortController();
  const onStep = (report: { stage: StageName; step: number }) => {
    if (report.stage === stage && report.step === 2) stop.abort();
  };
  const run = runMiniature(wasm, folder, { config, signal: stop.signal, observer: { onStep } });
  const { checkpoint: file } = (await run.catch((error: unknown) => error)) as Interrupted;
  const end = path.join(folder, `checkpoint-stage0-${config.stage0.steps}.safetensors`);
  const target = stage === 'stage2' ? end : file!; // stage 2's teacher, which reads the symbols of the boards
  const checkpoint = readCheckpoint(target);
  change(checkpoint);
  fs.writeFileSync(target, encodeCheckpoint(checkpoint));
  return file!;
}

/** Gives one row of a table an embedding whose sum overflows: its layer norm is NaN wherever the row is used. */
const overflowIn =
  (name: string, row: number) =>
  ({ parameters }: Checkpoint) => {
    parameters.get(name)!.fill(3e38, 8 * row, 8 * (row + 1));
  };

/** Rows that some batches use and others do not; which ones those are depends on the boards. */
const rows = {
  stage0: Array.from({ length: 25 }, (_, i) => ['decoder.position.response', 30 - i] as const),
  stage2: Array.from({ length: 100 }, (_, i) => ['decoder.embedding', 20 + i] as const),
};

/** What `train --explain-nan` says of a checkpoint. */
async function explain(run: string, from?: string): Promise<{ text: string; notes: string[] }> {
  const folder = RunFolder.open(run);
  const notes: string[] = [];
  try {
    const observer = { onNote: (note: string) => notes.push(note) };
    const options = { config, device: wasm, folder, model: miniatureModel, observer };
    return { text: await explainNaN({ ...options, ...(from !== undefined && { from }) }), notes };
  } finally {
    folder.close();
  }
}

/** Names and bytes of everything in a folder. */
const contents = (folder: string) =>
  fs.readdirSync(folder).map(name => [name, fs.readFileSync(path.join(folder, name), 'base64')]);

describe('a bad update', () => {
  it.each(['stage0', 'stage2'] as const)(
    'of %s is skipped, the run goes on, and it is explained later',
    async stage => {
      for (const [name, row] of rows[stage]) {
        const folder = temporary.file(`run-${row}`);
        const from = await changeCheckpoint(folder, stage, overflowIn(name, row));
        const begun = temporary.file(`begun-${row}`);
        fs.cpSync(folder, begun, { recursive: true });
        const notes: string[] = [];
        const skipped: number[] = [];
        const run = runMiniature(wasm, folder, {
          config,
          stages: [stage],
          observer: {
            onNote: note => notes.push(note),
            onStep: ({ metrics }) => skipped.push(metrics['skipped']!),
          },
        });
        if ((await run.catch((error: unknown) => error)) instanceof RunStopped) continue; // too many batches use it
        const bad = notes.filter(note => note.includes('not finite'));
        if (bad.length === 0) continue;

        expect(bad[0]).toMatch(/^\w+, update \d+: the (loss|gradient) is not finite; the update was skipped$/);
        // Neither weights nor moments were touched by it.
        const steps = config[stage].steps;
        const end = readCheckpoint(path.join(folder, `checkpoint-${stage}-${steps}.safetensors`));
        const { state: _, ...moments } = Object.fromEntries(end.optimizer); // the state says what the last gradient was
        for (const [name, values] of [...end.parameters, ...Object.entries(moments)])
          expect(values.every(Number.isFinite), name).toBe(true);
        expect(skipped.at(-1)).toBe(bad.length);

        const before = contents(begun);
        const { text } = await explain(begun, path.join(begun, path.basename(from)));
        expect(text.startsWith(`${bad[0]!}. The first tensor that is not finite is y [`), text).toBe(true);
        expect(text).toMatch(
          /y \[\d+, 8\] of layerNorm \(kernel \w+\), computed with (the teacher's )?decoder\.block\.0\.attention\.norm/,
        );
        expect(contents(begun)).toEqual(before);
        return;
      }
      throw new Error('no row is used by some of the batches only');
    },
  );

  it('again and again stops the run, which says where it would resume', async () => {
    const folder = temporary.file('run');
    await changeCheckpoint(folder, 'stage0', overflowIn('decoder.position.response', 1));
    const run = runMiniature(wasm, folder, { config, stages: ['stage0'] });
    const error = (await run.catch((thrown: unknown) => thrown)) as RunStopped;
    expect(error).toBeInstanceOf(RunStopped);
    expect(error.reason).toBe('numbers');
    expect(error.message).toMatch(/This was bad update number 3 in a row/);
    expect(error.message).toMatch(/The last good checkpoint is .*checkpoint-stage0-\d\.safetensors/);
    expect(error.message).not.toContain('\n');
    expect(error.message).toContain(error.checkpoint);
    const { text, notes } = await explain(folder, error.checkpoint);
    expect(text).toMatch(/^stage0, update \d+: the loss is not finite; the update was skipped\. The first tensor/);
    expect(notes.at(-1)).toMatch(/^stage0: updates \d+ to \d+ are run again, launch by launch$/);
  });

  it('that leaves weights which are not finite is found, and no checkpoint is made of them', async () => {
    const folder = temporary.file('run');
    await changeCheckpoint(folder, 'stage0', ({ optimizer }) => {
      optimizer.get('m')!.fill(3e38);
      optimizer.get('v')!.fill(0);
    });
    const run = runMiniature(wasm, folder, { config, stages: ['stage0'], checkpointEvery: 1000 });
    await expect(run).rejects.toThrow(/decoder\.\S+ is not finite, so no checkpoint is saved\. The last good/);
    expect((await explain(folder)).text).toMatch(/^stage0, update 3\. The first tensor that is not finite is/);
  });

  it('does not follow from a checkpoint whose weights are not finite: the run begins anew', async () => {
    const folder = temporary.file('run');
    const file = await changeCheckpoint(folder, 'stage0', ({ parameters }) => {
      parameters.get('decoder.norm.gain')!.fill(NaN);
    });
    const notes: string[] = [];
    const observer = { onNote: (note: string) => notes.push(note) };
    await runMiniature(wasm, folder, { config, stages: ['stage0'], observer });
    expect(notes).toEqual([
      expect.stringContaining(`${file} is refused: The checkpoint's tensor "decoder.norm.gain" holds numbers that`),
      `no checkpoint of stage0 in ${folder} is good: it begins anew`,
      `files newer than update 0 of stage0 were moved to ${path.join(folder, 'set-aside-1')}`,
    ]);
  });

  it('is not found where there is none', async () => {
    const folder = temporary.file('run');
    await runMiniature(wasm, folder, { config, stages: ['stage0'] });
    const [earlier] = fs.readdirSync(folder).filter(name => /^checkpoint-stage0-[1-9]\.|-1[01]\./.test(name));
    const { text } = await explain(folder, earlier);
    expect(text).toMatch(/^stage0, updates \d+ to 12: all numbers are finite\./);
    const all = RunFolder.open(folder);
    const given = { config, device: wasm, folder: all, model: miniatureModel, stages: ['stage0'] as const };
    await expect(explainNaN(given)).rejects.toThrow(/no updates left to run: name an earlier checkpoint/);
    all.close();
  });
});

describe('an update that the loss scaler skipped', () => {
  it('is counted and noted, and is no fault unless the scale cannot be lowered any more', async () => {
    const model = randomModel(wasm, 1);
    const optimizer = new AdamW(model.parameters, { lossScaling: { initial: 4 } });
    const bad = await BadSteps.start('stage0', optimizer);
    const notes = [2, 1].map((lossScale, k) => bad.after(k + 1, { loss: 1, skipped: k + 1, lossScale }));
    expect(notes).toEqual([
      'stage0, update 1: skipped, since gradients overflowed at loss scale 4 (1 so far)',
      'stage0, update 2: skipped, since gradients overflowed at loss scale 2 (2 so far)',
    ]);
    expect(bad.inARow).toBe(0);
    const atOne = (step: number) => bad.after(step, { loss: 1, skipped: step, lossScale: 1 });
    expect(atOne(3)).toBe('stage0, update 3: the gradient is not finite; the update was skipped');
    expect(bad.after(4, { loss: 1, skipped: 3, lossScale: 1 })).toBeUndefined();
    expect(bad.inARow).toBe(0);
    for (const owner of [optimizer, model]) owner.dispose();
  });

  it('stops a run after twenty of them, even if none follow each other', async () => {
    const model = randomModel(wasm, 1);
    const optimizer = new AdamW(model.parameters);
    const bad = await BadSteps.start('stage0', optimizer);
    for (let k = 0; k < 19; k++) {
      expect(bad.after(2 * k + 1, { loss: NaN })).toContain('the loss is not finite');
      expect(bad.after(2 * k + 2, { loss: 1 })).toBeUndefined();
    }
    expect(() => bad.after(39, { loss: NaN })).toThrow(/This was bad update number 20: try a smaller learning rate/);
    for (const owner of [optimizer, model]) owner.dispose();
  });
});
