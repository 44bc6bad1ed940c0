/**
 * A whole run: stage 0, stage 1, stage 2, each evaluated when it is done, with checkpoints on the way. All randomness
 * follows from the seed and the step, so a run that was stopped resumes as if it had not been.
 */
import { describeDevice } from '../../core/index.js';
import { configurationHash, originLine, puzzlesHash } from '../evaluation/made-from.js';
import { tableMarkdown } from '../evaluation/table.js';
import type { TableRow } from '../evaluation/table.js';
import { resolveConfig } from '../method/config.js';
import { runPuzzles } from '../method/puzzles.js';
import { decodeRunState, requireOwnCheckpoints } from './checkpoints.js';
import { memoryMarkdown, peakMemory } from './memory-log.js';
import { openStage } from './open-stage.js';
import { stagesFrom, stagesOf } from './order.js';
import { derivedFiles, evaluateQuestions, evaluateRows, readRows, tableOf } from './rows.js';
import { runUpdates } from './stage-loop.js';
import type { CheckpointFile, RunStore } from './store.js';
import type { TrainOptions } from './train-options.js';

/** What the run is computed on, for reports. */
const deviceFile = 'device.json';

/** Runs the stages and returns the table, which is also written into the store. @throws Interrupted when stopped */
export async function train(given: TrainOptions): Promise<TableRow[]> {
  // completed and in the order of the schema, so that checkpoints of a resumed run are equal to the byte
  const options = { ...given, config: resolveConfig(given.config.preset, given.config) };
  const { config, device, folder, from, observer, resume, stages = stagesOf(config) } = options;
  const { puzzles = runPuzzles(config) } = options;
  if (resume) requireOwnCheckpoints(folder, config);
  recordDevice(options);
  const { name: deviceName, dtypes } = device.capabilities;
  if (config.precision === 'f16' && !dtypes.includes('f16'))
    observer?.onNote?.(`${deviceName} has no f16 (shader-f16): this run computes in f32`);
  if (from !== undefined) {
    const file = findCheckpoint(folder, from);
    decodeRunState(file, folder.read(file.name), config); // refuses a bad one before anything is moved
    setAsideAfter(file, options);
  }
  for (const name of stages) {
    const opened = await openStage(name, puzzles, options);
    try {
      if (resume && opened.step < opened.stage.steps) setAsideAfter({ stage: name, step: opened.step }, options);
      await runUpdates(opened, puzzles, options);
      await evaluateRows(opened, puzzles.heldOut, options);
      await evaluateQuestions(opened, puzzles.heldOut, options);
    } finally {
      opened.dispose();
    }
  }
  const expected = { configuration: configurationHash(config), puzzles: puzzlesHash(puzzles.heldOut) };
  const table = tableOf(readRows(folder, expected, note => observer?.onNote?.(note)));
  const memory = memoryMarkdown(peakMemory(folder.readLog()));
  folder.writeTable(table, `${tableMarkdown(table)}\n\n<!-- ${originLine(table)} -->\n\n${memory}`);
  return table;
}

/** A checkpoint of a run by its name or path. @throws Error if there is none */
export function findCheckpoint(folder: RunStore, from: string): CheckpointFile {
  const file = folder.checkpoints().find(({ name, path }) => name === from || path === from);
  if (!file) throw new Error(`${from} is no checkpoint of ${folder.path}`);
  return file;
}

/** What a run is computed on; says so where it goes on elsewhere. */
function recordDevice({ device: { capabilities }, folder, observer }: TrainOptions): void {
  const description = describeDevice(capabilities);
  const before = deviceOf(folder);
  // The number of threads changes no bit.
  const place = (text: string) => text.replace(/threads? \d+|\d+ threads?|processors \d+/g, '');
  if (before !== undefined && place(before) !== place(description))
    observer?.onNote?.(
      `up to now this run was computed on another device (${before}): from here on its numbers differ from those of a ` +
        'run on one device',
    );
  folder.writeJson(deviceFile, { description, ...capabilities });
}

/** What a run was last computed on, in words; undefined if its folder does not say. */
function deviceOf(folder: RunStore): string | undefined {
  try {
    const { description } = folder.readJson(deviceFile) as { description?: unknown };
    return typeof description === 'string' ? description : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Moves everything newer than a step of a stage, and all that was made from it, to a folder of its own, so that the run
 * can go on from there. After kills there is nothing of the kind; it is where files were deleted or damaged.
 */
function setAsideAfter(
  place: Pick<CheckpointFile, 'stage' | 'step'>,
  { folder, observer }: Pick<TrainOptions, 'folder' | 'observer'>,
): void {
  const moved = folder.setAside(place, derivedFiles(folder, stagesFrom(place.stage)));
  if (moved !== undefined)
    observer?.onNote?.(`files newer than update ${place.step} of ${place.stage} were moved to ${moved}`);
}
