import fs from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Device } from '../../../core/index.js';
import { WebGpuBackend } from '../../../core/backends/webgpu/webgpu.js';
import { openDevice } from '../../../core/backends/webgpu/device.js';
import type { OpenedDevice } from '../../../core/backends/webgpu/device.js';
import { miniatureConfig, runMiniature } from '../../../bench/soak/miniature.js';
import { Interrupted, RunStopped } from '../../../mgsd/runs/train-options.js';
import { takeUncapturedErrors } from '../../config/uncaptured.js';
import { describeWithAdapter } from '../../core/backends/webgpu.js';
import { expectSameAfterStops } from './resume.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();

describeWithAdapter('on webgpu', () => {
  let device: Device;
  beforeAll(async () => {
    device = new Device(new WebGpuBackend(await openDevice()));
  });
  afterAll(() => device.close());

  it('a run that is stopped again and again leaves the same bits as a straight one', async () => {
    await expectSameAfterStops(device, temporary.path, 6);
  }, 300_000);

  it('so does one with Muon', async () => {
    const config = miniatureConfig({ optimizer: { kind: 'muon' } });
    await expectSameAfterStops(device, temporary.path, 6, config);
  }, 300_000);

  it('a lost device saves what was known good of the run, says so, and the run goes on from there', async () => {
    const config = miniatureConfig({ stage0: { steps: 240 } }); // no checkpoint of its own before update 30
    const upTo30 = async (on: Device, folder: string, onStep: (report: { step: number }) => void = () => {}) => {
      const stop = new AbortController();
      const observer = {
        onStep: (report: { step: number }) => {
          if (report.step === 26) stop.abort();
          onStep(report);
        },
      };
      const options = { config, stages: ['stage0'] as const, checkpointEvery: 1000, signal: stop.signal, observer };
      return await runMiniature(on, temporary.file(folder), options).catch((error: unknown) => error);
    };
    const straight = (await upTo30(device, 'straight')) as Interrupted;

    const opened: OpenedDevice = await openDevice();
    const doomed = new Device(new WebGpuBackend(opened));
    const error = await upTo30(doomed, 'run', ({ step }) => {
      if (step === 23) opened.device.destroy();
    });
    expect(error).toBeInstanceOf(RunStopped);
    expect((error as RunStopped).reason).toBe('lost');
    const { message } = error as RunStopped;
    expect(message).toMatch(/^stage0, update 2\d: The GPU device was lost/);
    const saved = /The newest state known to be good is saved in (.+)\.$/.exec(message)?.[1];
    expect(saved).toBe(temporary.file('run/checkpoint-stage0-20.safetensors'));
    await doomed.close();

    const resumed = (await upTo30(device, 'run')) as Interrupted;
    expect(resumed).toBeInstanceOf(Interrupted);
    expect(fs.readFileSync(resumed.checkpoint!).equals(fs.readFileSync(straight.checkpoint!))).toBe(true);
  }, 300_000);

  it('a device without memory stops the run, as a fault of that kind', async () => {
    const opened = await openDevice();
    const other = new Device(new WebGpuBackend(opened));
    // A software adapter ends only with the machine's memory, so this one says what a real one would.
    let full = false;
    const { device: gpu } = opened;
    const filters: string[] = [];
    const [push, pop] = [gpu.pushErrorScope.bind(gpu), gpu.popErrorScope.bind(gpu)];
    gpu.pushErrorScope = filter => {
      filters.push(filter);
      push(filter);
    };
    gpu.popErrorScope = async () => {
      const filter = filters.pop();
      const error = await pop();
      return full && filter === 'out-of-memory' ? { message: 'no memory' } : error;
    };
    const onStep = ({ step }: { step: number }) => {
      if (step !== 2) return;
      full = true;
      other.empty([2 ** 20]);
    };
    const run = runMiniature(other, temporary.file('run'), { stages: ['stage0'], observer: { onStep } });
    const error = (await run.catch((thrown: unknown) => thrown)) as RunStopped;
    expect(error).toBeInstanceOf(RunStopped);
    expect(error.reason).toBe('memory');
    expect(error.message).toMatch(/No device memory for 4\.0 MiB more .*smaller batch/);
    await other.close().catch(() => {});
  });

  it('an error that nobody waited for stops the run', async () => {
    const opened = await openDevice();
    const other = new Device(new WebGpuBackend(opened));
    const onStep = ({ step }: { step: number }) => {
      if (step === 2) opened.device.createBuffer({ size: 16, usage: 0xffff }); // no such usage
    };
    const run = runMiniature(other, temporary.file('run'), { stages: ['stage0'], observer: { onStep } });
    await expect(run).rejects.toThrow(/usage/i);
    expect(takeUncapturedErrors()).not.toEqual([]);
    await other.close().catch(() => {});
  });
});
