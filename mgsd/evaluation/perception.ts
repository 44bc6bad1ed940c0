/**
 * Perception by itself: the model is asked every perception question of a held-out puzzle's image (mode:perceive) and
 * scored question by question. It can only answer what stage 1 has taught it (`stage1.questions` above 0).
 */
import { generate } from '../../models/index.js';
import type { VisionLanguageModel } from '../../models/index.js';
import type { RunConfig } from '../method/config.js';
import type { EvaluateOptions } from './evaluate.js';
import type { PuzzleGroup } from '../method/puzzles.js';
import { judgeAnswers, maximumQuestionLength } from '../method/questions.js';
import { patchTensor, promptOf, renderPuzzles } from '../method/packing.js';
import { rateInterval } from './intervals.js';
import type { Estimate } from './intervals.js';

/** One puzzle's answers. */
export interface PerceptionItem {
  readonly world: string;
  readonly level: number;
  readonly key: string;
  readonly layout: string;
  /** Which questions were answered rightly, by name. */
  readonly right: Readonly<Record<string, boolean>>;
  /** Tokens after BOS. */
  readonly response: readonly number[];
}

/** Puzzles that are decoded together. */
const chunkSize = 100;
const greedy = { temperature: 0, seed: 0, stream: 0, step: 0 };

/** Whether a run has taught its model to answer questions. */
export function isAskable({ stage1 }: Pick<RunConfig, 'stage1'>): boolean {
  return stage1.questions > 0 && stage1.steps > 0;
}

/** Greedy answers about the images of all puzzles, in their order; worlds without questions are left out. */
export async function evaluatePerception(
  model: VisionLanguageModel,
  groups: readonly PuzzleGroup[],
  { style = 'training', imageOf }: Pick<EvaluateOptions, 'style' | 'imageOf'> = {},
): Promise<PerceptionItem[]> {
  const items: PerceptionItem[] = [];
  for (const { world, level, puzzles } of groups.filter(group => 'questions' in group.world)) {
    const maxTokens = Math.min(maximumQuestionLength(level), model.config.responsePositions);
    for (let from = 0; from < puzzles.length; from += chunkSize) {
      const chunk = puzzles.slice(from, from + chunkSize);
      const prompts = chunk.map(puzzle => promptOf(puzzle, 'image', model.config, 'perceive'));
      const responses = await model.device.scope(() =>
        generate(
          model,
          prompts,
          { ...greedy, maxTokens },
          patchTensor(model, imageOf ? chunk.map(imageOf) : renderPuzzles(chunk, model.config, style)),
        ),
      );
      chunk.forEach(({ instance }, i) => {
        const right = judgeAnswers(world, instance, responses[i]!);
        const names = world.questions!(instance).map(({ name }) => name);
        items.push({
          world: world.name,
          level,
          key: world.instanceKey(instance),
          layout: world.layoutKey(instance),
          right: Object.fromEntries(names.map((name, k) => [name, right[k]!])),
          response: responses[i]!,
        });
      });
    }
  }
  return items;
}

/**
 * Share of right answers to each question of a world, and of puzzles with all of them right; 95 % intervals over
 * layouts.
 */
export interface PerceptionScores {
  readonly items: number;
  readonly questions: Readonly<Record<string, Estimate>>;
  readonly allExact: Estimate;
}

/** Scores by world. */
export function summarizePerception(items: readonly PerceptionItem[]): Record<string, PerceptionScores> {
  const worlds = [...new Set(items.map(({ world }) => world))];
  return Object.fromEntries(
    worlds.map(name => {
      const own = items.filter(({ world }) => world === name);
      const clusters = own.map(({ level, layout }) => `${level} ${layout}`);
      const rate = (value: (item: PerceptionItem) => boolean) => rateInterval(own.map(value), clusters);
      const questions = Object.keys(own[0]!.right);
      const scores: PerceptionScores = {
        items: own.length,
        questions: Object.fromEntries(questions.map(question => [question, rate(({ right }) => right[question]!)])),
        allExact: rate(({ right }) => Object.values(right).every(Boolean)),
      };
      return [name, scores];
    }),
  );
}
