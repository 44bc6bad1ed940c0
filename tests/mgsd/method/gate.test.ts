import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDevice, Random } from '../../../core/index.js';
import type { Device } from '../../../core/index.js';
import { VisionLanguageModel } from '../../../models/index.js';
import { resolveConfig } from '../../../mgsd/method/config.js';
import type { RunConfig } from '../../../mgsd/method/config.js';
import { evaluatePerception, isAskable, summarizePerception } from '../../../mgsd/evaluation/perception.js';
import { drawPuzzles, gateGroups, groupName, groupShares, trainingGroups } from '../../../mgsd/method/puzzles.js';
import { exactRecaps, Gate } from '../../../mgsd/method/stages/gate.js';
import { groundingStage } from '../../../mgsd/method/stages/stage1.js';
import { makeOptimizer } from '../../../mgsd/method/stages/stage.js';
import { ratesAt } from '../../../mgsd/method/stages/stage.js';
import type { Metrics, Stage } from '../../../mgsd/method/stages/stage.js';
import { miniature } from '../../models/miniature.js';

let wasm: Device;
beforeAll(async () => {
  wasm = await openDevice('wasm', { threads: 1 });
});
afterAll(() => wasm.close());

const modelConfig = { ...miniature, imageSize: 24, patchSize: 8, visionWidth: 32, width: 32 };

/** Three-by-three lakes, of which a model soon knows eight by heart, and mazes. */
function config(...changes: readonly unknown[]): RunConfig {
  return resolveConfig(
    'tiny',
    {
      tasks: [
        { world: 'frozenlake', levels: [3], pool: { '3': 12 } },
        { world: 'maze', levels: [3], pool: { '3': 12 } },
      ],
      stage1: {
        steps: 4,
        batch: 4,
        images: 8,
        warmup: 0,
        gate: { recapExact: 0.5, puzzles: 6, steps: 3, extensions: 2 },
      },
      stage2: { steps: 4, batch: 4, warmup: 0 },
    },
    ...changes,
  );
}

/** Eight lakes and no gate, for a model to learn by heart. */
function ungated(stage1: Partial<RunConfig['stage1']>): RunConfig {
  return config({
    tasks: [{ world: 'frozenlake', levels: [3], pool: { '3': 8 } }],
    stage1: { batch: 8, decoderRate: 5e-3, visionRate: 5e-3, gate: { recapExact: 0 }, ...stage1 },
  });
}

const keysOf = (groups: ReturnType<typeof gateGroups>) =>
  groups.map(({ puzzles }) => puzzles.map(({ world, instance }) => world.instanceKey(instance)));
const optimizerOf = (model: VisionLanguageModel, { optimizer }: RunConfig) => makeOptimizer(model, { optimizer });

/** Runs a stage to its end as the trainer does, from `start`. */
async function runOn(stage: Stage, start = 0): Promise<{ metrics: Metrics[]; notes: string[] }> {
  const metrics: Metrics[] = [];
  const notes: string[] = [];
  for (let step = start; step < stage.steps; step++) {
    const done = await stage.step(step);
    metrics.push(await done.metrics);
    notes.push(...(done.notes ?? []));
  }
  return { metrics, notes };
}

describe('the puzzles of the gate', () => {
  it('are from the training side, but none that stage 1 trains on', () => {
    const [asked, drawn, pool] = [gateGroups(config()), trainingGroups(config(), 8), trainingGroups(config())];
    expect(asked.map(({ puzzles }) => puzzles.length)).toEqual([6, 6]);
    keysOf(asked).forEach((keys, g) => {
      expect(keys.filter(key => keysOf(drawn)[g]!.includes(key))).toEqual([]);
      expect(keys.slice(0, 4)).toEqual(keysOf(pool)[g]!.slice(8));
    });
  });

  it('are as many beyond a pool that is smaller than its images', () => {
    const all = config({ stage1: { images: 500 } });
    const [asked, trained] = [keysOf(gateGroups(all)).flat(), keysOf(trainingGroups(all)).flat()];
    expect(asked.filter(key => trained.includes(key))).toEqual([]);
  });
});

describe('the gate', () => {
  it('passes what writes exact recaps, and knows whom to help', async () => {
    const model = new VisionLanguageModel(wasm, modelConfig).initialize(1);
    const groups = gateGroups(config());
    const gate = new Gate(config(), groups);
    expect(gate.failed).toEqual([]);
    expect(gate.save().size).toBe(0);
    await gate.measure(model);
    expect(gate.failed).toEqual([0, 1]);
    gate.load(new Map([['gate', Float32Array.of(0.5, 0.25)]]));
    expect(gate.failed).toEqual([1]); // exactly the threshold passes
    expect(gate.describe(gate.failed)).toBe('maze 3 25 %');
    expect(gate.metrics()).toEqual({ 'recapExact frozenlake 3': 0.5, 'recapExact maze 3': 0.25 });
    expect(groupShares(groups)).toEqual([0.5, 0.5]);
    expect(gate.sharesAt(3, groups)).toEqual([0.5, 0.5]); // not before the extensions
    expect(gate.sharesAt(4, groups)).toEqual([0.25, 0.75]);
    const batch = drawPuzzles(groups, new Random(1), 8, 0, gate.sharesAt(4, groups));
    expect(batch.filter(({ world }) => world.name === 'maze')).toHaveLength(6);
    model.dispose();
  });

  it('measures recaps that a model has learnt by heart as exact', async () => {
    const learning = ungated({ steps: 600 });
    const model = new VisionLanguageModel(wasm, modelConfig).initialize(1);
    const groups = trainingGroups(learning);
    const optimizer = optimizerOf(model, learning);
    expect(await exactRecaps(model, groups)).toEqual([0]);
    const stage = groundingStage({ config: learning, student: model, optimizer, groups });
    const { notes } = await runOn(stage);
    expect(await exactRecaps(model, groups)).toEqual([1]);
    expect(notes).toEqual([]); // no gate, no word of it
    for (const owner of [stage, optimizer, model]) owner.dispose();
  });
});

describe('stage 1 with a gate', () => {
  it('goes on in extensions while a board size fails, and then says what happens and what would help', async () => {
    const model = new VisionLanguageModel(wasm, modelConfig).initialize(1);
    const optimizer = optimizerOf(model, config());
    const stage = groundingStage({ config: config(), student: model, optimizer, groups: trainingGroups(config(), 8) });
    expect(stage.steps).toBe(4);
    const { metrics, notes } = await runOn(stage);
    expect(stage.steps).toBe(4 + 2 * 3);
    const measured = metrics.flatMap((found, step) => ('recapExact maze 3' in found ? [step] : []));
    expect(measured).toEqual([3, 6, 9]);
    expect(notes).toHaveLength(3);
    expect(notes[0]).toMatch(/frozenlake 3 0 %, maze 3 0 % of 50 % exact recaps; stage 1 goes on to update 7/);
    expect(notes[2]).toMatch(/failed by .*Stage 2 begins with them all the same.*stage1\.steps=20/);
    for (const owner of [stage, optimizer, model]) owner.dispose();
  });

  it('goes on after an interruption as if there had been none', async () => {
    const run = async (stopAfter?: number) => {
      const model = new VisionLanguageModel(wasm, modelConfig).initialize(1);
      const optimizer = optimizerOf(model, config());
      const make = () =>
        groundingStage({ config: config(), student: model, optimizer, groups: trainingGroups(config(), 8) });
      let stage = make();
      for (let step = 0; step < stage.steps; step++) {
        await (
          await stage.step(step)
        ).metrics;
        if (step + 1 !== stopAfter) continue;
        const state = await stage.saveState!();
        stage.dispose();
        stage = make();
        stage.loadState!(state);
      }
      const weights = await model.parameters.flat.read();
      for (const owner of [stage, optimizer, model]) owner.dispose();
      return { steps: stage.steps, weights };
    };
    const straight = await run();
    expect(straight.steps).toBe(10);
    for (const stop of [2, 4, 5, 7]) expect(await run(stop)).toEqual(straight);
  });

  it('warms up again in every extension, to half the rate', () => {
    const gated = config({ stage1: { warmup: 2, steps: 4, visionRate: 8e-3, decoderRate: 4e-3 } });
    const gate = new Gate(gated, []);
    const { stage1 } = gated;
    expect(gate.ratesAt(3)).toEqual(ratesAt(stage1, 3));
    const extension = { steps: 3, warmup: 0.75, floor: stage1.floor, visionRate: 4e-3, decoderRate: 2e-3 };
    for (const step of [4, 5, 6]) expect(gate.ratesAt(step)).toEqual(ratesAt(extension, step - 4));
    expect(gate.ratesAt(8)).toEqual(gate.ratesAt(5));
  });
});

describe('perception questions', () => {
  it('are learnt beside the recaps if asked for, and scored question by question', async () => {
    const learning = ungated({ steps: 500, questions: 1 });
    expect([isAskable(learning), isAskable(config())]).toEqual([true, false]);
    const model = new VisionLanguageModel(wasm, modelConfig).initialize(1);
    const groups = trainingGroups(learning);
    expect(groups.map(groupName)).toEqual(['frozenlake 3']);
    const optimizer = optimizerOf(model, learning);
    const before = summarizePerception(await evaluatePerception(model, groups));
    expect(before['frozenlake']!.allExact.value).toBe(0);
    const stage = groundingStage({ config: learning, student: model, optimizer, groups });
    await runOn(stage);
    const after = summarizePerception(await evaluatePerception(model, groups))['frozenlake']!;
    expect(Object.keys(after.questions)).toEqual(['size', 'player', 'goal', 'holes']);
    expect(after).toMatchObject({ items: 8, allExact: { value: 1 } });
    expect(await exactRecaps(model, groups)).toEqual([1]); // the two modes do not disturb each other
    for (const owner of [stage, optimizer, model]) owner.dispose();
  });
});
