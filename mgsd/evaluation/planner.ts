/** A trained model as a planner: an image in, a plan out. */
import { openDevice } from '../../core/index.js';
import type { Device, DeviceChoice } from '../../core/index.js';
import { decodeCheckpoint, generate, loadModel, patchCount } from '../../models/index.js';
import type { Checkpoint, ModelConfig, Precision, VisionLanguageModel } from '../../models/index.js';
import { ANS, EOS, MAXIMUM_SIZE, actionOf, cellOf, tokensToText } from '../../models/vocabulary.js';
import type { RgbImage } from '../pictures/png.js';
import { generationSlots, patchTensor, promptOf } from '../method/packing.js';
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
   * @param image RGB, (imageSize, imageSize, 3), or its bytes alone
   * @throws Error if the image has another size
   */
  async plan(image: RgbImage | Uint8Array, { world = 'frozenlake' }: { world?: WorldName } = {}): Promise<Plan> {
    const { imageSize } = this;
    if (!(image instanceof Uint8Array) && (image.width !== imageSize || image.height !== imageSize))
      throw new Error(
        `the image has ${image.width} x ${image.height} pixels; this model sees ${imageSize} x ${imageSize}: render or resize it to that`,
      );
    const rules: World = createWorldByName(world);
    const pixels = image instanceof Uint8Array ? image : image.data;
    return await this.#respond({ world: rules }, imagePrompt(rules, patchCount(this.config)), pixels);
  }

  /** The greedy plan for a puzzle whose symbolic state is given instead of an image. */
  async planFromSymbols(puzzle: Puzzle): Promise<Plan> {
    return await this.#respond(puzzle, promptOf(puzzle, 'symbolic', this.config));
  }

  async #respond(
    puzzle: Pick<Puzzle, 'world'> & Partial<Puzzle>,
    prompt: readonly number[],
    image?: Uint8Array,
  ): Promise<Plan> {
    const { model } = this;
    const { world } = puzzle;
    const maxTokens = Math.min(this.config.responsePositions, maximumResponseLength(world, MAXIMUM_SIZE));
    const slots = generationSlots([puzzle], this.config);
    const greedy = { maxTokens, temperature: 0, seed: 0, stream: 0, step: 0, ...slots };
    const [tokens = []] = await model.device.scope(() =>
      generate(model, [prompt], greedy, image && patchTensor(model, [image])),
    );
    return readPlan(world, tokens);
  }

  /** Frees the model, and closes the device if `load` opened it. */
  async close(): Promise<void> {
    this.model.dispose();
    if (this.#ownsDevice) await this.model.device.close();
  }
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
