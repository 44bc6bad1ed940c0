import fs from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  createWorldByName,
  decodePng,
  encodePng,
  heldOutGroups,
  loadPlanner,
  Random,
  resolveConfig,
} from '../../../mgsd/index.js';
import type { WorldName } from '../../../mgsd/index.js';
import { tokenGuesses } from '../../../mgsd/evaluation/guesses.js';
import { DOUBT } from '../../../mgsd/evaluation/planner.js';
import { resizeSquare } from '../../../mgsd/pictures/png.js';
import { cpu } from '../../core/devices.js';
import { independentLogits } from '../../models/independent.js';
import { miniature } from '../../models/miniature.js';
import { untrainedCheckpoint } from '../capture.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();
let checkpoint: Uint8Array;
beforeAll(async () => {
  checkpoint = await untrainedCheckpoint();
});

const world = createWorldByName('frozenlake');
const instance = world.generate(new Random(3), 3);
const picture = { width: 8, height: 8, data: world.render(instance, 8) };

describe('the planner as a library', () => {
  it('loads a checkpoint and plans for an image in a few lines', async () => {
    fs.writeFileSync(temporary.file('puzzle.png'), encodePng(picture));
    fs.writeFileSync(temporary.file('model.safetensors'), checkpoint);

    const planner = await loadPlanner(temporary.file('model.safetensors'), { device: 'wasm', threads: 1 });
    const image = decodePng(fs.readFileSync(temporary.file('puzzle.png')));
    const plan = await planner.plan(image);
    await planner.close();

    expect(planner.imageSize).toBe(miniature.imageSize);
    expect(planner.metadata['stage']).toBe('stage2');
    expect(plan.tokens.length).toBeGreaterThan(0);
    expect(plan.tokens.length).toBeLessThanOrEqual(miniature.responsePositions);
    expect(plan.answer).toBe(world.formatAnswer(plan.actions));
  });

  it('solves most boards it has never seen with the model that comes with the package', async () => {
    const planner = await loadPlanner(undefined, { device: 'wasm', threads: 1 });
    const held = heldOutGroups(resolveConfig('worlds', { evaluation: { puzzles: 5 } }));
    let solved = 0;
    const sureness = { training: [] as number[], random: [] as number[] };
    for (const { world: rules, instance: board } of held.flatMap(({ puzzles }) => puzzles)) {
      const asked = { world: rules.name as WorldName };
      const { actions, sureness: sure } = await planner.plan(rules.render(board, planner.imageSize), asked);
      const other = await planner.plan(rules.render(board, planner.imageSize, 'random'), asked);
      sureness.training.push(sure);
      sureness.random.push(other.sureness);
      if (rules.judge(board, actions).success) solved++;
    }
    await planner.close();
    const inDoubt = (all: readonly number[]) => all.filter(sure => sure < DOUBT).length;
    expect(inDoubt(sureness.training)).toBeLessThanOrEqual(8); // 10 % of 180 when it was measured
    expect(inDoubt(sureness.random)).toBeGreaterThanOrEqual(15); // 62 %
    expect(solved).toBeGreaterThanOrEqual(25); // of 30; 97 % of 1200 when it was trained
  });

  it('says at each token of a response how likely it was, and what else was; and tells of it as it is written', async () => {
    const planner = await loadPlanner(undefined, { device: 'wasm', threads: 1 });
    const data = world.render(instance, planner.imageSize);
    const { tokens, recap, sureness } = await planner.plan(data);
    const ofImage = await tokenGuesses(planner, { world, image: data }, tokens);
    expect(ofImage.map(({ token }) => token)).toEqual(tokens);
    expect(Math.min(...ofImage.slice(0, recap.length + 1).map(({ probability }) => probability))).toBeCloseTo(
      sureness,
      5,
    );
    const told: (readonly number[])[] = [];
    const onToken = (sofar: readonly number[]) => void told.push(sofar);
    expect((await planner.plan(data, { onToken })).tokens).toEqual(tokens);
    expect(told).toEqual(tokens.map((_, t) => tokens.slice(0, t + 1)));
    for (const { token, probability, others } of ofImage) {
      const shares = [probability, ...others.map(([, share]) => share)]; // it was written greedily: the likeliest first
      expect(shares).toEqual(shares.toSorted((a, b) => b - a));
      expect(new Set([token, ...others.map(([other]) => other)]).size).toBe(5);
    }
    expect(await tokenGuesses(planner, { world, image: data }, [])).toEqual([]);
    await planner.close();
  });

  it('works on an open device and from bytes, and frees what it took', async () => {
    const before = cpu.memory().liveBytes;
    const planner = await loadPlanner(checkpoint, { device: cpu });
    const [first, second] = [await planner.plan(picture), await planner.plan(picture.data)];
    expect(second).toEqual(first);
    await planner.planFromSymbols({ world: createWorldByName('frozenlake' as string), instance });
    await planner.close(); // the device is still ours
    expect(cpu.memory().liveBytes).toBe(before);
    expect(await cpu.tensor([1]).item()).toBe(1);
  });

  it('takes square pictures of any size', async () => {
    const planner = await loadPlanner(checkpoint, { device: cpu });
    const large = { width: 24, height: 24, data: world.render(instance, 24) };
    expect(await planner.plan(large)).toEqual(await planner.plan(resizeSquare(large, 8)));
    await planner.close();
  });

  it('plans as a program written from models/README.md does', async () => {
    for (const [name, task] of [
      ['frozenlake', 16],
      ['maze', 17],
      ['minibehaviour', 18],
    ] as const) {
      const planner = await loadPlanner(checkpoint, { device: cpu });
      const { tokens } = await planner.plan(picture.data, { world: name });
      await planner.close();
      const written: number[] = [];
      while (written.length < Math.min(tokens.length, 16) && written.at(-1) !== 2) {
        const side = written.length > 0 && written[0]! >= 21 && written[0]! <= 27 ? written[0]! - 19 : 0;
        const responseSlots = [1, ...written].map((_, t) => {
          const k = t - 3;
          return name === 'maze' && k >= 0 && k < side ** 2 ? 8 * Math.floor(k / side) + (k % side) : -1;
        });
        const prompt = [task, 20, 4, 4, 4, 4];
        const logits = independentLogits(checkpoint, [
          { prompt, response: [1, ...written], image: picture.data, responseSlots },
        ]).at(-1)!;
        for (const id of [0, 1, 4]) logits[id] = -Infinity;
        written.push(logits.indexOf(Math.max(...logits)));
      }
      expect(written).toEqual(tokens.slice(0, written.length));
    }
  });

  it('says what is wrong with an image or a file', async () => {
    const planner = await loadPlanner(checkpoint, { device: cpu });
    const image = { width: 9, height: 8, data: new Uint8Array(216) };
    await expect(planner.plan(image)).rejects.toThrow('9 x 8 pixels; this model sees 8 x 8');
    await expect(planner.plan(new Uint8Array(5))).rejects.toThrow('5 bytes');
    await planner.close();
    await expect(loadPlanner(temporary.file('none'))).rejects.toThrow('no such file');
    await expect(loadPlanner(checkpoint.subarray(0, 99))).rejects.toThrow();
  });
});
