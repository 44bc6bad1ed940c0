/** Steps whose numbers are not finite, from weights that overflow for some of the batches or for all. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { AdamW, openDevice } from '../../../core/index.js';
import { decodeSafetensors, encodeCheckpoint } from '../../../models/index.js';
import { StepGuard } from '../../../mgsd/runs/bad-steps.js';
import { readCheckpoint } from '../../../mgsd/runs/checkpoints.js';
import { RunFolder } from '../../../mgsd/runs/run-folder.js';
import { planningStage } from '../../../mgsd/method/stages/stage0.js';
import { RunStopped } from '../../../mgsd/runs/train-options.js';
import type { Interrupted } from '../../../mgsd/runs/train-options.js';
import type { StageName } from '../../../mgsd/method/stages/stage.js';
import { miniatureConfig, miniatureModel, runMiniature } from '../../../bench/soak/miniature.js';
import { randomModel } from '../../models/miniature.js';
import { groups } from '../miniature-run.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();
const wasm = await openDevice('wasm', { threads: 1 });
afterAll(() => wasm.close());

const config = miniatureConfig();
const { promptPositions } = miniatureModel;

/** Stops a run after two updates of a stage and changes its weights. */
async function changeWeights(folder: string, stage: StageName, change: (weights: Map<string, Float32Array>) => void) {
  const stop = new AbortController();
  const onStep = (report: { stage: StageName; step: number }) => {
    if (report.stage === stage && report.step === 2) stop.abort();
  };
  const run = runMiniature(wasm, folder, { config, signal: stop.signal, observer: { onStep } });
  const { checkpoint: file } = (await run.catch((error: unknown) => error)) as Interrupted;
  const checkpoint = readCheckpoint(file!);
  const parameters = new Map(checkpoint.parameters);
  change(parameters);
  fs.writeFileSync(file!, encodeCheckpoint({ ...checkpoint, parameters }));
}

/** Gives one row of a table an embedding whose sum overflows: its layer norm is NaN wherever the row is used. */
const overflowIn = (name: string, row: number) => (weights: Map<string, Float32Array>) => {
  const table = weights.get(name)!.slice();
  table.fill(3e38, 8 * row, 8 * (row + 1));
  weights.set(name, table);
};

/** Rows that some batches use and others do not; which ones those are depends on the boards. */
const rows = {
  stage0: Array.from({ length: 25 }, (_, i) => ['decoder.position.response', 30 - i] as const),
  stage2: Array.from({ length: 100 }, (_, i) => ['decoder.embedding', 20 + i] as const),
};

describe('a bad step', () => {
  it.each(['stage0', 'stage2'] as const)('of %s is left out, explained and kept, and the run goes on', async stage => {
    for (const [name, row] of rows[stage]) {
      const folder = temporary.file(`run-${row}`);
      await changeWeights(folder, stage, overflowIn(name, row));
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

      const [, step = ''] = /^\w+, update (\d+): the (?:loss|gradient) is not finite; the update was left out\. /.exec(
        bad[0]!,
      )!;
      expect(bad[0]).toMatch(/The first tensor that is not finite is y \[\d+, 8\] of layerNorm \(kernel \w+\), which used (the teacher's )?decoder\.block\.0\.attention\.norm/); // prettier-ignore
      expect(bad[0]).toMatch(/The last good checkpoint is .*checkpoint-stage\d-(\d+)\.safetensors \(update \1\)\.$/);
      const file = path.join(folder, `bad-step-${stage}-${step}.safetensors`);
      const { metadata, tensors } = decodeSafetensors(fs.readFileSync(file));
      expect(metadata).toMatchObject({ stage, update: step, seed: '1' });
      expect(bad[0]).toContain(metadata['origin']);
      const [used, offset] = stage === 'stage0' ? ['batch.positions', promptPositions] : ['batch.tokens', 0];
      const given = [...tensors.get(used)!.data];
      if (bad[0]!.includes("the teacher's"))
        expect(given.length).toBeGreaterThan(0); // it saw the row in its own prompt
      else expect(given).toContain(offset + row);
      // Neither weights nor moments were touched by it.
      const steps = config[stage].steps;
      const end = readCheckpoint(path.join(folder, `checkpoint-${stage}-${steps}.safetensors`));
      const { state: _, ...moments } = Object.fromEntries(end.optimizer); // the state says what the last gradient was
      for (const [name, values] of [...end.parameters, ...Object.entries(moments)])
        expect(values.every(Number.isFinite), name).toBe(true);
      expect(skipped.at(-1)).toBe(bad.length);
      return;
    }
    throw new Error('no row is used by some of the batches only');
  });

  it('again and again stops the run, which says where it would go on', async () => {
    const folder = temporary.file('run');
    await changeWeights(folder, 'stage0', overflowIn('decoder.position.response', 1));
    const run = runMiniature(wasm, folder, { config, stages: ['stage0'] });
    const error = (await run.catch((thrown: unknown) => thrown)) as RunStopped;
    expect(error).toBeInstanceOf(RunStopped);
    expect(error.reason).toBe('numbers');
    expect(error.message).toMatch(/This was bad update number 3 in a row/);
    expect(error.message).toMatch(/The last good checkpoint is .*checkpoint-stage0-\d\.safetensors/);
    expect(error.message).not.toContain('\n');
  });

  it('that comes from weights which are not finite themselves is said to, and no checkpoint is made of them', async () => {
    const folder = temporary.file('run');
    await changeWeights(folder, 'stage0', weights => {
      weights.set('decoder.norm.gain', new Float32Array(8).fill(NaN));
    });
    const notes: string[] = [];
    const observer = { onNote: (note: string) => notes.push(note) };
    const run = runMiniature(wasm, folder, { config, stages: ['stage0'], checkpointEvery: 1000, observer });
    await expect(run).rejects.toThrow(/decoder\.norm\.gain is not finite, so no checkpoint is saved\. The last good/);
    expect(notes.some(note => note.includes('The weights themselves are not finite.'))).toBe(true);
  });
});

describe('an update that the loss scaler left out', () => {
  it('is counted and noted, and is no fault unless the scale cannot be lowered any more', async () => {
    const model = randomModel(wasm, 1);
    const optimizer = new AdamW(model.parameters, { lossScaling: { initial: 4 } });
    const run = RunFolder.create(temporary.file('run'), config, { stages: ['stage0'] });
    const notes: string[] = [];
    const guard = await StepGuard.start({
      ...{ config, model, optimizer, folder: run, teacher: undefined, window: 3 },
      stage: planningStage({ config, student: model, optimizer, groups }),
      rebuild: (student, _, its) => planningStage({ config, student, optimizer: its, groups }),
      lastGood: () => 'There is none.',
      onNote: note => notes.push(note),
    });
    for (const [step, lossScale] of [2, 1].entries()) {
      guard.before(step);
      await guard.after(step, { loss: 1, skipped: step + 1, lossScale });
    }
    expect(guard.scaleSkips).toBe(2);
    expect(notes).toEqual([
      'stage0, update 1: left out, since gradients overflowed at loss scale 4 (1 so far)',
      'stage0, update 2: left out, since gradients overflowed at loss scale 2 (2 so far)',
    ]);
    guard.before(2);
    await guard.after(2, { loss: 1, skipped: 3, lossScale: 1 });
    expect(notes[2]).toMatch(
      /^stage0, update 3: the gradient is not finite; the update was left out\. Done again, all of it was finite/,
    );
    for (const owner of [guard, optimizer, model]) owner.dispose();
    run.close();
  });
});
