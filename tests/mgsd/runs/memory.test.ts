/** What a run needs is known before it begins, and a run that does not fit is told which batch would. */
import { describe, expect, it } from 'vitest';
import { Device } from '../../../core/index.js';
import { openWasmBackend } from '../../../core/backends/wasm/wasm.js';
import { modelPresets, VisionLanguageModel } from '../../../models/index.js';
import { resolveConfig } from '../../../mgsd/method/config.js';
import { predictMemory, memoryProblem } from '../../../mgsd/runs/memory-need.js';
import { trainingGroups } from '../../../mgsd/method/puzzles.js';
import { probeStep } from '../../../mgsd/method/stages/probe.js';
import { makeOptimizer } from '../../../mgsd/method/stages/stage.js';

const config = resolveConfig('tiny', {
  tasks: [{ world: 'frozenlake', levels: [3], pool: { '3': 24 } }],
  stage0: { batch: 8 },
  stage1: { batch: 8 },
  stage2: { batch: 8 },
  evaluation: { puzzles: 4 },
});

const openWasm = async (maxBytes?: number) =>
  new Device(await openWasmBackend({ threads: 1, ...(maxBytes !== undefined && { maxBytes }) }));

describe('memory', () => {
  it.each(['stage0', 'stage1', 'stage2'] as const)('%s never takes more than was predicted', async stage => {
    const device = await openWasm();
    const [need] = await predictMemory(config, [stage], device.capabilities);
    const model = new VisionLanguageModel(device, modelPresets.tiny).initialize(1);
    const teacher = new VisionLanguageModel(device, modelPresets.tiny, { trainable: false });
    const optimizer = makeOptimizer(model, config);
    const step = probeStep(
      stage,
      { config, student: model, planner: teacher, optimizer, groups: trainingGroups(config) },
      8,
      'longest',
    );
    for (let i = 0; i < 4; i++) await step(); // the last ones are replayed
    const used = device.memory().peakBytes;
    expect(need!.bytes).toBeGreaterThanOrEqual(used);
    expect(need!.bytes).toBeLessThan(4 * used); // the evaluation and the pool are in it too
    await device.close();
  });

  it('grows with the batch', async () => {
    const device = await openWasm();
    const bytes = async (batch: number) =>
      (await predictMemory(config, ['stage1'], device.capabilities, batch))[0]!.bytes;
    expect(await bytes(64)).toBeGreaterThan(2 * (await bytes(8)));
    await device.close();
  });

  it('has a device that compiles do so before the run, for all that its stages launch', async () => {
    const device = await openWasm();
    const compiled = new Set<string>();
    device.backend.compile = launches => {
      for (const { kernel } of launches) compiled.add(kernel.name);
      return Promise.reject(new Error('a shader that may never be needed'));
    };
    expect(await memoryProblem(config, ['stage2'], device)).toBeUndefined();
    for (const name of ['attention', 'attention_grad', 'adamw', 'distillation_reverse_kl', 'sample_tokens'])
      expect(compiled).toContain(name);
    await device.close();
  });

  it('names the batch that fits where the configured one does not', async () => {
    const device = await openWasm(2 ** 26);
    expect(await memoryProblem(config, ['stage1'], device)).toBeUndefined();
    const large = resolveConfig('tiny', config, { stage1: { batch: 512 } });
    const problem = await memoryProblem(large, ['stage1'], device);
    expect(problem).toMatch(
      /stage1 with 512 puzzles per update needs \d+ MiB.* A batch of \d+ fits: --set stage1.batch=\d+/,
    );
    const batch = Number(/batch=(\d+)/.exec(problem!)![1]);
    expect(
      await memoryProblem(resolveConfig('tiny', large, { stage1: { batch } }), ['stage1'], device),
    ).toBeUndefined();
    await device.close();
  });

  it('says so where not even one puzzle fits', async () => {
    const device = await openWasm(2 ** 22);
    expect(await memoryProblem(config, ['stage1'], device)).toMatch(/Not even one puzzle fits.*--preset tiny/);
    await device.close();
  });
});
