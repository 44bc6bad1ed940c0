/** Holds the ways to decode to each other, on any device: the same tokens, the same logits, the same cache. */
import { describe, expect, it } from 'vitest';
import { Recorder } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import {
  collectSlots,
  createCache,
  decodeStep,
  FusedSteps,
  generate,
  prefill,
  RolloutSteps,
  vocabulary,
} from '../../models/index.js';
import type { DecodePath, GenerateOptions, Precision, VisionLanguageModel } from '../../models/index.js';
import { coordinated, largestDifference, miniature, patchesOf, randomModel, slottedExamples } from './miniature.js';
import type { Example } from './miniature.js';

const { BOS, EOS, PAD, sizeOf, sizeToken } = vocabulary;
const V = miniature.vocabulary;

/** Responses to the prompts of examples. */
export async function run(
  model: VisionLanguageModel,
  examples: readonly Example[],
  options: Pick<GenerateOptions, 'maxTokens' | 'temperature'> & Partial<GenerateOptions>,
): Promise<number[][]> {
  const prompts = examples.map(({ prompt }) => prompt);
  const all = { seed: 1, stream: 2, step: 3, ...options };
  return await model.device.scope(() => generate(model, prompts, all, patchesOf(model, examples)));
}

/** Lists of slots like those of a world whose first token says how large its board is; some sequences have none. */
const responseSlots = (sequence: number, firstToken: number) =>
  sequence % 3 === 2 || firstToken % 4 === 0
    ? undefined
    : Array.from({ length: 12 }, (_, t) => (t % 3 === 0 ? -1 : (5 * t + firstToken) % 64));

/** A model that ends some sequences early, and often writes the size of a board. */
async function endingModel(device: Device, precision: Precision, config = miniature): Promise<VisionLanguageModel> {
  const model = randomModel(device, 11, { trainable: false, precision }, config);
  const bias = await model.parameters.get('decoder.head.bias').read();
  const added = (id: number) => (id === EOS ? 1.6 : sizeOf(id) > 0 ? 1 : 0);
  await model.parameters.load(new Map([['decoder.head.bias', bias.map((b, id) => b + added(id))]]));
  return model;
}

/** A launch that only this path has. */
const sign: Readonly<Record<DecodePath, string>> = {
  steps: 'sample_tokens',
  fused: 'decode_attend',
  rollout: 'rollout',
};

/** Responses by one path; fails if another one was taken. */
async function runPath(
  model: VisionLanguageModel,
  examples: readonly Example[],
  path: DecodePath,
  options: Pick<GenerateOptions, 'temperature' | 'responseSlots'>,
): Promise<number[][]> {
  const launched = new Set<string>();
  model.device.observer = kernel => launched.add(kernel.name);
  const responses = await run(model, examples, { maxTokens: 12, ...options, path });
  model.device.observer = undefined;
  for (const other of ['fused', 'rollout'] as const) expect(launched.has(sign[other])).toBe(other === path);
  return responses;
}

/**
 * Logits and cache after forced tokens: to rounding in f32. In f16 hidden values are rounded where launches begin and
 * end, which differs from path to path: about 2^-11 of the largest, some times over.
 */
const tolerance: Readonly<Record<Precision, number>> = { f32: 1e-5, f16: 1e-2 };

/** Declares the tests. */
export function describeDecodePaths(title: string, open: () => Device): void {
  describe(`the ways to decode on ${title}`, () => {
    it.each([
      [0, 'without slots'],
      [1, 'without slots'],
      [0, 'with slots'],
      [1, 'with slots'],
      [0, 'with slots and coordinates'],
      [1, 'with slots and coordinates'],
    ] as const)('draw the same tokens at temperature %d %s', async (temperature, what) => {
      const slotted = what !== 'without slots';
      const model = await endingModel(open(), 'f32', what.endsWith('coordinates') ? coordinated : miniature);
      const examples = slottedExamples(12, 20);
      const options = { temperature, ...(slotted && { responseSlots }) };
      const plain = await runPath(model, examples, 'steps', options);
      expect(await runPath(model, examples, 'rollout', options)).toEqual(plain);
      expect(await runPath(model, examples, 'fused', options)).toEqual(plain);
      const ended = plain.filter(response => response.includes(EOS)).length;
      expect(ended).toBeGreaterThan(0);
      expect(ended).toBeLessThan(plain.length);
      expect(plain.some(([first]) => sizeOf(first!) > 0)).toBe(true);
      if (slotted) expect(await run(model, examples, { maxTokens: 12, temperature })).not.toEqual(plain);
      model.dispose();
    });

    it('draw the same tokens in f16, but where two are equally good', async () => {
      const model = await endingModel(open(), 'f16', coordinated);
      const examples = slottedExamples(12, 20);
      const plain = await runPath(model, examples, 'steps', { temperature: 1, responseSlots });
      for (const path of ['rollout', 'fused'] as const) {
        const fast = await runPath(model, examples, path, { temperature: 1, responseSlots });
        const same = fast.filter((response, s) => response.join() === plain[s]!.join()).length;
        expect(same, path).toBeGreaterThanOrEqual(examples.length - 2);
      }
      model.dispose();
    });

    it.each(['steps', 'fused', 'rollout'] as const)('tell of each token as it is drawn: %s', async path => {
      const model = await endingModel(open(), 'f32', coordinated);
      const examples = slottedExamples(4, 20);
      const before = open().memory().liveBytes;
      const options = { maxTokens: 12, temperature: 1, responseSlots, path };
      const whole = await run(model, examples, options);
      const told: (readonly (readonly number[])[])[] = [];
      const watched = { ...options, onToken: (responses: (typeof told)[number]) => void told.push(responses) };
      expect(await run(model, examples, watched)).toEqual(whole);
      expect(told.length).toBe(Math.max(...whole.map(({ length }) => length)));
      told.forEach((responses, t) => expect(responses).toEqual(whole.map(response => response.slice(0, t + 1))));
      const onToken = () => Promise.reject(new Error('that will do'));
      await expect(run(model, examples, { ...options, onToken })).rejects.toThrow('that will do');
      expect(open().memory().liveBytes).toBe(before);
      model.dispose();
    });

    it.each(['f32', 'f16'] as const)('replay the fused step, to the same bits, in %s', async precision => {
      const model = randomModel(open(), 5, { trainable: false, precision });
      const [eager, recorder] = [new Recorder(open(), { enabled: false }), new Recorder(open())];
      expect(await fusedTokens(model, recorder)).toEqual(await fusedTokens(model, eager));
      expect(recorder.statistics).toMatchObject({ recordings: 1, replays: 6 }); // after two eager steps
      recorder.dispose();
      model.dispose();
    });

    it('leave no memory behind', async () => {
      const model = await endingModel(open(), 'f32');
      const before = open().memory().liveBytes;
      for (const path of ['steps', 'fused', 'rollout'] as const)
        await run(model, slottedExamples(4, 20), { maxTokens: 12, temperature: 1, path });
      expect(open().memory().liveBytes).toBe(before);
      model.dispose();
    });

    it.each([
      ['f32', 0],
      ['f16', 0],
      ['f32', 3],
      ['f16', 3],
    ] as const)('have the same logits, and leave the same cache, in %s with %i coordinates', async (precision, n) => {
      const model = randomModel(open(), 5, { trainable: false, precision }, { ...miniature, coordinates: n });
      const examples = slottedExamples(6, 5).map<Example>(example => ({ ...example, response: [BOS] }));
      await model.device.scope(() => compareForced(model, examples, tolerance[precision]));
      model.dispose();
    });
  });
}

/** Tokens, and the cache of every layer, after eight fused steps at temperature 1. */
async function fusedTokens(model: VisionLanguageModel, recorder: Recorder): Promise<Float32Array[]> {
  const { device } = model;
  return await device.scope(async () => {
    const examples = slottedExamples(6, 5).map<Example>(example => ({ ...example, response: [BOS] }));
    const cache = createCache(model, examples.length, 30);
    prefill(model, examples, cache, patchesOf(model, examples));
    const tokens = device.full([examples.length, 9], sizeToken(3), { dtype: 'i32' });
    const slots = device.tensor(
      examples.flatMap((_, s) => Array.from({ length: 9 }, (_, t) => ((7 * s + t) % 65) - 1)),
      tokens.shape,
      { dtype: 'i32' },
    );
    const sampling = device.tensor([1, ...new Float32Array(V)]);
    const done = device.zeros([examples.length], { dtype: 'i32' });
    const noise = { seed: 4, stream: 5, step: 6 };
    const steps = new FusedSteps(model, { cache, noise, sampling, done, tokens, slots }, recorder);
    for (let column = 1; column <= 8; column++) steps.step(column);
    const all = [tokens, ...cache.layers];
    // rows of the cache that no token has reached hold anything
    const used = (values: Float32Array, rows: number) =>
      examples.flatMap(({ prompt }, s) => {
        const stride = values.length / examples.length;
        const length = rows === 0 ? stride : ((prompt.length + 1 + 8) * stride) / rows;
        return Array.from(values.subarray(s * stride, s * stride + length));
      });
    const read = await Promise.all(all.map(tensor => tensor.read()));
    return read.map((values, i) => Float32Array.from(used(Float32Array.from(values), i === 0 ? 0 : 30)));
  });
}

/** Cells of response inputs, with a gap. */
const listed = [-1, 9, 12, -1, 35, 63];

async function compareForced(model: VisionLanguageModel, examples: readonly Example[], limit: number): Promise<void> {
  const { device } = model;
  const count = examples.length;
  const steps = 5;
  const responses = Int32Array.from({ length: count * (steps + 1) }, (_, i) => 5 + ((i * 31) % (V - 5)));
  const caches = {
    steps: createCache(model, count, 30),
    fused: createCache(model, count, 30),
    rollout: createCache(model, count, 30),
  };
  for (const cache of Object.values(caches)) prefill(model, examples, cache, patchesOf(model, examples));
  const start = () => ({
    control: device.tensor([1, 2, 3, EOS, PAD], [5], { dtype: 'i32' }),
    sampling: device.tensor(new Float32Array(1 + V)),
    done: device.zeros([count], { dtype: 'i32' }),
    tokens: device.tensor(responses, [count, steps + 1], { dtype: 'i32' }),
  });
  const { config } = model;
  const first = Int32Array.from({ length: count }, (_, s) => sizeToken(2 + s));
  first.forEach((token, s) => (responses[s * (steps + 1)] = token));
  const slots = collectSlots(() => listed, count, config, steps + 1, first);
  const bySequence = Array.from(first, (token, s) => slots.lists[slots.listOf[s * V + token]!]!);
  const table = device.tensor(
    bySequence.flatMap(list => Array.from(list)),
    [count, steps + 1],
    { dtype: 'i32' },
  );
  const recorder = new Recorder(device);
  const noise = { seed: 1, stream: 2, step: 3 };
  const fused = new FusedSteps(model, { cache: caches.fused, noise, ...start(), slots: table }, recorder);
  const rolled = start();
  const rollout = new RolloutSteps(model, { cache: caches.rollout, ...rolled, slots });
  for (let column = 1; column <= steps; column++) {
    const before = Int32Array.from({ length: count }, (_, s) => responses[s * (steps + 1) + column - 1]!);
    const present = Int32Array.from(bySequence, list => list[column]!);
    const plain = await decodeStep(model, model.indices(before), caches.steps, present).read();
    expect(largestDifference(await fused.logits(device.fromHost(fused.control(column))).read(), plain)).toBeLessThan(
      limit,
    );
    fused.embed(column);
    // one step at a time: what the kernel draws is replaced by the tokens that are compared
    rollout.run(column, 1);
    device.write(rolled.tokens, responses);
    device.write(rolled.done, new Int32Array(count));
  }
  for (let layer = 0; layer < model.config.layers; layer++) {
    const plain = await caches.steps.layers[layer]!.read();
    for (const path of ['fused', 'rollout'] as const) {
      const fast = await caches[path].layers[layer]!.read();
      examples.forEach(({ prompt }, s) => {
        const stride = 2 * model.config.width;
        const [from, to] = [s * 30 * stride, (s * 30 + prompt.length + 1 + steps) * stride];
        expect(largestDifference(fast.subarray(from, to), plain.subarray(from, to)), path).toBeLessThan(limit);
      });
    }
  }
}
