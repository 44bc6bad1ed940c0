/** Configurations that are well formed and yet cannot reach their table: found before anything is begun. */
import { modelConfigOf } from './config.js';
import type { RunConfig } from './config.js';
import { checkPuzzles, gateGroups, part, runPuzzles } from './puzzles.js';
import type { PuzzleGroup, RunPuzzles } from './puzzles.js';
import type { DrawObserver } from './split.js';
import { stageSize } from './stages/probe.js';
import type { StageName } from './stages/stage.js';

/** Puzzles per board that can still be drawn and kept in memory. */
const MOST_PUZZLES = { pool: 1_000_000, asked: 100_000 } as const;

/** Adam's decay rates are f32: what is closer to 1 than this is 1, and a moment would never leave 0. */
const MOST_BETA = 1 - 2 ** -24;
/** Positive numbers that f32 holds in full precision. */
const [LEAST_F32, MOST_F32] = [2 ** -126, 2 ** 126];

/** A setting that keeps a run from its table, and what to give instead. */
export interface Obstacle {
  readonly field: string;
  readonly reason: string;
}

/** Everything that keeps a run of these stages from its table. */
export function obstacles(config: RunConfig, stages: readonly StageName[]): Obstacle[] {
  const { optimizer, evaluation, stage1, stage2, tasks } = config;
  const found: Obstacle[] = [];
  const refuse = (when: boolean, field: string, reason: string) => {
    if (when) found.push({ field, reason });
  };

  for (const name of ['beta1', 'beta2'] as const)
    refuse(optimizer[name] > MOST_BETA, `optimizer.${name}`, 'a decay of 1 never forgets and never learns: take 0.98');
  const { epsilon, maxNorm } = optimizer;
  refuse(epsilon < LEAST_F32 || epsilon > MOST_F32, 'optimizer.epsilon', 'f32 does not hold it: take 1e-8');
  refuse(maxNorm > MOST_F32, 'optimizer.maxNorm', 'f32 does not hold it: take 0 for no clipping');

  for (const stage of stages) {
    const { steps } = stageSize(config, stage);
    const setting = stage === 'direct' ? 'stage1' : stage;
    const { warmup } = config[setting];
    refuse(
      steps > 0 && warmup >= steps,
      `${setting}.warmup`,
      `${warmup} updates of warm-up leave none of the ${steps} at the full rate: take fewer, ${Math.floor(steps / 20)} say`,
    );
  }

  // every token would be clamped to it, and all teachers would say the same
  const uniform = -Math.log(modelConfigOf(config).vocabulary);
  refuse(
    stages.includes('stage2') && stage2.teacherFloor >= uniform,
    'stage2.teacherFloor',
    `a model that knows nothing already gives every token a log-probability of ${uniform.toFixed(2)}: take less, -12 say`,
  );

  refuse(
    stages.includes('stage2') && evaluation.puzzles < 2,
    'evaluation.puzzles',
    'the row of shuffled images shows each puzzle the image of another of its size: take at least 2',
  );
  const asked = { 'evaluation.puzzles': evaluation.puzzles, 'stage1.gate.puzzles': stage1.gate.puzzles };
  for (const [field, puzzles] of Object.entries(asked))
    refuse(puzzles > MOST_PUZZLES.asked, field, `at most ${MOST_PUZZLES.asked} puzzles per board size`);

  const boards = tasks.flatMap(({ world, levels }) => levels.map(level => `${world} ${level}`));
  const twice = boards.find((board, i) => boards.indexOf(board) !== i);
  refuse(twice !== undefined, 'tasks', `${twice ?? ''} is listed twice; each board has one pool`);
  tasks.forEach(({ levels, pool }, t) =>
    levels.forEach(level =>
      refuse(pool[level]! > MOST_PUZZLES.pool, `tasks.${t}.pool.${level}`, `at most ${MOST_PUZZLES.pool} puzzles`),
    ),
  );
  return found;
}

/** Puzzles of every board whose prompts and responses are measured here; the trainer measures all. */
const MEASURED = 50;

/**
 * Draws all puzzles of a run.
 * @throws Error where a board has too few for its pool, the gate or the table, or where they do not fit the model
 */
export function drawRunPuzzles(config: RunConfig, onDrawn?: DrawObserver): RunPuzzles {
  const puzzles = runPuzzles(config, undefined, onDrawn);
  const some = (groups: readonly PuzzleGroup[]) => groups.map(group => part(group, 0, MEASURED));
  checkPuzzles(modelConfigOf(config), some(puzzles.training), some(puzzles.heldOut));
  const { gate, images, steps } = config.stage1;
  const unseen = (pool: number) => pool - Math.min(pool, images) + puzzles.validation[0]!.puzzles.length;
  const isGated = gate.recapExact > 0 && steps > 0;
  if (isGated && puzzles.training.some(group => unseen(group.puzzles.length) < gate.puzzles)) gateGroups(config);
  return puzzles;
}
