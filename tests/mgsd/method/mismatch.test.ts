/** Plans behind pictures of other puzzles: what is drawn, what is shown, what counts, and what is logged. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdamW, openDevice } from '../../../core/index.js';
import type { Device } from '../../../core/index.js';
import { noDecayGroups, patchArray, VisionLanguageModel } from '../../../models/index.js';
import { resolveConfig } from '../../../mgsd/method/config.js';
import type { RunConfig } from '../../../mgsd/method/config.js';
import { packExamples, renderPuzzles } from '../../../mgsd/method/packing.js';
import type { TrainingExample } from '../../../mgsd/method/packing.js';
import { trainingGroups } from '../../../mgsd/method/puzzles.js';
import type { Puzzle } from '../../../mgsd/method/puzzles.js';
import { SPAN_RECAP } from '../../../mgsd/method/response.js';
import { makeStage } from '../../../mgsd/method/stages/index.js';
import type { Metrics, StageSetting } from '../../../mgsd/method/stages/stage.js';
import { mismatched } from '../../../mgsd/method/variants/rehearsal.js';
import { miniature } from '../../models/miniature.js';

let wasm: Device;
beforeAll(async () => {
  wasm = await openDevice('wasm', { threads: 1 });
});
afterAll(() => wasm.close());

/** Few puzzles of two sizes of one world and of one size of another: a chance of drawing the same one again. */
const fewPuzzles = [
  { world: 'frozenlake', levels: [3, 4], pool: { '3': 2, '4': 2 } },
  { world: 'maze', levels: [3], pool: { '3': 2 } },
];

function config(...changes: readonly unknown[]): RunConfig {
  return resolveConfig(
    'tiny',
    {
      tasks: fewPuzzles,
      stage1: { batch: 8, mismatch: 0.5, warmup: 0 },
      stage2: { batch: 4, mismatch: 0.25, warmup: 0 },
    },
    ...changes,
  );
}

const settingOf = (of: RunConfig): StageSetting => ({
  config: of,
  groups: trainingGroups(of),
  student: undefined as never,
  optimizer: undefined as never,
});
const keyOf = ({ world, instance }: Puzzle) => `${world.name} ${world.instanceKey(instance)}`;
const picturedOf = ({ pictured }: TrainingExample) => pictured!;

describe('a plan behind the picture of another puzzle', () => {
  const drawn = Array.from({ length: 60 }, (_, step) => mismatched(settingOf(config()), 'stage1', step)).flat();

  it('is drawn as often as asked, and none by default', () => {
    expect(drawn).toHaveLength(60 * 4);
    expect(mismatched(settingOf(config()), 'stage2', 0)).toHaveLength(1);
    expect(mismatched(settingOf(config({ stage1: { mismatch: 0 } })), 'stage1', 0)).toEqual([]);
    expect(resolveConfig('tiny')).toMatchObject({ stage1: { mismatch: 0 }, stage2: { mismatch: 0 } });
  });

  it('never has the picture of its own puzzle, but one of the same world, of any size', () => {
    const pairs = drawn.map(example => [example.puzzle, picturedOf(example)] as const);
    expect(pairs.filter(([puzzle, pictured]) => keyOf(puzzle) === keyOf(pictured))).toEqual([]);
    for (const [puzzle, pictured] of pairs) expect(pictured.world.name).toBe(puzzle.world.name);
    const sizes = new Set(pairs.map(([puzzle, pictured]) => `${puzzle.instance.size} ${pictured.instance.size}`));
    expect([...sizes].sort()).toEqual(['3 3', '3 4', '4 3', '4 4']);
    expect(new Set(drawn.map(({ puzzle }) => puzzle.world.name)).size).toBe(2);
  });

  it('scores the plan alone: its own true recap stands in the response', () => {
    for (const { puzzle, inputs, spans, weights } of drawn) {
      const recap = puzzle.world.recap(puzzle.instance);
      expect(Array.from(inputs.slice(1, recap.length + 1))).toEqual(recap);
      expect(Array.from(weights)).toEqual(Array.from(spans, span => (span === SPAN_RECAP ? 0 : 1)));
    }
  });

  it('is packed with that picture, drawn like all others', () => {
    const { patches } = packExamples(drawn.slice(0, 5), 'image', { config: miniature, dtype: 'f32' });
    const shown = renderPuzzles(drawn.slice(0, 5).map(picturedOf), miniature);
    expect(patches).toEqual(patchArray(shown, miniature, 'f32'));
  });

  it('needs a second puzzle of its world', () => {
    const lone = { tasks: [...fewPuzzles.slice(0, 1), { world: 'maze', levels: [3], pool: { '3': 1 } }] };
    expect(() => config(lone)).toThrow(/^configuration: stage1\.mismatch: a single maze has no other's.*pool/);
    expect(() => config({ stage1: { mismatch: 0 }, stage2: { prompts: 1 } })).toThrow(
      /stage2\.mismatch: a single maze .*prompts/,
    );
    expect(() => config(lone, { stage1: { mismatch: 0 }, stage2: { mismatch: 0 } })).not.toThrow();
  });
});

describe('an image stage with such plans', () => {
  /** What the first update of a stage logs. */
  async function firstUpdate(name: 'stage1' | 'stage2', of: RunConfig): Promise<Metrics> {
    const student = new VisionLanguageModel(wasm, { ...miniature, responsePositions: 64 }).initialize(1);
    const planner = await student.frozenCopy();
    const optimizer = new AdamW(student.parameters, { ...of.optimizer, noDecay: noDecayGroups });
    const stage = makeStage(name, { config: of, student, planner, optimizer, groups: trainingGroups(of) });
    const metrics = await (await stage.step(0)).metrics;
    for (const owner of [stage, optimizer, student, planner]) owner.dispose();
    return metrics;
  }

  it.each(['stage1', 'stage2'] as const)('adds their loss by its weight in %s, and logs it', async name => {
    const plain = await firstUpdate(name, config({ [name]: { mismatch: 0 } }));
    expect(plain).not.toHaveProperty('lossMismatch');
    const both = { replay: 0.25, mismatchWeight: 0.3 };
    const { loss, lossReplay, lossMismatch } = await firstUpdate(name, config({ [name]: both }));
    expect(lossMismatch).toBeGreaterThan(1);
    expect(loss).toBeCloseTo(plain['loss']! + 0.25 * lossReplay! + 0.3 * lossMismatch!, 4);
  });

  it('still measures at its gate, and logs the loss of questions', async () => {
    const gate = { recapExact: 0.9, puzzles: 2, steps: 2, extensions: 1 };
    const metrics = await firstUpdate('stage1', config({ stage1: { steps: 1, questions: 0.25, gate } }));
    expect(metrics).toMatchObject({ 'recapExact frozenlake 3': 0, 'recapExact maze 3': 0 });
    for (const key of ['lossMismatch', 'lossQuestions']) expect(metrics[key]).toBeGreaterThan(1);
  });
});
