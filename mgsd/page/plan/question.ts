/** What the student is asked: a board, and how it is shown; and how its plan is judged. */
import type { ModelConfig } from '../../../models/index.js';
import { imagesFor, verdictText } from '../../evaluation/evaluate.js';
import type { EvaluationInput } from '../../evaluation/evaluate.js';
import type { SurePlan } from '../../evaluation/planner.js';
import type { Puzzle } from '../../method/puzzles.js';
import { readBoard } from '../../pictures/draw.js';
import { decodePng, MAX_PNG_BYTES, resizeSquare } from '../../pictures/png.js';
import type { RgbImage } from '../../pictures/png.js';
import type { WorldName } from '../../worlds/registry.js';
import type { World, WorldInstance } from '../../worlds/world.js';
import { checkedBoard } from './brushes.js';
import type { Shown } from './calls.js';

export type Look = 'training' | 'held-out';
/** In what form the board is shown, or that a picture of a file is shown instead. */
export type Input = EvaluationInput | 'file';

/** What is chosen on the panel. */
export interface Chosen {
  readonly name: WorldName;
  readonly world: World;
  /** As it was drawn or painted. */
  readonly board: WorldInstance;
  /** Whose picture is shown for `shuffled`. */
  readonly other: Puzzle;
  readonly look: Look;
  readonly input: Input;
  /** The picture of a file, of the size that the model sees. */
  readonly file: RgbImage | undefined;
}

export interface Question extends Chosen {
  /** Why the board is no puzzle; undefined if it is one. */
  readonly problem: string | undefined;
  /** What the student gets to see, (imageSize, imageSize, 3); undefined if it gets symbols. */
  readonly picture: Uint8Array | undefined;
  readonly shown: Shown;
}

export function questionOf(chosen: Chosen, config: ModelConfig): Question {
  const { name, world, other, look: style, file } = chosen;
  const checked = checkedBoard(world, chosen.board);
  const board = 'instance' in checked ? checked.instance : chosen.board;
  const input = chosen.input === 'file' && !file ? 'image' : chosen.input;
  const ofBoard = (as: EvaluationInput) =>
    imagesFor([{ world, instance: board }, other], 1, config, { input: as, style });
  const image = input === 'file' ? file!.data : ofBoard(input)?.[0];
  return {
    ...chosen,
    board,
    input,
    problem: 'problem' in checked ? checked.problem : undefined,
    picture: image,
    shown: image ? { world: name, image } : { world: name, instance: board },
  };
}

/** The picture of a PNG file at the size that the model sees. @throws Error in one line if it is none, or no square */
export async function readPicture(file: File, imageSize: number): Promise<RgbImage> {
  if (file.size > MAX_PNG_BYTES) throw new Error(`${file.name} is too large for a picture of a board.`);
  const image = decodePng(new Uint8Array(await file.arrayBuffer()));
  const { width, height } = image;
  if (width !== height)
    throw new Error(
      `${file.name} has ${width} × ${height} pixels, this model sees squares of ${imageSize}: cut out the board alone.`,
    );
  return resizeSquare(image, imageSize);
}

/** What a plan is worth, by the puzzle, or for a picture of a file by the board that the student wrote down. */
export interface Outcome {
  readonly sentence: string;
  /** The board that the student wrote down, if it is one. */
  readonly written: WorldInstance | undefined;
}

export function outcomeOf({ world, board, input }: Question, plan: SurePlan): Outcome {
  const read = readBoard(world, plan.recap);
  const written = 'instance' in read ? read.instance : undefined;
  if (input !== 'file') return { sentence: `The plan ${verdictText({ world, instance: board }, plan)}.`, written };
  if ('problem' in read)
    return { sentence: `The plan cannot be checked, since what it wrote down is no board: ${read.problem}.`, written };
  const sentence = `The plan ${verdictText({ world, instance: read.instance }, plan, ' on the board that it wrote down')}.`;
  return { sentence, written };
}
