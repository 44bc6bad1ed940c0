/** When launches are submitted, on a device that never gets done with any. */
import { expect, it } from 'vitest';
import { Batch } from '../../../core/backends/webgpu/batch.js';
import type { Faults } from '../../../core/backends/webgpu/faults.js';
import { Recording } from '../../../core/backends/webgpu/replay.js';
import type { PassProgram } from '../../../core/backends/webgpu/programs.js';

/** The launches of every submission so far. */
function openBatch(software: boolean) {
  const submitted: number[] = [];
  let launches = 0;
  const nothing = () => undefined;
  const pass = { setPipeline: nothing, setBindGroup: nothing, end: nothing, dispatchWorkgroups: () => launches++ };
  const submit = () => {
    submitted.push(launches);
    launches = 0;
  };
  const device = {
    pushErrorScope: nothing,
    popErrorScope: () => Promise.resolve(null),
    createCommandEncoder: () => ({ beginComputePass: () => pass, finish: nothing }),
    queue: { submit, onSubmittedWorkDone: () => new Promise(nothing) },
  } as unknown as GPUDevice;
  return { batch: new Batch(device, { track: nothing } as unknown as Faults, software), submitted };
}

const [pipeline, group] = [{} as GPUComputePipeline, {} as GPUBindGroup];

it.each([
  ['a GPU gets eager launches as they come', false, [64, 64, 64, 64]],
  ['a software adapter gets two batches, and more when it is done', true, [64, 64]],
])('%s', (_, software, expected) => {
  const { batch, submitted } = openBatch(software);
  for (let i = 0; i < 300; i++) {
    batch.dispatch(pipeline, group, undefined, 1, 1, 1);
    batch.submitIfWorthwhile();
  }
  expect(submitted).toEqual(expected);
});

it.each([
  ['a GPU begins with a recording before all of it is encoded', false, [128, 128, 44]],
  ['a software adapter gets a recording whole', true, [300]],
])('%s', (_, software, expected) => {
  const { batch, submitted } = openBatch(software);
  const recording = new Recording();
  for (let i = 0; i < 300; i++)
    recording.dispatch({} as PassProgram, { pipeline, group, immediates: undefined }, [1, 1, 1], []);
  batch.repeat(recording);
  expect(submitted).toEqual(expected);
});
