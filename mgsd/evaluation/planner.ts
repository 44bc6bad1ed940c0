/** A trained model as a planner: an image in, a plan out. */
import { hostMath, noGrad, openDevice } from '../../core/index.js';
import type { Device, DeviceChoice, HostArray } from '../../core/index.js';
import {
  decodeCheckpoint,
  generate,
  loadModel,
  modelInputs,
  packBatch,
  patchArray,
  patchCount,
} from '../../models/index.js';
import type {
  Checkpoint,
  ModelConfig,
  ModelInputs,
  Precision,
  Sequence,
  VisionLanguageModel,
} from '../../models/index.js';
import { ANS, BOS, EOS, MAXIMUM_SIZE, actionOf, cellOf, tokensToText } from '../../models/vocabulary.js';
import { resizeSquare } from '../pictures/png.js';
import type { RgbImage } from '../pictures/png.js';
import { generationSlots, promptOf } from '../method/packing.js';
import { imagePrompt, maximumResponseLength } from '../method/response.js';
import { actionName } from '../worlds/grid.js';
import type { Action } from '../worlds/grid.js';
import { createWorldByName } from '../worlds/registry.js';
import type { WorldName } from '../worlds/registry.js';
import type { World } from '../worlds/world.js';
import type { Puzzle } from '../method/puzzles.js';

/** What a model wrote for one puzzle. */
export interface Plan {
  /** L, D, R, U, PICK and DROP. */
  readonly actions: readonly Action[];
  /** The actions as an answer holds them: `UUR`. */
  readonly answer: string;
  /** The state as the model wrote it down, as tokens and as text: `size:3 (2,0) (0,2) (1,1)`. */
  readonly recap: readonly number[];
  readonly recapText: string;
  /** Everything that was generated, after BOS. */
  readonly tokens: readonly number[];
  /** The response ended by itself and kept to the grammar; otherwise `actions` is what could be read. */
  readonly complete: boolean;
}

/** A plan with what the model itself thinks of it. */
export interface SurePlan extends Plan {
  /**
   * The probability that it gave to the token of its recap that it was least sure of, 0..1. Median over 180 unseen
   * boards with the package's model: 1.00 in the plain look of training, 0.99 in the held-out one, 0.87 in random ones.
   */
  readonly sureness: number;
}

/** Below this a recap is in doubt: so were 10, 37 and 62 % of those boards; 98, 77 and 68 % were solved. */
export const DOUBT = 0.95;

/** What a model is shown: a picture of a puzzle of this world, (imageSize, imageSize, 3); or the puzzle's symbols. */
export type Seen = { readonly world: World; readonly image: Uint8Array } | Puzzle;

/** Told the tokens so far as a response is written, one more each time; awaited, and what it throws ends it. */
export type WritingObserver = (tokens: readonly number[]) => void | Promise<void>;

/** The device and precision of a planner. */
export interface PlannerOptions {
  /** An open device, or the backend to open. Default `auto`. */
  readonly device?: Device | DeviceChoice;
  /** Threads of the wasm backend. */
  readonly threads?: number;
  /** f32 (default) or, where the device has it, f16, whatever the model was trained in. */
  readonly precision?: Precision;
}

/** A trained model with its device: images in, plans out. */
export class Planner {
  /** Metadata of the checkpoint: `stage`, `step` and the `run` that it comes from, as JSON. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly model: VisionLanguageModel;
  readonly #ownsDevice: boolean;

  constructor({ metadata }: Pick<Checkpoint, 'metadata'>, model: VisionLanguageModel, ownsDevice = false) {
    this.metadata = metadata;
    this.model = model;
    this.#ownsDevice = ownsDevice;
  }

  /**
   * Loads a trained model from the bytes of a checkpoint; `close` closes the device if it was opened here.
   * @throws Error in one line if the bytes are damaged or foreign, or the device is not available
   */
  static async load(checkpoint: Uint8Array, options: PlannerOptions = {}): Promise<Planner> {
    const decoded = decodeCheckpoint(checkpoint);
    const { device: choice = 'auto', threads, precision = 'f32' } = options;
    const opened = typeof choice === 'string';
    const device = opened ? await openDevice(choice, threads === undefined ? {} : { threads }) : choice;
    const model = await loadModel(device, decoded, { precision, trainable: false });
    return new Planner(decoded, model, opened);
  }

  get config(): ModelConfig {
    return this.model.config;
  }

  /** Side in pixels of the square images that the model sees. */
  get imageSize(): number {
    return this.config.imageSize;
  }

  /**
   * The greedy plan for an image.
   * @param image RGB, a square of any size, or the bytes of one of imageSize, (imageSize, imageSize, 3)
   * @throws Error if the image is no square, or its bytes are too few or too many
   */
  async plan(
    image: RgbImage | Uint8Array,
    { world = 'frozenlake', onToken }: { world?: WorldName; onToken?: WritingObserver } = {},
  ): Promise<SurePlan> {
    const { imageSize } = this;
    if (!(image instanceof Uint8Array) && image.width !== image.height)
      throw new Error(
        `the image has ${image.width} x ${image.height} pixels; this model sees ${imageSize} x ${imageSize}: cut out the board, a square`,
      );
    const rules: World = createWorldByName(world);
    const pixels = image instanceof Uint8Array ? image : resizeSquare(image, imageSize).data;
    return await this.#respond({ world: rules, image: pixels }, onToken);
  }

  /** The greedy plan for a puzzle whose symbolic state is given instead of an image. */
  async planFromSymbols(puzzle: Puzzle, onToken?: WritingObserver): Promise<SurePlan> {
    return await this.#respond(puzzle, onToken);
  }

  /**
   * What `model.forward` is fed to read a finished response in one pass: its output t holds the logits of token t after
   * all tokens before it, (tokens.length, V).
   * @param tokens the response as in `Plan.tokens`, at least one
   * @throws Error if the response is longer than config.responsePositions, or the image has another size
   */
  responseInputs(shown: Seen, tokens: readonly number[]): ModelInputs<HostArray> {
    const { config } = this;
    const { prompt, slots, patches } = this.#ask(shown);
    const cells = slots.responseSlots?.(0, tokens[0]!);
    const sequence: Sequence = {
      prompt,
      response: [BOS, ...tokens.slice(0, -1)],
      ...(slots.promptSlots && { promptSlots: slots.promptSlots[0]! }),
      ...(cells && { responseSlots: Array.from(cells).slice(0, tokens.length) }),
    };
    return modelInputs(packBatch([sequence], config), config, patches);
  }

  #ask(shown: Seen) {
    const { config, dtype } = this.model;
    const slots = generationSlots([shown], config);
    if (!('image' in shown)) return { prompt: promptOf(shown, 'symbolic', config), slots };
    const patches = patchArray([shown.image], config, dtype);
    return { prompt: imagePrompt(shown.world, patchCount(config)), slots, patches };
  }

  async #respond(shown: Seen, onToken?: WritingObserver): Promise<SurePlan> {
    const { model } = this;
    const { world } = shown;
    const maxTokens = Math.min(this.config.responsePositions, maximumResponseLength(world, MAXIMUM_SIZE));
    const { prompt, slots, patches } = this.#ask(shown);
    const greedy = {
      ...{ maxTokens, temperature: 0, seed: 0, stream: 0, step: 0, ...slots },
      ...(onToken && { onToken: ([tokens = []]: readonly (readonly number[])[]) => onToken(tokens) }),
    };
    const { config, device } = model;
    return await device.scope(async () => {
      const [tokens = []] = await generate(model, [prompt], greedy, patches && device.fromHost(patches));
      // Once more in one pass, for the probabilities.
      const inputs = this.responseInputs(shown, tokens);
      const logits = await noGrad(() => model.forward(device.fromHost(inputs))).read(); // (tokens, V)
      // Equally good moves share their probability, so only what it says it sees counts.
      const read = tokens.includes(ANS) ? tokens.slice(0, tokens.indexOf(ANS) + 1) : tokens;
      return {
        ...readPlan(world, tokens),
        sureness: leastProbability(Float64Array.from(logits), read, config.vocabulary),
      };
    });
  }

  /** Frees the model, and closes the device if `load` opened it. */
  async close(): Promise<void> {
    this.model.dispose();
    if (this.#ownsDevice) await this.model.device.close();
  }
}

/** The least softmax probability of a token in its row. @param logits (at least tokens.length, V) */
function leastProbability(logits: Float64Array, tokens: readonly number[], V: number): number {
  const probabilities = tokens.map((token, i) => {
    const row = logits.subarray(i * V, (i + 1) * V);
    return 1 / row.reduce((sum, logit) => sum + hostMath.exp(logit - row[token]!), 0);
  });
  return Math.min(...probabilities);
}

/** Reads what a model wrote without knowing the puzzle: recap ANS (action cell)* EOS. */
export function readPlan(world: World, tokens: readonly number[]): Plan {
  const answer = tokens.indexOf(ANS);
  const recap = answer < 0 ? tokens.filter(token => token !== EOS) : tokens.slice(0, answer);
  const actions: Action[] = [];
  let at = answer < 0 ? tokens.length : answer + 1;
  let sound = true;
  while (sound && world.isActionToken(tokens[at] ?? -1)) {
    actions.push(actionOf(tokens[at]!) as Action);
    sound = cellOf(tokens[at + 1] ?? -1) >= 0;
    at += 2;
  }
  return {
    actions,
    answer: world.formatAnswer(actions),
    recap,
    recapText: tokensToText(recap),
    tokens,
    complete: sound && tokens[at] === EOS,
  };
}

/** `L`, `D`, `R`, `U`, `PICK` or `DROP` for each action. */
export function actionNames(actions: readonly Action[]): string[] {
  return actions.map(actionName);
}
