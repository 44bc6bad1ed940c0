/**
 * The rollout kernel: several tokens of many sequences in one launch. Sequences do not depend on each other, so a
 * thread (wasm) or a workgroup (webgpu) takes a group of them through all layers, draws the next tokens and goes on,
 * without waiting for the others. Sequences that have ended cost nothing.
 *
 * The decoder is that of models/transformer.ts; `plan` says where its parameters lie in the flat buffer.
 *
 * Measured beside the step layer by layer (`npm run bench:rollout`, medians of ratios within a round): 2.36 times as
 * fast on wasm with two threads where no response ends early, 3.03 where most do (bench/results/rollout-wasm.json). A
 * software adapter does not gain: 0.75 and 0.64 (rollout-webgpu.json).
 */
import { ceilDivide, defineKernel, given, givenEach, reads, sizes, uniform, updates } from '../kernel.js';
import type { NumberArray } from '../dtype.js';
import type { Draw } from '../kernel.js';
import { drawToken } from '../random/random.js';
import { addRows, attendLast, cacheRow, linearRow, normRow, vectorAt } from './reference.js';
import type { Row } from './reference.js';
import { rolloutWgsl } from './rollout.wgsl.js';

export { rolloutFits } from './rollout.wgsl.js';

/** Parameters of a layer, in the order of their offsets in the plan; names as in models/specs.ts. */
export const rolloutLayerFields = [
  'attention.norm.gain',
  'attention.norm.bias',
  'attention.qkv.weight',
  'attention.qkv.bias',
  'attention.out.weight',
  'attention.out.bias',
  'mlp.norm.gain',
  'mlp.norm.bias',
  'mlp.in.weight',
  'mlp.in.bias',
  'mlp.out.weight',
  'mlp.out.bias',
] as const;

/** Parameters beside the layers, likewise. */
export const rolloutModelFields = ['norm.gain', 'norm.bias', 'head.bias', 'position.response'] as const;

/** Hidden width of the feed-forward layer, in widths. */
const hiddenFactor = 4;

/** Elements of each parameter: of `rolloutLayerFields`, then of `rolloutModelFields`. */
function fieldLengths(w: number, vocabulary: number, positions: number): readonly number[] {
  const [square, hidden] = [w * w, hiddenFactor * w];
  const layer = [w, w, 3 * square, 3 * w, square, w, w, w, w * hidden, hidden, w * hidden, w];
  return [...layer, w, w, vocabulary, positions * w];
}

/** Whether all parameters lie in the weights, and begin where vec4s do. */
function planFits(
  offsets: NumberArray,
  p: Readonly<Record<'width' | 'vocabulary' | 'column' | 'steps' | 'weightCount', number>>,
): boolean {
  const [lengths, last] = [fieldLengths(p.width, p.vocabulary, p.column + p.steps), rolloutModelFields.length];
  return offsets.every((offset, i) => {
    const fromEnd = offsets.length - i;
    const field = fromEnd <= last ? lengths.length - fromEnd : i % rolloutLayerFields.length;
    return offset >= 0 && offset % 4 === 0 && offset + lengths[field]! <= p.weightCount;
  });
}

/** Where the weights lie, and which slots tokens have. */
export interface RolloutPlan {
  /** Offsets into `weights`: `rolloutLayerFields` of every layer, then `rolloutModelFields`. */
  readonly offsets: readonly number[];
  /** Prompt rows of every sequence. */
  readonly prefixes: ArrayLike<number>;
  /** Lists of slots by response position, all `stride` long; -1 for none. */
  readonly lists: readonly ArrayLike<number>[];
  /**
   * Which list holds for a sequence whose first token is known, -1 for none: (sequences, vocabulary). Not read without
   * lists.
   */
  readonly listOf: ArrayLike<number>;
}

/** The integers of the `plan` buffer. */
export function rolloutPlan({ offsets, prefixes, lists, listOf }: RolloutPlan): Int32Array {
  const parts = [offsets, prefixes, ...(lists.length > 0 ? [listOf, ...lists] : [])];
  const out = new Int32Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Sequences that a thread takes through the layers together: enough to use each loaded weight several times. */
const sequencesPerUnit = 16;

/** Whole decode steps of all sequences in one launch; see the summary. */
export const rolloutKernel = defineKernel({
  name: 'rollout',
  summary:
    'Tokens of columns column..column + steps - 1 of every sequence whose done flag is not set: embeds tokens[s, column - 1], ' +
    'runs all layers against the cache (layers, sequences * capacity, 2 * width; keys first), whose row prefix + column it ' +
    'writes, and draws from the logits as sample_tokens does. width / heads must be a multiple of four. tables: vectors ' +
    'of tokens (vocabulary, width), of the head (vocabulary, width), and of slots (slotRows, width). sampling: temperature, then the bias of every token. Tokens and slots without a vector ' +
    'add none; a token without a row in the cache attends to nothing; nothing is drawn if a parameter lies outside of the weightCount weights',
  buffers: {
    weights: reads.float,
    tables: reads.float,
    sampling: reads.wide,
    control: reads.index,
    plan: reads.index,
    cache: updates.float,
    done: updates.index,
    tokens: updates.index,
  },
  params: {
    ...sizes('sequences', 'capacity', 'layers', 'width', 'heads', 'vocabulary', 'column', 'steps', 'stride', 'lists'),
    ...sizes('layerStride', 'slotRows', 'weightCount'),
    eps: 'f32',
  },
  reference({ weights, tables, sampling, control, plan, cache, done, tokens }, params) {
    const { sequences, capacity, layers, width, heads, vocabulary, column, steps, stride, lists, layerStride } = params;
    const fields = rolloutLayerFields.length;
    if (!planFits(plan.subarray(0, layers * fields + rolloutModelFields.length), params)) return;
    const [gain, bias, headBias, positions] = plan.subarray(layers * fields);
    const prefixes = layers * fields + rolloutModelFields.length;
    const listOf = prefixes + sequences;
    const slots = listOf + sequences * vocabulary;
    const norm = (x: Row, gainAt: number, biasAt: number) =>
      normRow(x, weights.subarray(gainAt), weights.subarray(biasAt), params.eps);
    const linear = (x: Row, weightAt: number, biasAt: number, outputs: number) =>
      linearRow(x, weights.subarray(weightAt), weights.subarray(biasAt), outputs);

    for (let s = 0; s < sequences; s++)
      for (let t = column; t < column + steps && !done[s]; t++) {
        const token = tokens[s * stride + t - 1]!;
        const first = tokens[s * stride]!;
        const list = lists > 0 && first >= 0 && first < vocabulary ? plan[listOf + s * vocabulary + first]! : -1;
        const slot = list >= 0 && list < lists ? plan[slots + list * stride + t]! : -1;
        const last = cacheRow(plan[prefixes + s]!, t, capacity);
        let x: Row = Float64Array.from(
          { length: width },
          (_, c) =>
            vectorAt(tables, width, 0, vocabulary, token, c) +
            weights[positions! + t * width + c]! +
            vectorAt(tables, width, 2 * vocabulary, params.slotRows, slot, c),
        );
        for (let layer = 0; layer < layers; layer++) {
          const p = plan.subarray(layer * fields, (layer + 1) * fields);
          const qkv = linear(norm(x, p[0]!, p[1]!), p[2]!, p[3]!, 3 * width);
          const attended = attendLast(qkv, cache.subarray(layer * layerStride + s * capacity * 2 * width), last, heads);
          const y = addRows(linear(attended, p[4]!, p[5]!, width), x);
          const hidden = linear(norm(y, p[6]!, p[7]!), p[8]!, p[9]!, hiddenFactor * width).map(v => Math.max(v, 0));
          x = addRows(linear(hidden, p[10]!, p[11]!, width), y);
        }
        const normed = norm(x, gain!, bias!);
        const scores = Float64Array.from({ length: vocabulary }, (_, k) => {
          let score = weights[headBias! + k]! + sampling[1 + k]!;
          for (let c = 0; c < width; c++) score += normed[c]! * tables[(vocabulary + k) * width + c]!;
          return score;
        });
        const best = drawToken(scores, sampling[0]!, control, t, s * vocabulary);
        tokens[s * stride + t] = best;
        if (best === control[3]) done[s] = 1;
      }
  },
  /** As if no sequence ended, with a cache that is half full. */
  cost: ({ sequences, steps, layers, width, vocabulary, capacity }) => ({
    flops: 2 * sequences * steps * (layers * width * (12 * width + capacity) + vocabulary * width),
    elements: layers * (12 * width ** 2 + sequences * capacity * width) + vocabulary * width,
  }),
  wasm: ({ sequences, layers, width, vocabulary, capacity }) => ({
    passes: [
      { fn: 'rollout_pack', units: 4 * layers + 1 },
      {
        fn: 'rollout',
        units: ceilDivide(sequences, sequencesPerUnit),
        // per sequence its number, x twice, its norm, qkv and hidden values, logits; then scores of a head
        threadScratch: 4 * (sequencesPerUnit * (1 + 10 * width + 8 * ceilDivide(vocabulary, 8)) + capacity + 64),
      },
    ],
    constants: [sequencesPerUnit],
    sharedScratch: 4 * packedElements(layers, width, vocabulary),
  }),
  wgsl: rolloutWgsl,
  example: rolloutExample,
  tolerance: 2e-5,
});

/** Elements of all matrices as panels of eight columns, what a tile of a product reads. */
function packedElements(layers: number, width: number, vocabulary: number): number {
  const columns = (n: number) => 8 * ceilDivide(n, 8);
  const hidden = hiddenFactor * width;
  const layer = width * (columns(3 * width) + columns(width) + columns(hidden)) + hidden * columns(width);
  return layers * layer + width * columns(vocabulary);
}

function rolloutExample(draw: Draw) {
  const heads = draw.pick([1, 2, 4]);
  const width = heads * 8; // one size: software adapters compile every head dimension for seconds
  const layers = draw.pick([1, 2]);
  const sequences = draw.pick([1, 3, 18]);
  const vocabulary = draw.pick([7, 24, 70]);
  const column = draw.pick([1, 3]);
  const steps = draw.pick([1, 2, 4]);
  const stride = column + steps + draw.pick([0, 2]);
  const prefixes = Array.from({ length: sequences }, (_, s) => 1 + ((s * 5) % 9));
  const capacity = 9 + stride;
  const lists = draw.pick([0, 2]);
  const slots = 65;

  let end = 0;
  const place = (length: number) => {
    const offset = end;
    end += 64 * ceilDivide(length, 64);
    return offset;
  };
  const fieldsOf = fieldLengths(width, vocabulary, stride);
  const layer = fieldsOf.slice(0, rolloutLayerFields.length);
  const offsets = [
    ...Array.from({ length: layers }, () => layer).flat(),
    ...fieldsOf.slice(rolloutLayerFields.length),
  ].map(place);
  const plan = rolloutPlan({
    offsets,
    prefixes,
    lists: Array.from({ length: lists }, (_, l) =>
      Array.from({ length: stride }, (__, t) => ((t * 7 + l) % (slots + 1)) - 1),
    ),
    listOf: Array.from({ length: sequences * vocabulary }, (_, i) => (i % 3) - 1),
  });
  const layerStride = 64 * ceilDivide(sequences * capacity * 2 * width, 64);
  const noise = draw.integer(0, 1e6);
  const scale = 1 / Math.sqrt(width);
  return {
    params: {
      sequences,
      capacity,
      layers,
      width,
      heads,
      vocabulary,
      column,
      steps,
      stride,
      lists,
      layerStride,
      slotRows: slots,
      weightCount: end,
      eps: 1e-5,
    },
    lengths: {
      weights: end,
      tables: (2 * vocabulary + slots) * width,
      sampling: 1 + vocabulary,
      control: 5,
      plan: plan.length,
      cache: layers * layerStride,
      done: sequences,
      tokens: sequences * stride,
    },
    fills: {
      weights: uniform(-scale, scale),
      tables: uniform(-scale, scale),
      cache: uniform(-1, 1),
      // temperature, then what decides between tokens: far enough apart that rounding picks the same one
      sampling: given([
        draw.pick([0, 1]),
        ...Array.from({ length: vocabulary }, (_, k) => (k % 7 === 3 ? -1e30 : ((k * 37) % 101) * 2)),
      ]),
      control: given([noise, 3, draw.integer(0, 1000), draw.integer(0, vocabulary - 1), 0]),
      plan: given(plan),
      done: givenEach(sequences, () => draw.pick([0, 0, 1])),
      tokens: givenEach(sequences * stride, i => (i * 11 + noise) % vocabulary),
    },
  } as const;
}
