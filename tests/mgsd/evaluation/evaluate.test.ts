import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdamW, openDevice, Random } from '../../../core/index.js';
import type { Device } from '../../../core/index.js';
import { noDecayGroups, VisionLanguageModel } from '../../../models/index.js';
import { ANS, EOS } from '../../../models/vocabulary.js';
import { evaluate, gapOf, judge, summarize } from '../../../mgsd/evaluation/evaluate.js';
import type { EvaluationInput, ItemResult } from '../../../mgsd/evaluation/evaluate.js';
import { packSupervised } from '../../../mgsd/method/packing.js';
import { supervisedLoss } from '../../../mgsd/method/stages/supervision.js';
import { oracleResponse } from '../../../mgsd/method/response.js';
import { miniature } from '../../models/miniature.js';
import { groups, hardExample } from '../miniature-run.js';

describe('evaluation of a model that knows eight boards by heart, from their images', () => {
  const [group] = groups;
  const puzzles = group!.puzzles.slice(0, 8);
  let wasm: Device;
  let model: VisionLanguageModel;

  beforeAll(async () => {
    wasm = await openDevice('wasm', { threads: 1 });
    const config = { ...miniature, imageSize: 24, patchSize: 8, visionWidth: 32, width: 32 };
    model = new VisionLanguageModel(wasm, config).initialize(1);
    const optimizer = new AdamW(model.parameters, { noDecay: noDecayGroups, weightDecay: 0 });
    const examples = puzzles.map(puzzle => hardExample(puzzle, new Random(3)));
    const batch = packSupervised(examples, 'image', model, 'world');
    const rates = Object.fromEntries([...model.parameters.groups.keys()].map(name => [name, 5e-3]));
    for (let step = 0, loss = Infinity; step < 600 && loss > 0.002; step++)
      loss = await wasm.scope(() => {
        const value = supervisedLoss(model, wasm.fromHost(batch));
        value.backward();
        optimizer.step(rates);
        return value.item();
      });
  });
  afterAll(() => wasm.close());

  const run = (input: EvaluationInput) => evaluate(model, [{ ...group!, puzzles }], { input });

  it('finds every plan, every recap, in the order of the puzzles', async () => {
    const seen: [number, number][] = [];
    const items = await evaluate(model, [{ ...group!, puzzles }], {
      input: 'image',
      onProgress: (...at) => seen.push(at),
    });
    expect(items.map(({ key }) => key)).toEqual(puzzles.map(({ world, instance }) => world.instanceKey(instance)));
    for (const item of items)
      expect(item).toMatchObject({ success: true, optimal: true, recapExact: true, reason: 'goal', level: 3 });
    expect(seen).toEqual([[8, 8]]);
    expect(await run('image')).toEqual(items); // greedy: the same again
  });

  it("answers another board's image with that board's recap, so shuffled and blank images fall", async () => {
    const [image, shuffled, blank] = [await run('image'), await run('shuffled'), await run('blank')];
    shuffled.forEach((item, i) => expect(item.response).toEqual(image[(i + 1) % 8]!.response));
    expect(shuffled.some(({ recapExact }) => recapExact)).toBe(false);
    expect(new Set(blank.map(({ response }) => response.join())).size).toBe(1); // it cannot tell them apart
    expect(blank.filter(({ success }) => success).length).toBeLessThan(8);
  });

  it('looks at no more puzzles than the limit', async () => {
    expect(await evaluate(model, [{ ...group!, puzzles }], { input: 'image', limit: 3 })).toEqual(
      (await run('image')).slice(0, 3),
    );
  });
});

describe('judge', () => {
  const puzzle = groups[0]!.puzzles[0]!;
  const { world, instance } = puzzle;
  const oracle = oracleResponse(world, instance);

  it('accepts the oracle, and says why it does not accept others', () => {
    expect(judge(puzzle, oracle)).toMatchObject({ success: true, optimal: true, recapExact: true, reason: 'goal' });
    expect(judge(puzzle, oracle.slice(0, -1))).toMatchObject({ success: false, reason: 'no-end', recapExact: true });
    expect(judge(puzzle, [EOS])).toMatchObject({ success: false, recapExact: false });
    expect(judge(puzzle, [ANS, EOS])).toMatchObject({ success: false, reason: 'unparsed', recapExact: false });
    expect(judge(puzzle, [])).toMatchObject({ success: false, reason: 'no-end' });
  });

  it('does not undo success for what follows the goal, but then the plan is not optimal', () => {
    const [action, cell] = oracle.slice(-3);
    const longer = [...oracle.slice(0, -1), action!, cell!, EOS];
    expect(judge(puzzle, longer)).toMatchObject({ success: true, optimal: false });
  });
});

describe('summarize', () => {
  const item = (world: string, level: number, n: number, changes: Partial<ItemResult> = {}): ItemResult => ({
    ...{ world, level, key: `k${n}`, layout: `l${n}`, detour: false, success: true, optimal: true, recapExact: true },
    ...{ reason: 'goal', response: [] },
    ...changes,
  });
  const failure = { success: false, optimal: false, reason: 'hole' };
  const items = [
    item('a', 3, 0),
    item('a', 3, 1, { ...failure, detour: true }),
    item('a', 4, 2, { ...failure, recapExact: false, reason: 'no-end' }),
    item('a', 4, 3, { detour: true, optimal: false }),
    item('b', 3, 4),
    item('b', 3, 5, { recapExact: false }),
  ];

  it('takes the mean over worlds, and rates among those with detours and those with a right recap', () => {
    const row = summarize(items);
    expect(row.items).toBe(6);
    expect(row.success.value).toBeCloseTo((2 / 4 + 2 / 2) / 2);
    expect(row.optimal.value).toBeCloseTo((1 / 4 + 2 / 2) / 2);
    expect(row.recapExact.value).toBeCloseTo((3 / 4 + 1 / 2) / 2);
    expect(row.detourSuccess!.value).toBeCloseTo(1 / 2);
    expect(row.successGivenRecap!.value).toBeCloseTo(3 / 4);
    expect(row.byLevel).toEqual({ 'a 3': 0.5, 'a 4': 0.5, 'b 3': 1 });
    expect(row.failures).toEqual({ hole: 1, 'no-end': 1 });
    expect(row.success.low).toBeLessThan(row.success.value);
    expect(row.success.high).toBeGreaterThan(row.success.value);
    expect(summarize(items)).toEqual(row); // the bootstrap is seeded
  });

  it('has no rate where there is nothing to count', () => {
    const row = summarize([item('a', 3, 0, { recapExact: false })]);
    expect([row.detourSuccess, row.successGivenRecap]).toEqual([null, null]);
  });

  it('says how much of the gap a row closes', () => {
    const rates = (...wins: number[]) => wins.map((win, n) => item('a', 3, n, win === 1 ? {} : failure));
    const [base, symbolic] = [rates(0, 0, 0, 0), rates(1, 1, 1, 1)];
    expect(gapOf(rates(1, 1, 1, 0), base, symbolic)!.value).toBeCloseTo(0.75);
    expect(gapOf(symbolic, base, symbolic)!.value).toBe(1);
    expect(gapOf(rates(1, 0, 0, 0), symbolic, symbolic)).toBeNull();
  });
});
