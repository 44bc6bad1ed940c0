/** Generation: responses to many prompts at once. Sampled tokens stay on the device until the end. */
import { Recorder, requireCounters, sampleTokens } from '../core/index.js';
import type { Capabilities, Tensor } from '../core/index.js';
import { requireIds } from './batch.js';
import type { Sequence } from './batch.js';
import { createCache, decodeStep, prefill } from './cache.js';
import type { Cache } from './cache.js';
import type { ModelConfig } from './config.js';
import { canFuse, FusedSteps } from './decode-fused.js';
import { canRollOut, collectSlots, RolloutSteps } from './decode-kernel.js';
import { fastestPath } from './decode-path.js';
import type { DecodePath } from './decode-path.js';
import { sideFor, slotOf } from './slots.js';
import type { VisionLanguageModel } from './vlm.js';
import { BOS, EOS, GRID_SIDE, IMG, PAD } from './vocabulary.js';

/** How `generate` chooses tokens, and when it stops. */
export interface GenerateOptions {
  /** Tokens after BOS at most. */
  readonly maxTokens: number;
  /** 0 is greedy, as are very small ones in effect; 1 samples from the model's distribution. */
  readonly temperature: number;
  /** Where sampling noise comes from, whole numbers of 32 bits: the same ones give the same tokens. */
  readonly seed: number;
  readonly stream: number;
  readonly step: number;
  /** Slots of the prompts' tokens, see `Sequence`. */
  readonly promptSlots?: readonly ArrayLike<number>[];
  /**
   * Slots of a sequence's response inputs by position, once its first token is known (in a recap that is the board's
   * size, which decides what later places mean). Undefined: none.
   */
  readonly responseSlots?: (sequence: number, firstToken: number) => ArrayLike<number> | undefined;
  /** Default: the fastest for the device and model. */
  readonly path?: DecodePath;
  /**
   * Told the responses so far after each token, which then has a launch and a read of its own; awaited, and what it
   * throws ends the generation. The tokens are the same.
   */
  readonly onToken?: (responses: readonly (readonly number[])[]) => void | Promise<void>;
}

/**
 * Tokens between two checks whether all sequences have ended, and per launch of the rollout kernel. A check costs a
 * round trip on an asynchronous device; there the flags are read while the next launch runs.
 */
function tokensPerCheck({ asynchronous }: Capabilities, path: DecodePath): number {
  if (asynchronous) return 8;
  return path === 'rollout' ? 32 : 1;
}

/**
 * Responses to prompts: the tokens after BOS, end-of-sequence included where it came within `maxTokens`.
 * @param patches (images * P, patch pixels) for prompts with images
 * @throws Error for tokens that the vocabulary lacks, prompts that are too long, and options out of range
 */
export async function generate(
  model: VisionLanguageModel,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
  patches?: Tensor,
): Promise<number[][]> {
  const { maxTokens, temperature, seed, stream, step, promptSlots, responseSlots, onToken } = options;
  const { device, config } = model;
  requireCounters({ seed, stream, step });
  if (!(temperature >= 0 && temperature <= 1e6))
    throw new Error(`temperature ${temperature}: it must be a number from 0 (greedy) to 1000000`);
  if (!(Number.isInteger(maxTokens) && maxTokens >= 0))
    throw new Error(`maxTokens is ${maxTokens}; it must be a whole number from 0 on`);
  if (prompts.length === 0 || maxTokens === 0) return prompts.map(() => []);
  if (maxTokens > config.responsePositions)
    throw new Error(`${maxTokens} tokens were asked for; the model has ${config.responsePositions} response positions`);
  return await device.scope(async () => {
    const count = prompts.length;
    const capacity = Math.max(...prompts.map(prompt => prompt.length)) + maxTokens;
    const cache = createCache(model, count, capacity);
    const noise = [temperature, ...forbidden(config)];
    const state: State = {
      cache,
      control: device.tensor(Int32Array.of(seed, stream, step, EOS, PAD), [5], { dtype: 'i32' }), // all 32 bits
      sampling: device.tensor(noise),
      done: device.zeros([count], { dtype: 'i32' }),
      tokens: device.tensor(new Int32Array(count * maxTokens).fill(PAD), [count, maxTokens], { dtype: 'i32' }),
      next: device.empty([count], 'i32', 'generate'),
      draw: { temperature: device.tensor([temperature]), bias: device.tensor(noise.slice(1)) },
      recorder: new Recorder(device),
    };
    const sequences = prompts.map<Sequence>((prompt, s) => ({
      prompt,
      response: [BOS],
      ...(promptSlots && { promptSlots: promptSlots[s]! }),
    }));
    device.scope(() => {
      drawTokens(state, prefill(model, sequences, cache, patches), 0);
    });
    const responses = async () => {
      const all = await state.tokens.read();
      return prompts.map((_, s) => responseOf(Array.from(all.subarray(s * maxTokens, (s + 1) * maxTokens))));
    };
    const drawn = onToken && (async () => await onToken(await responses()));
    await drawn?.();
    if (maxTokens > 1) {
      const path = options.path ?? fastestPath(model, cache, count);
      if (path === 'rollout' && !canRollOut(model, cache))
        throw new Error('the rollout kernel cannot carry this model and batch here: generate with path `steps`');
      if (path === 'fused' && !canFuse(model))
        throw new Error('the fused step cannot run a model of this shape: generate with path `steps`');
      const slotsOf = responseSlots && checkedSlots(responseSlots);
      const decode = await decoders[path](model, state, { ...options, ...(slotsOf && { responseSlots: slotsOf }) });
      const width = onToken ? 1 : tokensPerCheck(device.capabilities, path);
      await drawRest(state, maxTokens, width, decode, drawn).finally(() => state.recorder.dispose());
    }
    return await responses();
  });
}

/** The same slots. @throws Error for one that is no cell, when it is asked for */
function checkedSlots(slotsOf: NonNullable<GenerateOptions['responseSlots']>): typeof slotsOf {
  return (sequence, firstToken) => {
    const slots = slotsOf(sequence, firstToken);
    if (slots) requireIds(`sequence ${sequence}, responseSlots`, slots, -1, GRID_SIDE ** 2);
    return slots;
  };
}

/** What a generation holds on the device; B sequences, V vocabulary. */
interface State {
  readonly cache: Cache;
  /** Seed, stream, step, EOS, PAD: i32 (5). */
  readonly control: Tensor;
  /** Temperature, then the bias of every token: (1 + V). */
  readonly sampling: Tensor;
  /** The same as two tensors: (1) and (V). */
  readonly draw: { readonly temperature: Tensor; readonly bias: Tensor };
  /** 1 for sequences that have ended: i32 (B). */
  readonly done: Tensor;
  /** Drawn so far, then PAD: i32 (B, maxTokens). */
  readonly tokens: Tensor;
  /** Drawn last: i32 (B). */
  readonly next: Tensor;
  /** Of the step of a token, where the path repeats one. */
  readonly recorder: Recorder;
}

function drawTokens({ draw, control, done, tokens, next }: State, logits: Tensor, column: number): void {
  sampleTokens({ logits, ...draw, control, done, tokens, next }, column);
}

const haveEnded = async (done: Tensor) => (await done.read()).every(flag => flag !== 0);

/** Draws the tokens of `count` columns from `column` on; those before are drawn already. */
type Decode = (column: number, count: number) => void;

/** Draws columns from the second on, `width` at a time, until they are full or all sequences have ended. */
async function drawRest({ done }: State, columns: number, width: number, decode: Decode, drawn?: () => Promise<void>) {
  const runsAhead = done.device.capabilities.asynchronous && !drawn; // the device works while the flags before are read
  let ended: Promise<boolean> = Promise.resolve(false);
  for (let column = 1; column < columns; column += width) {
    decode(column, Math.min(width, columns - column));
    const before = ended;
    ended = haveEnded(done);
    ended.catch(() => {}); // nobody waits for the last one; a device that is lost says so to the next read
    await drawn?.();
    if (await (runsAhead ? before : ended)) break;
  }
  await ended;
}

/** The slots (see slots.ts) of each sequence by response position, once its first token is drawn. */
async function slotsOf({ next }: State, config: ModelConfig, { responseSlots }: GenerateOptions) {
  if (!responseSlots) return undefined;
  return Array.from(await next.read(), (first, s) => {
    const cells = responseSlots(s, first);
    return cells && Int32Array.from(cells, cell => slotOf(cell, sideFor(config, first)));
  });
}

/** How each path decodes; see `DecodePath`. */
const decoders = {
  async steps(model: VisionLanguageModel, state: State, options: GenerateOptions): Promise<Decode> {
    const slots = await slotsOf(state, model.config, options);
    const slotted = slots?.some(row => row !== undefined) ?? false;
    return (column, count) => {
      for (let at = column; at < column + count; at++)
        model.device.scope(() => {
          const present = slots && slotted ? Int32Array.from(slots, row => row?.[at] ?? -1) : undefined; // (sequences)
          drawTokens(state, decodeStep(model, state.next, state.cache, present), at);
        });
    };
  },

  async fused(model: VisionLanguageModel, state: State, options: GenerateOptions): Promise<Decode> {
    const rows = await slotsOf(state, model.config, options);
    const table = rows?.flatMap(row => Array.from({ length: options.maxTokens }, (_, t) => row?.[t] ?? -1));
    const slots = table && model.device.tensor(table, state.tokens.shape, { dtype: 'i32' }); // (sequences, columns)
    const steps = new FusedSteps(model, { ...state, noise: options, slots }, state.recorder);
    return (column, count) => {
      for (let at = column; at < column + count; at++) steps.step(at);
    };
  },

  async rollout(model: VisionLanguageModel, state: State, options: GenerateOptions): Promise<Decode> {
    const { maxTokens, responseSlots } = options;
    // Where reading costs a round trip, lists go along for whatever the first tokens may be.
    const { asynchronous } = model.device.capabilities;
    const firstTokens = responseSlots && !asynchronous ? await state.next.read() : undefined;
    const slots = collectSlots(responseSlots, state.done.size, model.config, maxTokens, firstTokens);
    const rollout = new RolloutSteps(model, { ...state, slots });
    return (column, count) => {
      rollout.run(column, count);
    };
  },
};

/** Tokens that no response may hold, as a bias on the logits: (V). */
function forbidden(config: ModelConfig): Float32Array {
  const bias = new Float32Array(config.vocabulary);
  for (const id of [PAD, BOS, IMG]) bias[id] = -1e30;
  return bias;
}

/** The tokens of a row up to EOS; without one, up to the padding, which is there while others are longer. */
function responseOf(row: readonly number[]): number[] {
  const end = row.indexOf(EOS);
  return row.slice(0, (end < 0 ? row.findLastIndex(token => token !== PAD) : end) + 1);
}
