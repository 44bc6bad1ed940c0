/** `mgsd-lite plan`: one image or one generated puzzle in, a plan out. */
import fs from 'node:fs';
import type { Command } from 'commander';
import { Random } from '../../core/index.js';
import { loadModel } from '../../models/index.js';
import { encodeGif, planFrames } from '../pictures/animation.js';
import { boardPicture, boardText, enlarge, pathOf, readBoard, sideBySide } from '../pictures/draw.js';
import type { BoardColours } from '../pictures/draw.js';
import { judge } from '../evaluation/evaluate.js';
import { readFile, writeFileAtomic } from '../runs/files.js';
import { actionNames, Planner } from '../evaluation/planner.js';
import type { Plan } from '../evaluation/planner.js';
import { decodePng, encodePng, MAX_PNG_BYTES, resizeSquare } from '../pictures/png.js';
import type { RgbImage } from '../pictures/png.js';
import { streams } from '../method/puzzles.js';
import type { Puzzle } from '../method/puzzles.js';
import { instancePool } from '../method/split.js';
import type { StageName } from '../method/stages/stage.js';
import { stageNames } from '../runs/order.js';
import { createWorldByName, WORLD_NAMES } from '../worlds/registry.js';
import type { WorldName } from '../worlds/registry.js';
import type { World, WorldInstance } from '../worlds/world.js';
import { checkInput, InputError } from './errors.js';
import { chooseModel } from './model-choice.js';
import { addDeviceOptions, addExamples, levelOf, oneOf, seedOf, withDevice } from './options.js';
import type { CommandContext, DeviceFlags } from './options.js';
import { pretrainedPath } from '../runs/package.js';
import type { Terminal } from './terminal.js';

interface PlanFlags extends DeviceFlags {
  readonly checkpoint?: string;
  readonly stage?: StageName;
  readonly world: WorldName;
  readonly level: number;
  readonly seed: number;
  readonly png?: string;
  readonly animate?: string;
  readonly json?: boolean;
}

/** Size of a cell in pictures, in pixels, as near as whole multiples of the model's image come to it. */
const cellPixels = 64;

export function addPlanCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('plan')
    .summary('plan for an image, or for a puzzle that the model has never seen')
    .description(
      'Shows a puzzle to a trained model and prints what it wrote down, its plan, and both drawn on a board. Without an image a\n' +
        'held-out puzzle is generated, and the plan is judged by the rules.',
    )
    .argument('[image.png]', "a picture of a puzzle: a square; resized to the model's image size")
    .option(
      '--checkpoint <file>',
      'a checkpoint or the folder of a run (default: the model that comes with the package)',
    )
    .option('--stage <name>', `of a run: take this stage's checkpoint (${stageNames.join(', ')})`, oneOf(stageNames))
    .option(
      '--world <name>',
      `which rules the puzzle follows: ${WORLD_NAMES.join(', ')}`,
      oneOf(WORLD_NAMES),
      'frozenlake',
    )
    .option('--level <size>', 'board size of the generated puzzle', levelOf, 4)
    .option('--seed <n>', 'another puzzle for every number', seedOf, 1)
    .option('--png <file>', 'draw the image, and the plan on the board that the model wrote down')
    .option('--animate <file>', 'a moving picture (GIF) of the plan being carried out')
    .option('--json', 'the result as JSON on standard output');
  addDeviceOptions(command).action((image: string | undefined, flags: PlanFlags) => runPlan(image, flags, context));
  addExamples(command, [
    ['plan', 'a held-out puzzle with the model that comes with the package'],
    ['plan --level 5 --seed 7 --png plan.png', 'another one, drawn as a picture'],
    ['plan --seed 3 --animate plan.gif', 'its plan, step by step, for a browser or a slide'],
    ['plan puzzle.png --checkpoint runs/mine --json', 'an image of your own, for a program'],
  ]);
}

/** What the model is asked, and the truth if it is known. */
interface Task {
  readonly image: RgbImage;
  readonly puzzle: Puzzle | undefined;
  readonly title: string;
}

async function runPlan(file: string | undefined, flags: PlanFlags, { terminal }: CommandContext): Promise<void> {
  const { animate: movie } = flags;
  if (movie !== undefined && !/\.gif$/i.test(movie))
    throw new InputError(
      `--animate writes a GIF, which took the place of APNG: name the file ${movie.replace(/\.\w+$/, '')}.gif`,
    );
  const checkpoint = flags.checkpoint ?? pretrainedPath();
  if (flags.checkpoint === undefined && !fs.existsSync(checkpoint))
    throw new InputError(
      'this package has no trained model in it: train one (mgsd-lite train) and name it with --checkpoint',
    );
  const model = chooseModel(checkpoint, flags.stage, note => terminal.err(note));
  const { imageSize } = model.checkpoint.config;
  const world: World = createWorldByName(flags.world);
  const task =
    file === undefined ? generated(world, flags, imageSize) : { ...loaded(file, imageSize), puzzle: undefined };
  await withDevice(
    flags,
    () => {},
    async (device, description) => {
      const planner = new Planner(model.checkpoint, await loadModel(device, model.checkpoint, { trainable: false }));
      const plan = await planner.plan(task.image, { world: flags.world });
      const board = readBoard(world, plan.recap);
      if (flags.png !== undefined) writeFileAtomic(flags.png, encodePng(picture(world, task.image, plan, board)));
      if (flags.animate !== undefined) await animate(flags.animate, world, task, plan, board);
      if (flags.json)
        terminal.out(
          JSON.stringify(
            { checkpoint: model.path, device: description, ...resultOf(world, task, plan, board) },
            null,
            2,
          ),
        );
      else show(terminal, world, task, plan, board);
      for (const file of [flags.png, flags.animate])
        if (file !== undefined && !flags.json) terminal.out(`drawn in ${file}`);
    },
  );
}

function loaded(file: string, imageSize: number): Omit<Task, 'puzzle'> {
  const bytes = checkInput(() => readFile(file, MAX_PNG_BYTES));
  const image = checkInput(() => decodePng(bytes), file);
  if (image.width !== image.height)
    throw new InputError(
      `${file} has ${image.width} x ${image.height} pixels, this model sees squares of ${imageSize}: cut out the board alone, or draw one with data show --png`,
    );
  if (image.width === imageSize) return { image, title: file };
  return {
    image: resizeSquare(image, imageSize),
    title: `${file}, resized from ${image.width} to the ${imageSize} pixels a side that this model sees`,
  };
}

function generated(world: World, { level, seed }: PlanFlags, imageSize: number): Task {
  const random = new Random(seed, streams.test, level);
  const [instance] = checkInput(() => instancePool(world, level, random, { split: 'test', count: 1 }));
  const image = { width: imageSize, height: imageSize, data: world.render(instance!, imageSize) };
  return {
    image,
    puzzle: { world, instance: instance! },
    title: `${world.title} ${level}x${level}, held-out puzzle ${seed}`,
  };
}

type Board = ReturnType<typeof readBoard>;

function show(terminal: Terminal, world: World, { puzzle, title }: Task, plan: Plan, board: Board): void {
  const { bold, isColorSupported } = terminal.colours;
  const colours = isColorSupported ? boardColours(terminal) : undefined;
  terminal.out(bold(title));
  const columns: Column[] = [];
  if (puzzle) columns.push({ title: 'the puzzle', ...text(world, puzzle.instance) });
  if ('instance' in board)
    columns.push({ title: 'as the model wrote it down, with its plan', ...text(world, board.instance, plan) });
  terminal.out(columns.length > 0 ? `\n${besideEachOther(columns)}\n` : '');
  if ('problem' in board) terminal.out(`what it wrote down is no board: ${board.problem}`);
  const exact = puzzle && judge(puzzle, plan.tokens).recapExact;
  const remark = puzzle ? ` (${exact ? 'right' : 'not what is there'})` : '';
  terminal.out(`wrote down  ${shorten(plan.recapText)}${remark}`);
  terminal.out(
    `plan        ${plan.answer === '' ? 'none' : plan.answer}${plan.complete ? '' : ' (it did not come to an end)'}`,
  );
  terminal.out(`verdict     ${verdict(world, puzzle, plan, board)}`);

  function text(of: World, instance: WorldInstance, planned?: Plan): Pick<Column, 'lines' | 'width'> {
    const path = planned ? pathOf(of, instance, planned.actions) : [];
    return { lines: boardText(of, instance, path, colours), width: boardText(of, instance)[0]!.length };
  }
}

/** A recap that never ends is shown by its beginning. */
function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)} ...` : text;
}

/** One plain sentence about the plan: by the rules, or by what the model itself wrote down. */
function verdict(world: World, puzzle: Puzzle | undefined, plan: Plan, board: Board): string {
  const instance = puzzle?.instance ?? ('instance' in board ? board.instance : undefined);
  if (!instance) return 'unknown: the plan cannot be checked without a board';
  const { success, optimal, reason } = judge({ world, instance }, plan.tokens);
  const by = puzzle ? '' : ' on the board that it wrote down';
  const shortest = world.shortestLength(instance);
  if (!success) return `fails${by} (${reason}); the shortest plan has ${shortest} moves`;
  return `reaches the goal${by} in ${plan.actions.length} moves${optimal ? ', as few as possible' : `; ${shortest} would do`}`;
}

function resultOf(world: World, { puzzle, title }: Task, plan: Plan, board: Board): object {
  const { actions, ...rest } = plan;
  const judged = (instance: WorldInstance) => {
    const { success, optimal, reason, recapExact } = judge({ world, instance }, plan.tokens);
    return { success, optimal, reason, recapExact, shortestLength: world.shortestLength(instance) };
  };
  return {
    input: title,
    world: world.name,
    ...rest,
    actions: actionNames(actions),
    board: 'instance' in board ? boardText(world, board.instance) : null,
    problem: 'problem' in board ? board.problem : null,
    // The rules' verdict where the puzzle is known, else what follows from the model's own board.
    verdict: puzzle ? judged(puzzle.instance) : null,
    ownVerdict: 'instance' in board ? judged(board.instance) : null,
    puzzle: puzzle ? { key: world.instanceKey(puzzle.instance), board: boardText(world, puzzle.instance) } : null,
  };
}

/** The image as the model saw it, and beside it the board that it wrote down with its plan. */
function picture(world: World, image: RgbImage, plan: Plan, board: Board): RgbImage {
  const size = 'instance' in board ? board.instance.size : 4;
  const factor = Math.max(1, Math.round((cellPixels * size) / image.width));
  const seen = enlarge(image, factor);
  if (!('instance' in board)) return seen;
  const path = pathOf(world, board.instance, plan.actions);
  return sideBySide([seen, boardPicture(world, board.instance, path, seen.width)], cellPixels / 4);
}

/** The plan on the real board where that is known, else on the one that the model wrote down. */
async function animate(file: string, world: World, { puzzle }: Task, { actions }: Plan, board: Board): Promise<void> {
  const instance = puzzle?.instance ?? ('instance' in board ? board.instance : undefined);
  if (!instance) throw new Error(`no plan can be shown in ${file}: what the model wrote down is no board`);
  writeFileAtomic(file, await encodeGif(planFrames(world, instance, actions, cellPixels * instance.size)));
}

export function boardColours({ colours }: Terminal): BoardColours {
  const { green, yellow, blue, dim, bold, red, magenta } = colours;
  return {
    start: text => bold(green(text)),
    goal: text => bold(yellow(text)),
    obstacle: blue,
    floor: dim,
    path: text => bold(magenta(text)),
    fatal: text => bold(red(text)),
  };
}

interface Column {
  readonly title: string;
  readonly lines: readonly string[];
  /** Visible characters of each line. */
  readonly width: number;
}

/** Columns of text with their titles, four blanks apart. */
export function besideEachOther(columns: readonly Column[]): string {
  const height = Math.max(0, ...columns.map(({ lines }) => lines.length));
  const row = (cells: readonly (readonly [text: string, width: number])[]) =>
    cells
      .map(([text, width], k) => text + ' '.repeat(Math.max(0, Math.max(width, columns[k]!.title.length) - width)))
      .join('    ')
      .trimEnd();
  return [
    row(columns.map(({ title }) => [title, title.length])),
    ...Array.from({ length: height }, (_, r) =>
      row(columns.map(({ lines, width }) => (lines[r] === undefined ? ['', 0] : [lines[r], width]))),
    ),
  ].join('\n');
}
