/** Makes up a run's folder as training leaves it, with plans of every kind and text that must not become markup. */
import fs from 'node:fs';
import path from 'node:path';
import { resolveConfig } from '../../../mgsd/method/config.js';
import { judge } from '../../../mgsd/evaluation/evaluate.js';
import type { ItemResult } from '../../../mgsd/evaluation/evaluate.js';
import { writeJson } from '../../../mgsd/runs/files.js';
import { heldOutGroups } from '../../../mgsd/method/puzzles.js';
import type { Puzzle } from '../../../mgsd/method/puzzles.js';
import type { RowName } from '../../../mgsd/evaluation/table.js';
import { oracleResponse } from '../../../mgsd/method/response.js';
import type { Action } from '../../../mgsd/worlds/grid.js';
import { ANS, EOS } from '../../../models/vocabulary.js';
import { encodeCheckpoint } from '../../../models/index.js';
import { cpu } from '../../core/devices.js';
import { miniature, randomModel } from '../../models/miniature.js';

export const config = resolveConfig('tiny', {
  tasks: [{ world: 'frozenlake', levels: [3], pool: { '3': 20 } }],
  stage0: { steps: 50 },
  stage1: { steps: 20 },
  stage2: { steps: 10 },
  evaluation: { puzzles: 40 },
});

export const puzzles: readonly Puzzle[] = heldOutGroups(config).flatMap(group => group.puzzles);

/** Does harm if it ever becomes markup. */
export const hostile = `</script><img src="http://evil.example/x" onerror='document.title="owned"'>&amp;`;

const firstMoves: readonly Action[] = [0, 1, 2, 3];

/** What students write: right, into the first thing that is fatal, with a cell forgotten, or no plan at all. */
const habits: readonly ((puzzle: Puzzle) => number[])[] = [
  ({ world, instance }) => oracleResponse(world, instance),
  ({ world, instance }) => {
    const fatal = firstMoves.find(move => world.step(instance, world.start(instance), move).verdict === 'fatal') ?? 0;
    return oracleResponse(world, instance, [fatal]);
  },
  ({ world, instance }) => oracleResponse(world, instance).filter((_, t) => t !== 3), // one hole less, or the ANS
  ({ world, instance }) => [...world.recap(instance), ANS, ANS, EOS],
];

function itemsOf(shift: number, only?: number): ItemResult[] {
  return puzzles.map((puzzle, k) => judge(puzzle, habits[only ?? (k + shift) % habits.length]!(puzzle)));
}

export interface MadeRun {
  readonly folder: string;
  /** Those of the last row. */
  readonly items: readonly ItemResult[];
}

/**
 * Makes a run.
 * @param options `checkpoints`: with models, which are untrained; `unfinished`: as it is after stage 0
 */
export async function makeRun(
  folder: string,
  { checkpoints = false, unfinished = false, changes = {} } = {},
): Promise<MadeRun> {
  fs.mkdirSync(folder, { recursive: true });
  writeJson(path.join(folder, 'config.json'), resolveConfig('tiny', config, changes));
  const rows: Partial<Record<RowName, ItemResult[]>> = { symbolic: itemsOf(0, 0), base: itemsOf(0, 3) };
  const items = itemsOf(0).map((item, k) => (k === 1 ? { ...item, success: false, reason: hostile } : item));
  if (!unfinished)
    Object.assign(rows, {
      stage1: itemsOf(0, 3),
      mgsd: items,
      'mgsd-blank': itemsOf(0, 1),
      'mgsd-shuffled': itemsOf(1),
    });
  for (const [row, results] of Object.entries(rows)) writeJson(path.join(folder, `evaluation-${row}.json`), results);
  const stages = unfinished ? (['stage0'] as const) : (['stage0', 'stage1', 'stage2'] as const);
  const lines = stages.flatMap(stage =>
    Array.from({ length: config[stage].steps }, (_, k) => {
      const common = { stage, step: k + 1, loss: 3 / (k + 1), gradNorm: k === 3 ? 'Infinity' : 1, skipped: 1 };
      const more = {
        reverseKl: 2 / (k + 1),
        reverseKlRecap: 1,
        reverseKlPlan: 3,
        rolloutSuccess: k / 20,
        [hostile]: k,
      };
      return JSON.stringify({ ...common, ...(stage === 'stage2' && more), samplesPerSecond: 64 });
    }),
  );
  fs.writeFileSync(path.join(folder, 'log.jsonl'), `${lines.join('\n')}\n{"stage":"stage2","st`);
  if (!unfinished) writeJson(path.join(folder, 'table.json'), []);
  if (checkpoints)
    for (const [stage, step, seed] of [
      ['stage0', 50, 1],
      ['stage1', 20, 2],
      ['stage2', 5, 3],
      ['stage2', 10, 4],
    ] as const)
      fs.writeFileSync(path.join(folder, `checkpoint-${stage}-${step}.safetensors`), await checkpoint(seed));
  return { folder, items };
}

async function checkpoint(seed: number): Promise<Uint8Array> {
  const model = randomModel(cpu, seed);
  const parameters = await model.parameters.save();
  model.dispose();
  return encodeCheckpoint({ config: miniature, parameters, optimizer: new Map(), metadata: {} });
}
