/**
 * The fused decode step: four launches per block and two per token, for devices on which a launch costs more than its
 * work.
 *
 *   decode_linear   norm + qkv
 *   decode_attend   keys and values to the cache, attention, out projection + residual
 *   decode_linear   norm + mlp in + ReLU
 *   decode_linear   mlp out + residual
 *
 * and per token decode_linear (norm + head) and decode_draw (sampling and the next embedding).
 *
 * Every workgroup that reads a row computes its norm again, which is cheaper than writing and reading it. The column
 * lies in memory, behind the fields of `control`, so that the launches of all tokens are the same and can be replayed.
 *
 * Measured beside the step layer by layer (`npm run bench:rollout`, medians of ratios within a round): 1.37 times as
 * fast on wasm with two threads (bench/results/rollout-wasm.json), 0.72 where no response ends early and 0.58 where
 * most do on a software adapter (rollout-webgpu.json). It is meant for GPUs, and not measured on one yet.
 */
import { ceilDivide, defineKernel, given, givenEach, reads, sizes, uniform, updates, writes } from '../kernel.js';
import { columnField, drawToken, exampleControl } from '../random/random.js';
import { decodeAttendWgsl, decodeDrawWgsl, decodeLinearWgsl } from './fused.wgsl.js';
import { addRows, attendLast, cacheRow, linearRow, normRow, vectorAt } from './reference.js';

export { fusedFits } from './fused.wgsl.js';

/** Rows that a unit of wasm work multiplies at once. */
const rowsPerUnit = 16;

/** A matrix product with norm, activation and residual; see the summary. */
export const decodeLinearKernel = defineKernel({
  name: 'decode_linear',
  summary:
    'y = finish(norm(x) weight + bias): x (rows, inputs), weight (inputs, outputs), y (rows, outputs). normalise: layer norm of x ' +
    'with gain and shift, else x as it is; relu; add: residual (rows, outputs), behind the rest. inputs and outputs are multiples ' +
    'of four. Buffers that are not used may be any',
  buffers: {
    x: reads.float,
    gain: reads.float,
    shift: reads.float,
    weight: reads.float,
    bias: reads.float,
    residual: reads.float,
    y: writes.float,
  },
  params: { rows: 'u32', inputs: 'u32', outputs: 'u32', normalise: 'u32', relu: 'u32', add: 'u32', eps: 'f32' },
  reference({ x, gain, shift, weight, bias, residual, y }, { rows, inputs, outputs, normalise, relu, add, eps }) {
    for (let row = 0; row < rows; row++) {
      const source = Float64Array.from(x.subarray(row * inputs, (row + 1) * inputs));
      let out = linearRow(normalise ? normRow(source, gain, shift, eps) : source, weight, bias, outputs);
      if (relu) out = out.map(v => Math.max(v, 0));
      y.set(add ? addRows(out, residual.subarray(row * outputs)) : out, row * outputs);
    }
  },
  cost: ({ rows, inputs, outputs }) => ({
    flops: 2 * rows * inputs * outputs,
    elements: inputs * outputs + rows * (inputs + outputs),
  }),
  wasm: ({ rows, inputs }) => ({
    passes: [
      {
        fn: 'decode_linear',
        units: ceilDivide(rows, rowsPerUnit),
        threadScratch: 4 * rowsPerUnit * inputs + 64,
      },
    ],
    constants: [rowsPerUnit],
  }),
  wgsl: decodeLinearWgsl,
  example(draw) {
    const rows = draw.pick([1, 3, 4, 18]);
    const inputs = 4 * draw.pick([1, 2, 9, 32]);
    const outputs = 4 * draw.pick([1, 3, 16, 35]);
    const [normalise, relu, add] = [draw.pick([0, 1]), draw.pick([0, 1]), draw.pick([0, 1])];
    return {
      params: { rows, inputs, outputs, normalise, relu, add, eps: 1e-5 },
      lengths: {
        x: rows * inputs,
        gain: inputs,
        shift: inputs,
        weight: inputs * outputs,
        bias: outputs,
        residual: rows * outputs,
        y: rows * outputs,
      },
      // with a spread that the norm's eps is small against
      fills: { x: uniform(-1, 1) },
    };
  },
  tolerance: 2e-5,
});

/** Attention of one new row per sequence, with cache, projection and residual; see the summary. */
export const decodeAttendKernel = defineKernel({
  name: 'decode_attend',
  summary:
    'y = attention(qkv) weight + bias + residual for one row per sequence: qkv (rows, 3 * width), weight (width, width), residual and ' +
    'y (rows, width). The keys and values go to row prefixes[s] + column of the sequence in the cache (rows * capacity, 2 * width), ' +
    'and attention reads the rows up to that one, or none where that is none of 0..capacity - 1; the column is control[5]. ' +
    'width / heads must be a multiple of four',
  buffers: {
    qkv: reads.float,
    control: reads.index,
    prefixes: reads.index,
    weight: reads.float,
    bias: reads.float,
    residual: reads.float,
    cache: updates.float,
    y: writes.float,
  },
  params: sizes('rows', 'capacity', 'width', 'heads'),
  reference({ qkv, control, prefixes, weight, bias, residual, cache, y }, { rows, capacity, width, heads }) {
    const column = control[columnField]!;
    for (let s = 0; s < rows; s++) {
      const row = qkv.subarray(s * 3 * width, (s + 1) * 3 * width);
      const last = cacheRow(prefixes[s]!, column, capacity);
      const attended = attendLast(row, cache.subarray(s * capacity * 2 * width), last, heads);
      y.set(addRows(linearRow(attended, weight, bias, width), residual.subarray(s * width)), s * width);
    }
  },
  /** With a cache that is half full. */
  cost: ({ rows, capacity, width }) => ({
    flops: 2 * rows * width * (width + capacity),
    elements: width ** 2 + rows * width * (5 + capacity),
  }),
  wasm: ({ rows, capacity, width }) => ({
    passes: [{ fn: 'decode_attend', units: rows, threadScratch: 4 * (width + capacity + 32) }],
  }),
  wgsl: decodeAttendWgsl,
  example(draw) {
    const rows = draw.pick([1, 3, 5]);
    const heads = draw.pick([1, 2, 5]);
    const width = heads * 4 * draw.pick([1, 2, 4]);
    const column = draw.integer(0, 5);
    const prefix = draw.pick([1, 7, 210]); // of five heads, more scores than there is room for
    const capacity = prefix + 8 + column;
    return {
      params: { rows, capacity, width, heads },
      lengths: {
        qkv: rows * 3 * width,
        control: columnField + 1,
        prefixes: rows,
        weight: width ** 2,
        bias: width,
        residual: rows * width,
        cache: rows * capacity * 2 * width,
        y: rows * width,
      },
      fills: {
        qkv: uniform(-1, 1),
        cache: uniform(-1, 1),
        control: exampleControl(draw, 1, column),
        prefixes: givenEach(rows, s => prefix + ((s * 5) % 8)),
      },
    };
  },
  tolerance: 2e-5,
});

/** A token per sequence, and its embedding; see the summary. */
export const decodeDrawKernel = defineKernel({
  name: 'decode_draw',
  summary:
    'column = control[5]. draw: tokens[s, column] and done[s] from logits (rows, vocabulary) as sample_tokens does; sampling: temperature, then the bias of ' +
    'every token. Then, unless column is the last of `stride`, x[s] = vector of tokens[s, column] + that of position t = column + 1 (+ ' +
    'that of slots[s, t], where it is one of 0..slotRows - 1). vectors: tokens (vocabulary, width), positions (positions, width), ' +
    'then slots (slotRows, width). A column outside of `stride` draws and embeds nothing. width must be a multiple of four',
  buffers: {
    logits: reads.float,
    sampling: reads.wide,
    control: reads.index,
    vectors: reads.float,
    slots: reads.index,
    done: updates.index,
    tokens: updates.index,
    x: updates.float,
  },
  params: sizes('rows', 'vocabulary', 'positions', 'width', 'stride', 'draw', 'slotRows'),
  reference({ logits, sampling, control, vectors, slots, done, tokens, x }, params) {
    const { rows, vocabulary, positions, width, stride, draw, slotRows } = params;
    const column = control[columnField]!;
    if (column < 0 || column >= stride) return;
    for (let s = 0; s < rows; s++) {
      if (draw) {
        const scores = Float64Array.from(sampling.subarray(1), (b, k) => logits[s * vocabulary + k]! + b);
        const best = drawToken(scores, sampling[0]!, control, column, s * vocabulary);
        const token = done[s] ? control[4]! : best;
        tokens[s * stride + column] = token;
        if (token === control[3]) done[s] = 1;
      }
      const t = column + 1;
      if (t >= stride) continue;
      const token = tokens[s * stride + column]!;
      const slot = slotRows > 0 ? slots[s * stride + t]! : -1;
      for (let c = 0; c < width; c++)
        x[s * width + c] =
          vectorAt(vectors, width, 0, vocabulary, token, c) +
          vectors[(vocabulary + t) * width + c]! +
          vectorAt(vectors, width, vocabulary + positions, slotRows, slot, c);
    }
  },
  cost: ({ rows, vocabulary, width }) => ({
    flops: rows * (6 * vocabulary + 3 * width),
    elements: rows * (vocabulary + 3 * width),
  }),
  wasm: ({ rows }) => ({ passes: [{ fn: 'decode_draw', units: rows }] }),
  wgsl: decodeDrawWgsl,
  example(draw) {
    const rows = draw.pick([1, 3, 17]);
    const vocabulary = draw.pick([7, 24, 128]);
    const width = 4 * draw.pick([1, 5, 32]);
    const column = draw.integer(0, 3);
    const stride = column + draw.pick([1, 2, 4]);
    const positions = stride + draw.pick([0, 3]);
    const slots = draw.pick([1, 64]);
    const size = rows * vocabulary;
    return {
      params: {
        rows,
        vocabulary,
        positions,
        width,
        stride,
        draw: draw.pick([0, 1]),
        slotRows: draw.pick([0, slots]),
      },
      lengths: {
        logits: size,
        sampling: 1 + vocabulary,
        control: columnField + 1,
        slots: rows * stride,
        done: rows,
        vectors: (vocabulary + positions + slots) * width,
        tokens: rows * stride,
        x: rows * width,
      },
      fills: {
        // far enough apart that f32 and f64 logarithms pick the same token
        logits: givenEach(size, i => ((i * 37) % 509) / 32),
        sampling: given([
          draw.pick([0, 1, 0.5]),
          ...Array.from({ length: vocabulary }, (_, k) => (k % 7 === 3 ? -1e30 : 0)),
        ]),
        control: exampleControl(draw, vocabulary, column),
        slots: givenEach(rows * stride, i => ((i * 7) % (slots + 1)) - 1),
        done: givenEach(rows, () => draw.pick([0, 0, 1])),
        tokens: givenEach(rows * stride, i => (i * 11) % vocabulary),
      },
    };
  },
  tolerance: 1e-6,
});
