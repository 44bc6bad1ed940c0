/**
 * Samples as files, in the layout that the method's authors store and read: ROOT/FrozenLake/levelN/text/ID.txt with
 * `key=value` lines and a block that draws the map, and ROOT/FrozenLake/levelN/image/ID.png beside it.
 */
import fs from 'node:fs';
import path from 'node:path';
import { cellOf } from '../../models/vocabulary.js';
import { errorCode, FileError, writeFileAtomic } from '../files.js';
import { encodePng } from '../png.js';
import type { Puzzle } from '../puzzles.js';
import type { SplitName } from '../split.js';
import type { FrozenLakeOptions } from '../worlds/frozenlake/options.js';
import type { FrozenLakeInstance } from '../worlds/frozenlake/rules.js';
import { mapRows } from '../worlds/frozenlake/text.js';
import { colOf, DOWN, LEFT, RIGHT, rowOf, UP } from '../worlds/grid.js';
import type { Action } from '../worlds/grid.js';

export interface SampleOrigin {
  readonly split: SplitName;
  readonly index: number;
  readonly seed: number;
  /** Chance that a cell is frozen, or the range that it is drawn from. */
  readonly frozenProbability: FrozenLakeOptions['frozenProbability'];
}

const words: Readonly<Record<Action, string>> = { [LEFT]: 'left', [DOWN]: 'down', [RIGHT]: 'right', [UP]: 'up', 4: 'pick', 5: 'drop' }; // prettier-ignore

/** The text file of a FrozenLake puzzle; JSON values stand on one line. */
export function sampleText(
  { world, instance }: Puzzle,
  { split, index, seed, frozenProbability }: SampleOrigin,
): string {
  const { size, start, goal } = instance as FrozenLakeInstance;
  const plan = world.referencePlan(instance);
  const place = (cell: number) => [rowOf(cell), colOf(cell)];
  const cells = world.judge(instance, plan).path.map(state => place(cellOf(world.cellAfter(instance, state))));
  const fields: readonly (readonly [string, string | number])[] = [
    ['task', world.name],
    ['split', split],
    ['level', size],
    ['index', index],
    ['seed', seed],
    ['path_length', plan.length],
    ['solution_actions', JSON.stringify(plan.map(action => words[action]))],
    ['trajectory_states', JSON.stringify(cells)],
    ['frozen_probability', JSON.stringify(frozenProbability)],
    ['is_slippery', 'false'],
    ['start_row', rowOf(start)],
    ['start_col', colOf(start)],
    ['goal_row', rowOf(goal)],
    ['goal_col', colOf(goal)],
  ];
  const lines = fields.map(([key, value]) => `${key}=${value}`);
  return [...lines, 'map:', ...mapRows(instance as FrozenLakeInstance), ''].join('\n');
}

export interface Sample {
  readonly puzzle: Puzzle;
  readonly origin: SampleOrigin;
}

/**
 * Writes samples into a folder that must be new or empty. They are made beside it and moved there as a whole, so that a
 * run that is stopped leaves no half of a data set.
 * @param pixels side of the images
 */
export function writeSamples(folder: string, samples: readonly Sample[], pixels: number): void {
  requireEmpty(folder);
  const target = path.resolve(folder);
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    for (const { puzzle, origin } of samples) {
      const { world, instance } = puzzle;
      const level = path.join(temporary, world.title, `level${instance.size}`);
      const id = `${world.name}_${origin.split}_${instance.size}_${String(origin.index).padStart(6, '0')}`;
      for (const kind of ['text', 'image']) fs.mkdirSync(path.join(level, kind), { recursive: true });
      fs.writeFileSync(path.join(level, 'text', `${id}.txt`), sampleText(puzzle, origin));
      const data = world.render(instance, pixels);
      fs.writeFileSync(path.join(level, 'image', `${id}.png`), encodePng({ width: pixels, height: pixels, data }));
    }
    if (fs.existsSync(target)) fs.rmdirSync(target); // empty, as was checked
    fs.renameSync(temporary, target);
  } finally {
    fs.rmSync(temporary, { recursive: true, force: true });
  }
}

/** @throws FileError if there is anything at this path but an empty folder */
export function requireEmpty(folder: string): void {
  try {
    const [first] = fs.readdirSync(folder);
    if (first !== undefined)
      throw new FileError(`${folder} is not empty (it has ${first}): choose another folder; nothing was overwritten`);
  } catch (error) {
    if (error instanceof FileError) throw error;
    if (errorCode(error) === 'ENOENT') return;
    throw new FileError(`${folder} cannot be used: ${errorCode(error) === 'ENOTDIR' ? 'it is a file' : String(error)}`);
  }
}

/** A picture of a puzzle as a file. */
export function writePicture(file: string, { world, instance }: Puzzle, pixels: number): void {
  writeFileAtomic(file, encodePng({ width: pixels, height: pixels, data: world.render(instance, pixels) }));
}
