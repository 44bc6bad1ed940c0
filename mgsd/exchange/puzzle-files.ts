/**
 * A folder of stored puzzles, in the layout that the method's authors write and read:
 *
 *     ROOT/FrozenLake|Maze|MiniBehaviour/levelN/text/ID.txt      key=value lines, then the board (puzzle-text.ts)
 *     ROOT/FrozenLake|Maze|MiniBehaviour/levelN/image/ID.png     its picture
 */
import fs from 'node:fs';
import path from 'node:path';
import { FileError } from '../runs/file-error.js';
import {
  behindLinks,
  errorCode,
  explain,
  makeFolders,
  readFile,
  temporaryBeside,
  writeNewFile,
} from '../runs/files.js';
import { decodePng, encodePng, MAX_PNG_BYTES, resizeSquare } from '../pictures/png.js';
import type { RgbImage } from '../pictures/png.js';
import type { Puzzle } from '../method/puzzles.js';
import { createWorldByName, WORLD_NAMES } from '../worlds/registry.js';
import type { RenderStyle, World } from '../worlds/world.js';
import { NAMED_LOOKS } from './formats.js';
import type { Look } from './formats.js';
import { parsePuzzleText, puzzleText, readPuzzle } from './puzzle-text.js';
import type { PuzzleOrigin, ReadPuzzle } from './puzzle-text.js';

/**
 * Writes text and image of a puzzle below `root`.
 * @param pixels side of the image
 * @returns path of the text, relative to `root`
 */
export function writePuzzle(
  root: string,
  { world, instance }: Puzzle,
  origin: PuzzleOrigin,
  pixels: number,
  style: RenderStyle = 'training',
): string {
  const level = path.join(world.title, `level${instance.size}`);
  const id = `${world.name}_${origin.split}_${instance.size}_${String(origin.index).padStart(6, '0')}`;
  const data = world.render(instance, pixels, style);
  const file = path.join(level, 'text', `${id}.txt`);
  writeNewFile(path.join(root, file), puzzleText(world, instance, origin));
  writeNewFile(path.join(root, level, 'image', `${id}.png`), encodePng({ width: pixels, height: pixels, data }));
  return file;
}

/** A puzzle of a folder. */
export interface StoredPuzzle extends Puzzle, Omit<ReadPuzzle, 'instance'> {
  /** File name without its ending; in folders of others another level may have the same. */
  readonly id: string;
  /** `FrozenLake/level4/ID`: the path without `text/` and the ending. */
  readonly name: string;
  /** Paths relative to the root, with `/` between the names. */
  readonly textFile: string;
  readonly imageFile: string;
  readonly text: string;
}

/** A file that holds no puzzle, or one that cannot be used. */
export interface FileProblem {
  readonly path: string;
  readonly reason: string;
}

/** What a folder holds: the puzzles that could be read, and what is wrong with the other files. */
export interface PuzzleFolder {
  readonly root: string;
  readonly puzzles: readonly StoredPuzzle[];
  readonly problems: readonly FileProblem[];
}

/** Texts of puzzles have some kilobytes. */
const maxTextBytes = 2 ** 20;
/** Folders are searched to this depth; levels lie at most two below a world. */
const maxDepth = 6;

/**
 * All puzzles below `root`, in the order of their paths: every `.txt` in a folder `text`, wherever that lies. A file
 * that cannot be read becomes a problem with its path; a board that occurs twice is noted. Images are read later.
 * @throws FileError if there is no such folder, or no puzzle in it
 */
export function readPuzzleFolder(root: string): PuzzleFolder {
  const puzzles: StoredPuzzle[] = [];
  const problems: FileProblem[] = [];
  const seen = new Map<string, string>();
  const worlds = new Map<string, World>();
  for (const file of textFiles(root)) {
    try {
      const text = readFile(path.join(root, file), maxTextBytes).toString('utf8');
      const raw = parsePuzzleText(text);
      const task = worldOf(raw.fields.text('task'), file);
      const world = worlds.get(task) ?? createWorldByName(task);
      worlds.set(task, world);
      const read = readPuzzle(world, raw);
      const key = world.instanceKey(read.instance);
      const first = seen.get(key);
      seen.set(key, first ?? file);
      const repeated = first === undefined ? [] : [`the same board as ${first}`];
      const id = path.posix.basename(file, '.txt');
      const imageFile = path.posix.join(path.posix.dirname(path.posix.dirname(file)), 'image', `${id}.png`);
      const name = path.posix.join(path.posix.dirname(path.posix.dirname(file)), id);
      puzzles.push({ ...read, world, id, name, textFile: file, imageFile, text, notes: [...read.notes, ...repeated] });
    } catch (error) {
      problems.push({ path: file, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  if (puzzles.length + problems.length === 0)
    throw new FileError(
      `${root} holds no puzzles: they are text files in folders such as FrozenLake/level4/text, with images in FrozenLake/level4/image`,
    );
  return { root, puzzles, problems };
}

/** Paths of the texts relative to `root`, in order. */
function textFiles(root: string): string[] {
  const found: string[] = [];
  const walk = (folder: string, depth: number) => {
    let entries: fs.Dirent[];
    try {
      entries = fs.readdirSync(path.join(root, folder), { withFileTypes: true });
    } catch (error) {
      throw explain(error, 'Cannot read', path.join(root, folder));
    }
    for (const entry of entries) {
      const file = path.posix.join(folder, entry.name);
      if (entry.isDirectory() && depth < maxDepth) walk(file, depth + 1);
      else if (path.posix.basename(folder) === 'text' && entry.name.endsWith('.txt')) found.push(file);
    }
  };
  walk('', 0);
  return found.sort();
}

/** `MiniBehaviour`, `mini_behavior` and `minibehaviour` name the same world. */
const plainName = (name: string) =>
  name
    .toLowerCase()
    .replace(/[^a-z]/g, '')
    .replace('behavior', 'behaviour');

/** The world that `task=` names, or else the folder above the levels. */
function worldOf(task: string | undefined, file: string): string {
  const folder = file.split('/').at(-4);
  const name = task ?? folder ?? '';
  const world = WORLD_NAMES.find(known => plainName(name) === plainName(known));
  if (world === undefined) throw new Error(`task=${name} is none of ${WORLD_NAMES.join(', ')}`);
  return world;
}

/**
 * The stored image of a puzzle at the model's size: (pixels, pixels, 3). Other square sizes are resized.
 * @throws Error that says why the image cannot be used; the caller knows its path
 */
export function storedImage(root: string, { imageFile, instance }: StoredPuzzle, pixels: number): Uint8Array {
  const image = decodePng(readFile(path.join(root, imageFile), MAX_PNG_BYTES));
  if (image.width !== image.height)
    throw new Error(
      `the image has ${image.width} x ${image.height} pixels, and a board is square: crop it to the board`,
    );
  if (image.width < 4 * instance.size)
    throw new Error(
      `the image has ${image.width} pixels a side, too few for a board of ${instance.size}: at least ${4 * instance.size} are needed`,
    );
  return resizeSquare(image, pixels).data;
}

/** Which of the stored images cannot be used, and how many are not there: only some readers want images. */
export function checkImages({ root, puzzles }: PuzzleFolder): { missing: number; problems: FileProblem[] } {
  const problems: FileProblem[] = [];
  let missing = 0;
  for (const puzzle of puzzles)
    try {
      storedImage(root, puzzle, 8);
    } catch (error) {
      if (!fs.existsSync(path.join(root, puzzle.imageFile))) missing++;
      else problems.push({ path: puzzle.imageFile, reason: error instanceof Error ? error.message : String(error) });
    }
  return { missing, problems };
}

/** The look of a puzzle's picture: that of a style if this style draws the very same. */
export function lookOf({ world, instance }: Puzzle, { width, height, data }: RgbImage): Look {
  if (width !== height) return 'other';
  const isDrawn = (style: RenderStyle) => Buffer.from(world.render(instance, width, style)).equals(data);
  return NAMED_LOOKS.find(isDrawn) ?? 'other';
}

/** @throws FileError if there is anything at this path other than an empty folder */
export function requireEmpty(folder: string): void {
  try {
    const [first] = fs.readdirSync(folder);
    if (first !== undefined)
      throw new FileError(`${folder} is not empty (it has ${first}): choose another folder; nothing was overwritten`);
  } catch (error) {
    if (error instanceof FileError) throw error;
    if (errorCode(error) === 'ENOENT') return;
    throw explain(error, 'Cannot make the folder', folder);
  }
}

/**
 * Fills a folder that must be new or empty. `write` gets a temporary one beside it, which is renamed at the end, so
 * that an interrupted command leaves no half-written data set.
 */
export async function writeFolder<T>(folder: string, write: (temporary: string) => T | Promise<T>): Promise<T> {
  requireEmpty(folder);
  const target = behindLinks(path.resolve(folder));
  const temporary = temporaryBeside(target);
  try {
    makeFolders(temporary);
    const result = await write(temporary);
    if (fs.existsSync(target)) fs.rmdirSync(target); // empty, as was checked
    fs.renameSync(temporary, target);
    return result;
  } catch (error) {
    throw explain(error, 'Cannot write', folder);
  } finally {
    fs.rmSync(temporary, { recursive: true, force: true });
  }
}
