import { describe, expect, it } from 'vitest';
import { Random } from '../../../core/index.js';
import { coordinateFeatures, generate, patchCount, VisionLanguageModel } from '../../../models/index.js';
import { cellIndexToken, MODE_PLAN, sizeToken, TASK_MAZE } from '../../../models/vocabulary.js';
import type { Puzzle } from '../../../mgsd/method/puzzles.js';
import {
  generationSlots,
  packExamples,
  packSequences,
  patchTensor,
  promptOf,
  renderPuzzles,
} from '../../../mgsd/method/packing.js';
import { respond } from '../../../mgsd/method/respond.js';
import { responseSlots, symbolicPrompt, symbolicPromptSlots } from '../../../mgsd/method/response.js';
import { recapExample, relabelledExample } from '../../../mgsd/method/targets.js';
import { createWorldByName } from '../../../mgsd/worlds/registry.js';
import { cpu } from '../../core/devices.js';
import { miniature } from '../../models/miniature.js';

const maze = createWorldByName('maze');
const lake = createWorldByName('frozenlake');
const random = new Random(4);
const puzzles: Puzzle[] = [3, 4, 3].map(level => ({ world: maze, instance: maze.generate(random, level) }));

describe('slots: the cells that tokens stand for by their place', () => {
  it('follow the recap of a maze: size, start, target, then the cells row by row', () => {
    const { instance } = puzzles[0]!;
    const prompt = symbolicPrompt(maze, instance);
    const slots = symbolicPromptSlots(maze, instance)!;
    expect(prompt.slice(0, 3)).toEqual([TASK_MAZE, MODE_PLAN, sizeToken(3)]);
    expect(slots).toEqual([-1, -1, -1, -1, -1, 0, 1, 2, 8, 9, 10, 16, 17, 18]);
    // input t predicts token t: the first direction mask is token 3
    expect(responseSlots(maze, sizeToken(3), 14)).toEqual([-1, -1, -1, 0, 1, 2, 8, 9, 10, 16, 17, 18, -1, -1]);
    expect(responseSlots(maze, sizeToken(3), 14)).toBe(responseSlots(maze, sizeToken(3), 14)); // one object, sent once
    expect(responseSlots(maze, sizeToken(4), 14)).not.toEqual(responseSlots(maze, sizeToken(3), 14));
    expect(responseSlots(maze, cellIndexToken(0), 14)).toBeUndefined(); // it has not written a size
    expect(symbolicPromptSlots(lake, lake.generate(random, 3))).toBeUndefined();
  });

  it('are given to generation whatever is asked, as to training', async () => {
    const config = { ...miniature, promptPositions: 64, responsePositions: 64, coordinates: 3 };
    const model = new VisionLanguageModel(cpu, config).initialize(3);
    // a table that is not zero yet lets slots count
    cpu.write(model.parameters.get('decoder.coordinate.row'), new Float64Array(6 * config.width).fill(2));
    const prompts = puzzles.map(puzzle => promptOf(puzzle, 'symbolic', config, 'perceive'));
    const options = { maxTokens: 12, temperature: 1, seed: 1, stream: 0, step: 0 };
    const written = (extra: object) => cpu.scope(() => generate(model, prompts, { ...options, ...extra }));
    const expected = await written(generationSlots(puzzles, config));
    expect(await written({})).not.toEqual(expected);
    expect(await respond(model, puzzles, 'symbolic', { ...options, asked: 'perceive' })).toEqual(expected);
    model.dispose();
  });

  it.each([
    ['symbolic', 0],
    ['image', 0],
    ['symbolic', 3],
    ['image', 3],
  ] as const)('are the same in training and in generation (%s, %i coordinates)', async (mode, coordinates) => {
    const config = { ...miniature, promptPositions: 64, responsePositions: 64, coordinates };
    const model = new VisionLanguageModel(cpu, config).initialize(3);
    // the model must write sizes first, as a trained one does, for its later places to have meaning
    const bias = new Float64Array(config.vocabulary);
    bias[sizeToken(4)] = 3;
    bias[sizeToken(3)] = 3;
    cpu.write(model.parameters.get('decoder.head.bias'), bias);
    const images = mode === 'image' ? renderPuzzles(puzzles, config) : undefined;
    const shown = mode === 'image' ? puzzles.map(({ world }) => ({ world })) : puzzles;
    const slots = generationSlots(shown, config);
    const prompts = puzzles.map(puzzle => promptOf(puzzle, mode, config));
    const options = { maxTokens: 24, temperature: 0, seed: 0, stream: 0, step: 0 };
    const written = (extra: object) =>
      cpu.scope(() => generate(model, prompts, { ...options, ...extra }, images && patchTensor(model, images)));
    const responses = await written(slots);
    expect(responses.some(tokens => tokens[0] === sizeToken(4) || tokens[0] === sizeToken(3))).toBe(true);

    const examples = puzzles.map((puzzle, i) => relabelledExample(puzzle, responses[i]!));
    const packed = packExamples(examples, mode, model);
    expect(packed.slotRows).toBeDefined();
    const logits = await cpu.scope(() => model.forward(cpu.fromHost(packed)).read());
    const V = config.vocabulary;
    const argmax = (row: number) => {
      const values = Array.from(logits.subarray(row * V, (row + 1) * V), (x, id) =>
        id === 0 || id === 1 || id === 4 ? -Infinity : x,
      );
      return values.indexOf(Math.max(...values));
    };
    expect(responses.flat().map((_, row) => argmax(row))).toEqual(responses.flat());
    expect(patchCount(config)).toBeGreaterThan(0);
    expect(await written({})).not.toEqual(responses); // slots do change what is computed
  });
});

describe('coordinates', () => {
  const config = { ...miniature, promptPositions: 64, responsePositions: 64, coordinates: 2 };
  const features = coordinateFeatures(config);
  /** What the rows of a packed sequence say of their height on the board, as u in (0, 1); undefined for none. */
  const heights = (puzzle: Puzzle, input: 'symbolic' | 'image') => {
    const { slotRows } = packSequences([recapExample(puzzle)], input, config);
    // cos(pi u) is the first of 2 x 2 features; those of a place without a side are all zero
    return Array.from(slotRows!, place =>
      place < 0 || features[4 * place + 2] === 0 ? undefined : Math.acos(features[4 * place]!) / Math.PI,
    );
  };

  it('are those of the middle of a cell, or of a patch, from 0 at the top to 1 at the bottom', () => {
    const instance = lake.readRecap([sizeToken(5), cellIndexToken(0), cellIndexToken(36), cellIndexToken(10)]);
    // task, mode, size, start (0,0), goal (4,4), hole (1,2); the response has none
    const [task, mode, size, start, goal, hole, ...response] = heights({ world: lake, instance }, 'symbolic');
    expect([task, mode, size]).toEqual([undefined, undefined, undefined]);
    [0.1, 0.9, 0.3].forEach((u, i) => expect([start, goal, hole][i]).toBeCloseTo(u, 10));
    expect(response.every(u => u === undefined)).toBe(true);
    const seen = heights({ world: lake, instance }, 'image'); // 2 x 2 patches
    [0.25, 0.25, 0.75, 0.75].forEach((u, i) => expect(seen[2 + i]).toBeCloseTo(u, 10));
  });

  it('of cells that a maze describes by their place are the same in the prompt and in the response', () => {
    const prompt = heights(puzzles[0]!, 'symbolic');
    const expected = [0, 1, 2].flatMap(row => new Array<number>(3).fill((row + 0.5) / 3));
    expected.forEach((u, i) => {
      expect(prompt[5 + i]).toBeCloseTo(u, 10);
      expect(prompt[5 + 9 + 3 + i]).toBeCloseTo(u, 10); // BOS, size and start before it
    });
  });

  it('are no part of a model without them: cells of a prompt have no slots then', () => {
    const instance = lake.generate(random, 3);
    const batch = packSequences([recapExample({ world: lake, instance })], 'symbolic', { ...config, coordinates: 0 });
    expect(batch.slotRows).toBeUndefined();
  });
});
