import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDevice, Random } from '../../core/index.js';
import type { Device } from '../../core/index.js';
import {
  createCache,
  decodeStep,
  modelInputs,
  prefill,
  sideFor,
  slotOf,
  VisionLanguageModel,
  vocabulary,
} from '../../models/index.js';
import { cpu } from '../core/devices.js';
import { describeDecodePaths, run } from './decode-paths.js';
import {
  argmax,
  coordinated,
  fullLogits,
  largestDifference,
  miniature,
  pack,
  patchesOf,
  raggedExamples,
  randomModel,
  slottedExamples,
} from './miniature.js';
import type { Example } from './miniature.js';

const { BOS, EOS, IMG, PAD } = vocabulary;
const V = miniature.vocabulary;

let wasm: Device;
beforeAll(async () => {
  wasm = await openDevice('wasm', { threads: 1 });
});
afterAll(() => wasm.close());

const deviceNamed = (name: 'cpu' | 'wasm') => (name === 'cpu' ? cpu : wasm);

/**
 * Logits at every response position of examples whose responses are equally long, from a cache: the first `head`
 * response tokens in the prefill, the others one at a time. (sequences, head'th to last position, V)
 */
async function cachedLogits(
  model: VisionLanguageModel,
  examples: readonly Example[],
  head: number,
): Promise<number[][][]> {
  const { device } = model;
  return await device.scope(async () => {
    const length = examples[0]!.response.length;
    const capacity = Math.max(...examples.map(({ prompt }) => prompt.length)) + length;
    const cache = createCache(model, examples.length, capacity);
    const out: number[][][] = examples.map(() => []);
    const note = (values: ArrayLike<number>) => {
      out.forEach((rows, s) => rows.push(Array.from({ length: V }, (_, k) => values[s * V + k]!)));
    };
    const first = examples.map(example => ({ ...example, response: example.response.slice(0, head) }));
    note(await prefill(model, first, cache, patchesOf(model, examples)).read());
    for (let t = head; t < length; t++) {
      const tokens = model.indices(Int32Array.from(examples, ({ response }) => response[t]!));
      const slots = Int32Array.from(examples, ({ response, responseSlots }) =>
        slotOf(responseSlots?.[t] ?? -1, sideFor(model.config, response[1]!)),
      );
      note(await decodeStep(model, tokens, cache, slots).read());
    }
    return out;
  });
}

describe.each(['cpu', 'wasm'] as const)('the key-value cache on %s', name => {
  it.each([
    ['raggedExamples', miniature],
    ['slottedExamples', coordinated],
  ] as const)('full pass = prefill + decode steps = token by token, for %s and a model of %o', async (kind, config) => {
    const model = randomModel(deviceNamed(name), 5, { trainable: false }, config);
    const length = 9;
    const examples = { raggedExamples, slottedExamples }[kind](6, 6).map<Example>((example, s) => {
      const random = new Random(s, 79);
      return {
        ...example,
        ...(kind === 'slottedExamples' && { responseSlots: [-1, -1, 9, 63, -1, 0, 35, 1, 8] }),
        response: [BOS, 22 + s, ...Array.from({ length: length - 2 }, () => 5 + random.integer(V - 5))],
      };
    });
    expect(new Set(examples.map(({ prompt }) => prompt.length)).size).toBeGreaterThan(3);
    const full = await fullLogits(model, examples); // (sequences * length, V)
    for (const head of [1, 4, length]) {
      const cached = await cachedLogits(model, examples, head);
      cached.forEach((rows, s) =>
        rows.forEach((row, i) => {
          const reference = full[s * length + head - 1 + i]!;
          expect(largestDifference(row, reference), `sequence ${s}, position ${head - 1 + i}`).toBeLessThan(1e-5);
        }),
      );
    }
  });

  it('a sequence does not depend on those beside it', async () => {
    const model = randomModel(deviceNamed(name), 5, { trainable: false });
    const examples = raggedExamples(6, 5);
    const together = (await fullLogits(model, examples)).flatMap(row => Array.from(row));
    const alone: number[] = [];
    for (const example of examples) alone.push(...(await fullLogits(model, [example])).flatMap(row => Array.from(row)));
    expect(largestDifference(together, alone)).toBeLessThan(1e-6);
  });

  it('greedy generation takes the argmax of the full pass at every position, and ends with EOS', async () => {
    const model = randomModel(deviceNamed(name), 11, { trainable: false });
    const bias = await model.parameters.get('decoder.head.bias').read();
    // so that some end
    await model.parameters.load(new Map([['decoder.head.bias', bias.map((b, id) => (id === EOS ? b + 1.2 : b))]]));
    const examples = raggedExamples(12, 8);
    const responses = await run(model, examples, { maxTokens: 12, temperature: 0 });
    const ended = responses.filter(response => response.includes(EOS));
    expect(ended.length).toBeGreaterThan(0);
    expect(ended.length).toBeLessThan(responses.length);
    for (const [s, response] of responses.entries()) {
      const example = { ...examples[s]!, response: [BOS, ...response.slice(0, -1)] };
      const logits = await fullLogits(model, [example]);
      for (const row of logits) for (const id of [PAD, BOS, IMG]) row[id] = -Infinity;
      expect(response).toEqual(logits.map(argmax));
      expect(response.indexOf(EOS)).toBe(response.includes(EOS) ? response.length - 1 : -1);
      expect(response.includes(EOS) || response.length === 12).toBe(true);
    }
  });
});

for (const name of ['cpu', 'wasm'] as const) describeDecodePaths(name, () => deviceNamed(name));

describe('sampling', () => {
  it('is repeated by its seed, stream and step, on cpu as on wasm; others give other tokens', async () => {
    const examples = raggedExamples(21, 6);
    const options = { maxTokens: 10, temperature: 1 };
    const model = randomModel(wasm, 5, { trainable: false });
    const tokens = await run(model, examples, options);
    expect(await run(model, examples, options)).toEqual(tokens);
    expect(await run(randomModel(cpu, 5, { trainable: false }), examples, options)).toEqual(tokens);
    for (const other of [{ seed: 9 }, { stream: 9 }, { step: 99 }])
      expect(await run(model, examples, { ...options, ...other })).not.toEqual(tokens);
  });

  it('never writes PAD, BOS or IMG', async () => {
    const model = randomModel(wasm, 5, { trainable: false });
    const bias = await model.parameters.get('decoder.head.bias').read();
    await model.parameters.load(
      new Map([['decoder.head.bias', bias.map((b, id) => ([PAD, BOS, IMG].includes(id) ? b + 30 : b))]]),
    );
    const examples = raggedExamples(21, 6);
    for (const temperature of [0, 1]) {
      const tokens = (await run(model, examples, { maxTokens: 10, temperature })).flat();
      for (const id of [PAD, BOS, IMG]) expect(tokens).not.toContain(id);
    }
  });

  it.each([1, 0.5])('draws first tokens as often as softmax(logits / %d) says (chi-square)', async temperature => {
    const model = randomModel(wasm, 5, { trainable: false });
    const [example] = raggedExamples(30, 1);
    const draws = 4000;
    const counts = new Float64Array(V);
    const examples = new Array<Example>(500).fill(example!);
    for (let round = 0; round < draws / examples.length; round++)
      for (const [token] of await run(model, examples, { maxTokens: 1, temperature, step: round })) counts[token!]!++;
    const [logits] = await fullLogits(model, [{ ...example!, response: [BOS] }]);
    const scores = logits!.map((z, id) => ([PAD, BOS, IMG].includes(id) ? 0 : Math.exp(z / temperature)));
    const total = scores.reduce((a, b) => a + b, 0);
    // tokens that are expected fewer than 5 times go into one class
    let statistic = 0;
    let classes = 0;
    const rare = { expected: 0, count: 0 };
    scores.forEach((score, id) => {
      const expected = (draws * score) / total;
      if (expected < 5) {
        rare.expected += expected;
        rare.count += counts[id]!;
      } else {
        statistic += (counts[id]! - expected) ** 2 / expected;
        classes++;
      }
    });
    if (rare.expected > 0) statistic += (rare.count - rare.expected) ** 2 / rare.expected;
    // chi-square with `classes` degrees of freedom has mean `classes` and variance 2 * classes: four deviations
    expect(classes).toBeGreaterThan(20);
    expect(statistic).toBeLessThan(classes + 4 * Math.sqrt(2 * classes));
  });
});

describe('what does not fit is refused', () => {
  const model = randomModel(cpu, 5, { trainable: false });
  const prompt = [16, 20, 22];

  it('more tokens than there are response positions', async () => {
    await expect(run(model, [{ prompt, response: [BOS] }], { maxTokens: 33, temperature: 0 })).rejects.toThrow(
      /33 tokens were asked for; the model has 32 response positions/,
    );
  });

  it('a path that cannot carry the model', async () => {
    // two columns a head
    const narrow = new VisionLanguageModel(cpu, { ...miniature, heads: 4 }, { trainable: false }).initialize(1);
    const examples = [{ prompt, response: [BOS] }];
    const options = { maxTokens: 4, temperature: 0 };
    await expect(run(narrow, examples, { ...options, path: 'rollout' })).rejects.toThrow(/cannot carry this model/);
    await expect(run(narrow, examples, { ...options, path: 'fused' })).rejects.toThrow(/a model of this shape/);
    expect(await run(narrow, examples, options)).toHaveLength(1);
  });

  it('a cache that is too small, or full', () => {
    cpu.scope(() => {
      expect(() => prefill(model, [{ prompt, response: [BOS] }], createCache(model, 1, 3))).toThrow(
        /sequence 0 has 4 rows; the cache holds 3/,
      );
      const cache = createCache(model, 1, 4);
      prefill(model, [{ prompt, response: [BOS] }], cache);
      expect(() => decodeStep(model, model.indices(Int32Array.of(7)), cache)).toThrow(/cache is full: it holds 4 rows/);
    });
  });

  it('images that are missing, too many, or shown to a batch without them', () => {
    const [symbols, image] = raggedExamples(6, 2) as [Example, Example];
    cpu.scope(() => {
      const patches = patchesOf(model, [image]);
      for (const use of [
        (examples: Example[], shown?: typeof patches) =>
          model.forward(
            cpu.fromHost(modelInputs(pack(examples), model.config, shown && { values: [], shape: shown.shape })),
          ),
        (examples: Example[], shown?: typeof patches) => prefill(model, examples, createCache(model, 2, 32), shown),
      ]) {
        expect(() => use([image])).toThrow(/shows 1 images, that is 4 patches; none were given/);
        expect(() => use([symbols], patches)).toThrow(/shows 0 images, that is 0 patches; 4 were given/);
        expect(() => use([image, image], patches)).toThrow(/shows 2 images, that is 8 patches; 4 were given/);
      }
    });
  });
});
