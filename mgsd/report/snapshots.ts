/**
 * Students at several moments of the training: what they wrote, and their divergence from the teacher at each token.
 */
import type { Device } from '../../core/index.js';
import { loadModel } from '../../models/index.js';
import type { VisionLanguageModel } from '../../models/index.js';
import { divergencesOf } from '../evaluation/divergence.js';
import type { TokenDivergence } from '../evaluation/divergence.js';
import { evaluate } from '../evaluation/evaluate.js';
import type { ItemResult } from '../evaluation/evaluate.js';
import { readCheckpoint } from '../runs/run-folder.js';
import type { Puzzle } from '../method/puzzles.js';
import { packExamples } from '../method/packing.js';
import type { StageName } from '../method/stages/stage.js';
import type { RowName } from '../evaluation/table.js';
import { relabelledExample } from '../method/targets.js';
import { evenly, puzzleKey } from './choose.js';
import type { CheckpointFile } from '../runs/store.js';
import type { ReportRun } from './run-data.js';

/** One token of a student's own rollout, with what it belongs to. */
export interface PlacedDivergence extends TokenDivergence {
  /** What the token belongs to, a SPAN_ number. */
  readonly span: number;
  /** What an oracle might have written here. */
  readonly oracle: readonly number[];
}

/** The student at one moment of the training. */
export interface Snapshot {
  readonly stage: StageName;
  /** Updates of that stage; null for its end, where the file does not say. */
  readonly step: number | null;
  /** Outcomes of the chosen puzzles, by `puzzleKey`. */
  readonly items: ReadonlyMap<string, ItemResult>;
  /** By `puzzleKey`; empty without checkpoints. */
  readonly divergences: ReadonlyMap<string, readonly PlacedDivergence[]>;
}

/** By stage: the row from images that ends it, and how many looks are shown. Little is planned during grounding. */
const shownStages: readonly (readonly [StageName, RowName, looks: number])[] = [
  ['stage0', 'base', 0],
  ['stage1', 'stage1', 2],
  ['stage2', 'mgsd', 8],
  ['direct', 'direct', 0],
];

/** Longer than any response to a 5 x 5 board; a rollout that never ends repeats itself anyway. */
const maximumTokens = 60;

/** The chosen puzzles in the order of the training, as far as evaluations and looks tell: no model is run. */
export function storedSnapshots(run: ReportRun, puzzles: ReadonlyMap<string, Puzzle>): Snapshot[] {
  const of = (all: readonly ItemResult[]) =>
    new Map(all.filter(item => puzzles.has(puzzleKey(item))).map(item => [puzzleKey(item), item]));
  return shownStages
    .flatMap<Snapshot>(([stage, row, count]) => {
      const looks = run.looks.filter(entry => entry.stage === stage && entry.input === 'image');
      const between = evenly(looks, count).map(({ step, items }) => ({ stage, step, items: of(items) }));
      const end = { stage, step: null, items: of(run.rows.get(row) ?? []) };
      return [...between, end].map(snapshot => ({ ...snapshot, divergences: new Map<string, never>() }));
    })
    .filter(({ items }) => items.size > 0);
}

/**
 * The same with what the checkpoints show: divergences from the teacher at the newest one of each stage, and the
 * students of stages that have not ended or were never looked at.
 * @param warn told about checkpoints that cannot be read
 */
export async function computedSnapshots(
  run: ReportRun,
  puzzles: ReadonlyMap<string, Puzzle>,
  device: Device,
  warn: (message: string) => void,
): Promise<Snapshot[]> {
  const stored = storedSnapshots(run, puzzles);
  const load = async ({ path }: CheckpointFile): Promise<VisionLanguageModel | undefined> => {
    try {
      return await loadModel(device, readCheckpoint(path), { trainable: false });
    } catch (error) {
      warn(`${path} is left out: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  const planner = run.checkpoints.findLast(({ stage }) => stage === 'stage0');
  const teacher = planner && (await load(planner));
  const snapshots: Snapshot[] = [];
  for (const [stage] of shownStages) {
    const ofStage = stored.filter(snapshot => snapshot.stage === stage);
    const end = ofStage.find(({ step }) => step === null);
    const looks = ofStage.filter(snapshot => snapshot !== end);
    const files = stage !== 'stage0' ? run.checkpoints.filter(file => file.stage === stage) : [];
    const newest = files.at(-1);
    const loaded: Snapshot[] = [];
    for (const file of looks.length > 0 ? files.slice(-1) : files) {
      const model = await load(file);
      if (!model) continue;
      const items = (file === newest ? end?.items : undefined) ?? (await rollOutGreedily(model, puzzles));
      const divergences =
        teacher && file === newest
          ? await placedDivergences(model, teacher, puzzles, items, run.config.stage2.teacherFloor)
          : new Map<string, never>();
      loaded.push({ stage, step: file.step, items, divergences });
      model.dispose();
    }
    const isLoaded = loaded.some(({ items }) => items === end?.items);
    snapshots.push(...looks, ...loaded, ...(end && !isLoaded ? [end] : []));
  }
  teacher?.dispose();
  return snapshots;
}

async function rollOutGreedily(
  model: VisionLanguageModel,
  puzzles: ReadonlyMap<string, Puzzle>,
): Promise<Map<string, ItemResult>> {
  const groups = [...puzzles.values()].map(puzzle => {
    const { world, instance } = puzzle;
    return { world, level: instance.size, puzzles: [puzzle], byDifficulty: [] };
  });
  const items = await evaluate(model, groups, { input: 'image' });
  return new Map(items.map(item => [puzzleKey(item), item]));
}

/** Of the student (image) and the teacher (symbols) over the student's own rollouts. */
async function placedDivergences(
  student: VisionLanguageModel,
  teacher: VisionLanguageModel,
  puzzles: ReadonlyMap<string, Puzzle>,
  items: ReadonlyMap<string, ItemResult>,
  teacherFloor: number,
): Promise<Map<string, PlacedDivergence[]>> {
  const responses = [...items].map(([key, { response }]) => [key, response.slice(0, maximumTokens)] as const);
  const examples = responses.map(([key, tokens]) => relabelledExample(puzzles.get(key)!, tokens));
  const written = responses.flatMap(([, tokens]) => tokens);
  if (written.length === 0) return new Map();
  const seen = packExamples(examples, 'image', student);
  const known = packExamples(examples, 'symbolic', teacher);
  const all = await divergencesOf(student, teacher, seen, known, written, teacherFloor);
  let next = 0;
  return new Map(
    responses.map(([key, tokens], s) => {
      const { spans, targets } = examples[s]!;
      return [key, tokens.map((_, t) => ({ ...all[next++]!, span: spans[t]!, oracle: targets[t]! }))];
    }),
  );
}
