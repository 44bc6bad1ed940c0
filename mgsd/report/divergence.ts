/**
 * What the run's own checkpoints add to a report: the chosen puzzles at further checkpoints, and the divergence of student
 * and teacher at every token that the student wrote.
 */
import { divergenceFields, divergenceStats, noGrad } from '../../core/index.js';
import type { Device, NumberArray } from '../../core/index.js';
import { decodeCheckpoint, loadModel } from '../../models/index.js';
import type { VisionLanguageModel } from '../../models/index.js';
import { evaluate } from '../evaluation/evaluate.js';
import type { ItemResult } from '../evaluation/evaluate.js';
import { readFile } from '../runs/files.js';
import type { Puzzle, PuzzleGroup } from '../method/puzzles.js';
import { packTraces } from '../method/packing.js';
import type { StageName } from '../method/stages/stage.js';
import type { RowName } from '../evaluation/table.js';
import { relabelledTrace } from '../method/targets.js';
import { puzzleKey } from './choose.js';
import type { ReportRun, StoredCheckpoint } from './run-data.js';

/** A token and the probability that a model gives it. */
export type Guess = readonly [token: number, probability: number];

/** One token of a student's own rollout. */
export interface TokenDivergence {
  readonly token: number;
  /** What the token belongs to, a SPAN_ number. */
  readonly span: number;
  /** Reverse KL(student || teacher) over the whole vocabulary at this position, in nats. */
  readonly reverseKl: number;
  /** Probability of the written token. */
  readonly student: number;
  readonly teacher: number;
  /** What the teacher, who sees the symbols, would most likely have written here. */
  readonly teacherGuesses: readonly Guess[];
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
  readonly divergences: ReadonlyMap<string, readonly TokenDivergence[]>;
}

/** The rows from images that end the stages. */
const rowAfter: readonly (readonly [StageName, RowName])[] = [
  ['stage0', 'base'],
  ['stage1', 'stage1'],
  ['stage2', 'mgsd'],
  ['direct', 'direct'],
];

/** Stages whose students are compared with the teacher. */
const students: readonly StageName[] = ['stage1', 'stage2', 'direct'];

/** More positions than any response to a 5x5 board has; a rollout that never ends repeats itself anyway. */
const maximumTokens = 60;

/** Looks that are shown of a stage: while it grounds, hardly anything is planned. */
const shownLooks: Readonly<Record<StageName, number>> = { stage0: 0, stage1: 2, stage2: 8, direct: 0 };

/** The chosen puzzles in the order of the training, as far as evaluations and looks tell: no model is run. */
export function storedSnapshots(run: ReportRun, puzzles: ReadonlyMap<string, Puzzle>): Snapshot[] {
  const of = (all: readonly ItemResult[]) =>
    new Map(all.filter(item => puzzles.has(puzzleKey(item))).map(item => [puzzleKey(item), item]));
  return rowAfter
    .flatMap<Snapshot>(([stage, row]) => {
      const looks = run.looks.filter(entry => entry.stage === stage && entry.input === 'image');
      const between = evenly(looks, shownLooks[stage]).map(({ step, items }) => ({ stage, step, items: of(items) }));
      const end = { stage, step: null, items: of(run.rows.get(row) ?? []) };
      return [...between, end].map(snapshot => ({ ...snapshot, divergences: new Map<string, never>() }));
    })
    .filter(({ items }) => items.size > 0);
}

/** At most `count` of a list, its first and last among them, evenly spaced. */
function evenly<T>(list: readonly T[], count: number): T[] {
  if (list.length <= count) return [...list];
  return Array.from({ length: count }, (_, k) => list[Math.round((k * (list.length - 1)) / Math.max(1, count - 1))]!);
}

/**
 * The same with what the checkpoints show: rollouts between the ends of stages, and divergences from the teacher.
 * @param warn told about checkpoints that cannot be read
 */
export async function computedSnapshots(
  run: ReportRun,
  puzzles: ReadonlyMap<string, Puzzle>,
  device: Device,
  warn: (message: string) => void,
): Promise<Snapshot[]> {
  const stored = storedSnapshots(run, puzzles);
  const load = async ({ path }: StoredCheckpoint): Promise<VisionLanguageModel | undefined> => {
    try {
      return await loadModel(device, decodeCheckpoint(readFile(path)), { trainable: false });
    } catch (error) {
      warn(`${path} is left out: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  const newest = run.checkpoints.findLast(({ stage }) => stage === 'stage0');
  const teacher = newest && (await load(newest));
  const snapshots: Snapshot[] = [];
  for (const [stage] of rowAfter) {
    const known = stored.filter(snapshot => snapshot.stage === stage);
    const atEnd = known.find(({ step }) => step === null);
    snapshots.push(...known.filter(({ step }) => step !== null));
    const files = students.includes(stage) ? run.checkpoints.filter(file => file.stage === stage) : [];
    const last = files.at(-1);
    for (const file of files) {
      const isEnd = file === last && atEnd !== undefined;
      if (file !== last && known.some(({ step }) => step !== null)) continue; // looks show the way well enough
      const model = await load(file);
      if (!model) continue;
      const items = isEnd ? atEnd.items : await rollOutGreedily(model, puzzles);
      // Only at the ends of stages: there are enough strips to look at.
      const divergences =
        teacher && file === last
          ? await divergencesOf(model, teacher, puzzles, items, run.config.stage2.teacherFloor)
          : new Map<string, never>();
      snapshots.push({ stage, step: file.step, items, divergences });
      model.dispose();
    }
    if (atEnd && !snapshots.some(({ items }) => items === atEnd.items)) snapshots.push(atEnd);
  }
  teacher?.dispose();
  return snapshots;
}

async function rollOutGreedily(
  model: VisionLanguageModel,
  puzzles: ReadonlyMap<string, Puzzle>,
): Promise<Map<string, ItemResult>> {
  const groups = new Map<string, PuzzleGroup & { puzzles: Puzzle[] }>();
  for (const puzzle of puzzles.values()) {
    const { world, instance } = puzzle;
    const name = `${world.name} ${instance.size}`;
    const group = groups.get(name) ?? { world, level: instance.size, puzzles: [], byDifficulty: [] };
    group.puzzles.push(puzzle);
    groups.set(name, group);
  }
  const items = await evaluate(model, [...groups.values()], { input: 'image' });
  return new Map(items.map(item => [puzzleKey(item), item]));
}

/** One forward pass each of student (image) and teacher (symbols) over the students' own rollouts. */
async function divergencesOf(
  student: VisionLanguageModel,
  teacher: VisionLanguageModel,
  puzzles: ReadonlyMap<string, Puzzle>,
  items: ReadonlyMap<string, ItemResult>,
  teacherFloor: number,
): Promise<Map<string, TokenDivergence[]>> {
  const shown = [...items].map(([key, { response }]) => ({ key, puzzle: puzzles.get(key)!, tokens: response.slice(0, maximumTokens) })); // prettier-ignore
  const traces = shown.map(({ puzzle, tokens }) => relabelledTrace(puzzle, tokens));
  const written = shown.flatMap(({ tokens }) => tokens);
  if (written.length === 0) return new Map();
  const { device } = student;
  const [studentLogits, teacherLogits, stats] = await student.device.scope(() =>
    noGrad(() => {
      const seen = student.forward(device.fromHost(packTraces(traces, 'image', student))); // (N, V)
      const known = teacher.forward(device.fromHost(packTraces(traces, 'symbolic', teacher))); // (N, V)
      const tokens = new Int32Array(seen.shape[0]!); // zeros for the padding
      tokens.set(written);
      const floor = device.tensor([teacherFloor], [1]);
      const measured = divergenceStats(seen, known, student.indices(tokens), floor); // (N, fields)
      return Promise.all([seen.read(), known.read(), measured.read()]);
    }),
  );
  const V = student.config.vocabulary;
  const kl = divergenceFields.indexOf('reverseKl');
  const result = new Map<string, TokenDivergence[]>();
  let row = 0;
  shown.forEach(({ key, tokens }, s) => {
    const list = tokens.map((token, t) => {
      const p = probabilities(studentLogits, row, V);
      const q = probabilities(teacherLogits, row, V);
      const reverseKl = stats[row * divergenceFields.length + kl]!;
      row++;
      return {
        token,
        span: traces[s]!.spans[t]!,
        reverseKl: Math.max(0, reverseKl), // rounding
        student: p[token]!,
        teacher: q[token]!,
        teacherGuesses: best(q),
        oracle: traces[s]!.targets[t]!,
      };
    });
    result.set(key, list);
  });
  return result;
}

/** Softmax of one row of logits: (V). */
function probabilities(logits: NumberArray, row: number, V: number): Float64Array {
  const z = Float64Array.from(logits.subarray(row * V, (row + 1) * V));
  const maximum = z.reduce((a, b) => Math.max(a, b), -Infinity);
  const e = z.map(value => Math.exp(value - maximum));
  const total = e.reduce((a, b) => a + b, 0);
  return e.map(value => value / total);
}

/** The likeliest tokens, at most three, and only those with at least one percent. */
function best(q: Float64Array): Guess[] {
  return Array.from(q, (probability, token): Guess => [token, probability])
    .filter(([, probability]) => probability >= 0.01)
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3);
}
