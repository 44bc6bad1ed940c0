/** What a model writes when it is shown puzzles: prompts, images and slots put together for `generate`. */
import { generate } from '../../models/index.js';
import type { GenerateOptions, VisionLanguageModel } from '../../models/index.js';
import { generationSlots, patchTensor, promptOf, renderPuzzles } from './packing.js';
import type { Context, InputMode } from './packing.js';
import type { Puzzle } from './puzzles.js';
import { symbolicPrompt } from './response.js';
import type { Mode } from './response.js';

/** Greedy unless a temperature is given. */
export interface RespondOptions extends Partial<GenerateOptions> {
  readonly maxTokens: number;
  /** Default `plan`. */
  readonly asked?: Mode;
  /** What image prompts show, (imageSize, imageSize, 3) bytes each; default: the puzzles in the training style. */
  readonly images?: readonly Uint8Array[];
  /** What symbolic prompts tell. Default `state`. */
  readonly context?: Context;
}

const greedy = { temperature: 0, seed: 0, stream: 0, step: 0 };

/** The tokens after BOS that the model writes for each puzzle. */
export async function respond(
  model: VisionLanguageModel,
  puzzles: readonly Puzzle[],
  input: InputMode,
  { asked = 'plan', images, context = 'state', ...options }: RespondOptions,
): Promise<number[][]> {
  if (puzzles.length === 0) return [];
  const { config, device } = model;
  const prompts = puzzles.map(puzzle => {
    if (context === 'state') return promptOf(puzzle, input, config, asked);
    const { world, instance } = puzzle;
    return symbolicPrompt(world, instance, asked, world.referencePlan(instance));
  });
  const shown = input === 'image' ? puzzles.map(({ world }) => ({ world })) : puzzles;
  const slots = generationSlots(shown, config);
  return await device.scope(() => {
    const patches = input === 'image' ? patchTensor(model, images ?? renderPuzzles(puzzles, config)) : undefined;
    return generate(model, prompts, { ...greedy, ...options, ...slots }, patches);
  });
}
