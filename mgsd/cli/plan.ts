/** `mgsd-lite plan`: an image or a generated puzzle in, a plan out. */
import fs from 'node:fs';
import { loadModel } from '../../models/index.js';
import { judge, verdictText } from '../evaluation/evaluate.js';
import { actionNames, DOUBT, Planner } from '../evaluation/planner.js';
import type { SurePlan } from '../evaluation/planner.js';
import type { Puzzle } from '../method/puzzles.js';
import { encodeGif, planFrames } from '../pictures/animation.js';
import { boardPicture, boardText, enlarge, pathOf, readBoard, sideBySide } from '../pictures/draw.js';
import { decodePng, encodePng, MAX_PNG_BYTES, resizeSquare } from '../pictures/png.js';
import type { RgbImage } from '../pictures/png.js';
import type { RunConfig } from '../method/config.js';
import { readFile, writeFileAtomic } from '../runs/files.js';
import { pretrainedPath } from '../runs/package.js';
import { createWorldByName } from '../worlds/registry.js';
import type { World, WorldInstance } from '../worlds/world.js';
import { besideEachOther, boardLines } from './boards.js';
import { defineCommand } from './command.js';
import { withDevice } from './device.js';
import { checkInput, InputError, requireOtherFile } from './errors.js';
import { chooseModel } from './model-choice.js';
import { checkpointStageOption, deviceOptions, jsonOption, levelOf, option, puzzleOptions } from './options.js';
import { generatedPuzzle, renderedPuzzle } from './puzzle-choice.js';
import { percent } from './results.js';
import type { Terminal } from './terminal.js';

/** Side of a cell in pictures, in pixels, as nearly as whole multiples of the model's image allow. */
const cellPixels = 64;

export const planCommand = defineCommand({
  name: 'plan',
  summary: 'plan for an image, or for a puzzle that the model has never seen',
  description:
    'Shows a puzzle to a trained model and prints what it wrote down, its plan, and both drawn on a board. Without an image it\n' +
    'generates a held-out puzzle, and judges the plan by the rules.',
  argument: ['[image.png]', "a square picture of a puzzle; resized to the model's image size"],
  options: {
    checkpoint: option('--checkpoint <file>', "a checkpoint or a run's folder (default: the package's own model)"),
    stage: checkpointStageOption,
    ...puzzleOptions,
    level: option(
      '--level <size>',
      'board size of the generated puzzle; default: one that the model was trained on',
      levelOf,
    ),
    png: option('--png <file>', 'draw the image, and the plan on the board that the model wrote down'),
    animate: option('--animate <file>', 'a moving picture (GIF) of the plan being carried out'),
    json: jsonOption,
    ...deviceOptions,
  },
  examples: [
    ['plan', 'a held-out puzzle with the model that comes with the package'],
    ['plan --world maze --seed 7 --png plan.png', 'of another world, drawn as a picture'],
    ['plan --seed 3 --animate plan.gif', 'its plan, step by step, for a browser or a slide'],
    ['plan puzzle.png --checkpoint runs/mine --json', 'an image of your own, for a program'],
  ],
  async run(flags, { terminal }, file: string | undefined) {
    const { png, animate, checkpoint = pretrainedPath() } = flags;
    if (animate !== undefined && !/\.gif$/i.test(animate))
      throw new InputError(
        `--animate writes a GIF, which took the place of APNG: name the file ${animate.replace(/\.\w+$/, '')}.gif`,
      );
    if (flags.checkpoint === undefined && !fs.existsSync(checkpoint))
      throw new InputError(
        'this package has no trained model in it: train one (mgsd-lite train) and name it with --checkpoint',
      );
    const model = chooseModel(checkpoint, flags.stage, terminal.err);
    requireOtherFile([png, animate], file, model.path);
    const { imageSize } = model.checkpoint.config;
    const world: World = createWorldByName(flags.world);
    const level = flags.level ?? trainedLevel(model.config, flags.world);
    const task = file === undefined ? generatedTask({ ...flags, level }, imageSize) : readTask(file, imageSize);
    return await withDevice(flags, async (device, description) => {
      const planner = new Planner(model.checkpoint, await loadModel(device, model.checkpoint, { trainable: false }));
      const plan = await planner.plan(task.image, { world: flags.world });
      const board = readBoard(world, plan.recap);
      const answer: Answer = { ...task, world, plan, ...board };
      if (png !== undefined) writeFileAtomic(png, encodePng(picture(answer)));
      if (animate !== undefined) await writeAnimation(animate, answer);
      const drawn = [png, animate].flatMap(name => (name === undefined ? [] : [`drawn in ${name}`]));
      return {
        data: { checkpoint: model.path, device: description, ...resultOf(answer) },
        lines: () => [...linesOf(answer, terminal), ...drawn],
      };
    });
  },
});

/** What the model is shown, and the puzzle behind it if that is known. */
interface Task {
  readonly image: RgbImage;
  readonly puzzle?: Puzzle;
  readonly title: string;
}

/** What the model made of it. */
interface Answer extends Task {
  readonly world: World;
  readonly plan: SurePlan;
  /** The board that the model wrote down, or else what is wrong with it. */
  readonly instance?: WorldInstance;
  readonly problem?: string;
}

function readTask(file: string, imageSize: number): Task {
  const bytes = checkInput(() => readFile(file, MAX_PNG_BYTES));
  const image = checkInput(() => decodePng(bytes), file);
  const { width, height } = image;
  if (width !== height)
    throw new InputError(
      `${file} has ${width} x ${height} pixels, this model sees squares of ${imageSize}: cut out the board alone, or draw one with data show --png`,
    );
  if (width === imageSize) return { image, title: file };
  const title = `${file}, resized from ${width} to the ${imageSize} pixels a side that this model sees`;
  return { image: resizeSquare(image, imageSize), title };
}

/** Board size of the puzzle that is drawn: one of those that the model was trained on, if possible 4. */
function trainedLevel({ tasks }: RunConfig, world: string): number {
  const levels = tasks.flatMap(task => (task.world === world ? task.levels : []));
  return levels.includes(4) ? 4 : (levels.at(-1) ?? 4);
}

function generatedTask(flags: Parameters<typeof generatedPuzzle>[0], imageSize: number): Task {
  const puzzle = generatedPuzzle(flags, 'test');
  const { level, seed } = flags;
  const title = `${puzzle.world.title} ${level}x${level}, held-out puzzle ${seed}`;
  return { image: renderedPuzzle(puzzle, imageSize), puzzle, title };
}

function linesOf(answer: Answer, terminal: Terminal): string[] {
  const { world, puzzle, title, plan, instance, problem } = answer;
  const boards: string[][] = [];
  if (puzzle) boards.push(['the puzzle', ...boardLines(terminal, world, puzzle.instance)]);
  if (instance)
    boards.push(['as the model wrote it down, with its plan', ...boardLines(terminal, world, instance, plan.actions)]);
  const { recapText: recap } = plan;
  const shown = recap.length > 200 ? `${recap.slice(0, 200)} ...` : recap; // it may never end
  const exact = puzzle && (judge(puzzle, plan.tokens).recapExact ? ' (right)' : ' (not what is there)');
  return [
    terminal.colours.bold(title),
    ...['', ...besideEachOther(boards), ...(boards.length > 0 ? [''] : [])],
    ...(problem === undefined ? [] : [`what it wrote down is no board: ${problem}`]),
    `wrote down  ${shown}${exact ?? ''}`,
    `plan        ${plan.answer || 'none'}${plan.complete ? '' : ' (it did not come to an end)'}`,
    `sure        ${percent(plan.sureness)} % of the least sure token of what it wrote down`,
    `verdict     ${verdict(answer)}`,
    ...(plan.sureness < DOUBT
      ? [
          'Take this with doubt: it was not sure what it sees. The picture may look unlike those that it was trained on.',
        ]
      : []),
  ];
}

function verdict({ world, puzzle, plan, instance }: Answer): string {
  const known = puzzle ?? (instance && { world, instance });
  if (!known) return 'unknown: the plan cannot be checked without a board';
  const unsure = plan.sureness < DOUBT ? ', which may not be that of the picture,' : '';
  return verdictText(known, plan, puzzle ? '' : ` on the board that it wrote down${unsure}`);
}

function resultOf({ world, puzzle, title, plan, instance, problem }: Answer): object {
  const { actions, ...rest } = plan;
  const board = (of: WorldInstance | undefined) => (of ? boardText(world, of) : null);
  const judged = (of: WorldInstance | undefined) => {
    if (!of) return null;
    const { success, optimal, reason, recapExact } = judge({ world, instance: of }, plan.tokens);
    return { success, optimal, reason, recapExact, shortestLength: world.shortestLength(of) };
  };
  return {
    input: title,
    world: world.name,
    ...rest,
    actions: actionNames(actions),
    inDoubt: plan.sureness < DOUBT,
    board: board(instance),
    problem: problem ?? null,
    // by the rules where the puzzle is known, and by the model's own board
    verdict: judged(puzzle?.instance),
    ownVerdict: judged(instance),
    puzzle: puzzle ? { key: world.instanceKey(puzzle.instance), board: board(puzzle.instance) } : null,
  };
}

/** The image as the model saw it, and beside it the board that it wrote down with its plan. */
function picture({ world, image, plan, instance }: Answer): RgbImage {
  const factor = Math.max(1, Math.round((cellPixels * (instance?.size ?? 4)) / image.width));
  const seen = enlarge(image, factor);
  if (!instance) return seen;
  const path = pathOf(world, instance, plan.actions);
  return sideBySide([seen, boardPicture(world, instance, path, seen.width)], cellPixels / 4);
}

/** The plan on the real board where that is known, else on the one that the model wrote down. */
async function writeAnimation(file: string, { world, puzzle, plan, instance }: Answer): Promise<void> {
  const board = puzzle?.instance ?? instance;
  if (!board) throw new Error(`no plan can be shown in ${file}: what the model wrote down is no board`);
  writeFileAtomic(file, await encodeGif(planFrames(world, board, plan.actions, cellPixels * board.size)));
}
