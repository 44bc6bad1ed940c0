/** The log waits for the metrics of an update two updates later, and has them in order, whichever come first. */
import { expect, it } from 'vitest';
import type { Metrics } from '../../../mgsd/method/stages/stage.js';
import { StepLog } from '../../../mgsd/runs/step-log.js';
import type { OpenStage } from '../../../mgsd/runs/open-stage.js';
import type { TrainOptions } from '../../../mgsd/runs/train-options.js';
import { miniatureConfig } from '../../../bench/soak/miniature.js';

function resolvers() {
  let resolve!: (metrics: Metrics) => void;
  const promise = new Promise<Metrics>(done => (resolve = done));
  return { promise, resolve };
}

it('two updates may be under way when the next is done', async () => {
  const logged: number[] = [];
  const opened = {
    stage: { name: 'stage0', title: 'test', steps: 4 },
    model: { device: { memory: () => ({ peakBytes: 0 }) } },
    optimizer: { state: { read: () => Promise.resolve([]) } },
  } as unknown as OpenStage;
  const folder = { appendLog: ({ step }: { step: number }) => logged.push(step), hostBytes: () => 0 };
  const log = await StepLog.start(opened, { config: miniatureConfig(), folder } as unknown as TrainOptions);
  const metrics = Array.from({ length: 4 }, () => resolvers());
  const added = metrics.map(() => false);
  const add = (i: number) =>
    log.add(i + 1, metrics[i]!.promise).then(() => {
      added[i] = true;
    });
  await Promise.all([add(0), add(1)]); // nothing has come yet
  const third = add(2);
  metrics[1]!.resolve({ loss: 1 });
  metrics[2]!.resolve({ loss: 1 });
  await new Promise(resolve => setImmediate(resolve));
  expect([added, logged]).toEqual([[true, true, false, false], []]);
  metrics[0]!.resolve({ loss: 1 });
  await third;
  expect(logged).toEqual([1]);
  metrics[3]!.resolve({ loss: 1 });
  await add(3);
  await log.drain();
  expect(logged).toEqual([1, 2, 3, 4]);
});
