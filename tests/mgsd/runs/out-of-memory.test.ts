/** A run that meets the end of its device's memory in the middle. */
import { expect, it } from 'vitest';
import { DryBackend } from '../../../core/backends/dry.js';
import { openWasmBackend } from '../../../core/backends/wasm/wasm.js';
import { Device, DeviceError } from '../../../core/index.js';
import { presets, resolveConfig } from '../../../mgsd/method/config.js';
import { memoryAdvice, predictMemory } from '../../../mgsd/runs/memory-need.js';
import { RunFolder } from '../../../mgsd/runs/run-folder.js';
import { train } from '../../../mgsd/runs/train.js';
import { RunStopped } from '../../../mgsd/runs/train-options.js';
import { cpu } from '../../core/devices.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();

it('says where it stopped, what is left of it, and which batch would fit, and that one does', async () => {
  const config = (batch: number) =>
    resolveConfig('tiny', {
      tasks: [{ world: 'frozenlake', levels: [3], pool: { '3': 24 } }],
      stage0: { batch, steps: 2 },
      evaluation: { puzzles: 2 },
    });
  const run = async (batch: number, device: Device) => {
    const folder = RunFolder.create(temporary.file(`run-${batch}`), config(batch));
    try {
      return await train({ config: config(batch), device, folder, stages: ['stage0'] });
    } finally {
      folder.close();
    }
  };
  const device = new Device(await openWasmBackend({ threads: 1, maxBytes: 2 ** 26 }));
  const error = (await run(512, device).catch((thrown: unknown) => thrown)) as RunStopped;
  expect(error).toBeInstanceOf(RunStopped);
  expect([error.reason, error.stage]).toEqual(['memory', 'stage0']);
  expect(error.cause).toBeInstanceOf(DeviceError);
  expect(error.message).toMatch(
    /^stage0, update 1: out of memory on the wasm backend: \d+ MiB more are needed, .*There is no checkpoint of stage0 yet; it would begin anew\.$/,
  );
  expect(device.memory().liveBuffers).toBe(0); // everything was given back

  const advice = await memoryAdvice(config(512), 'stage0', device);
  const batch = Number(/^A new run with --set stage0\.batch=(\d+) would fit$/.exec(advice)?.[1]);
  expect(batch).toBeGreaterThan(0);
  const again = new Device(await openWasmBackend({ threads: 1, maxBytes: 2 ** 26 }));
  await run(batch, again);

  const small = new Device(await openWasmBackend({ threads: 1, maxBytes: 2 ** 22 }));
  expect(await memoryAdvice(config(2), 'stage0', small)).toMatch(/^Not even one puzzle with the smallest preset/);
  for (const opened of [device, again, small]) await opened.close();
});

it('names a smaller preset where no batch fits', async () => {
  const { capabilities } = cpu;
  const [need] = await predictMemory(presets.tiny, ['stage1'], capabilities);
  /** Has room for just the tiny preset's own needs. */
  class Narrow extends DryBackend {
    override hasMemory(bytes = Infinity): Promise<boolean> {
      return Promise.resolve(bytes === need!.bytes);
    }
  }
  const tasks = [{ world: 'frozenlake', levels: [3], pool: { '3': 24 } }];
  const large = resolveConfig('small', { tasks, stage1: { batch: 2 }, evaluation: { puzzles: 2 } });
  const device = new Device(new Narrow(capabilities));
  expect(await memoryAdvice(large, 'stage1', device)).toBe('A new run with --preset tiny would fit');
});
