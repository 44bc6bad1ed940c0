/** The installed package: its folder, its version and the trained model in it. */
import fs from 'node:fs';
import path from 'node:path';
import { Planner } from '../evaluation/planner.js';
import type { PlannerOptions } from '../evaluation/planner.js';
import { errorCode, readFile, readJson } from './files.js';

/** The folder that holds package.json: above mgsd/ in the sources, above dist/ when built. */
export function packageRoot(): string {
  for (let folder = import.meta.dirname; ; folder = path.dirname(folder)) {
    try {
      fs.accessSync(path.join(folder, 'package.json'));
      return folder;
    } catch (error) {
      if (errorCode(error) === undefined || folder === path.dirname(folder))
        throw new Error('package.json of mgsd-lite is missing: install the package again.', { cause: error });
    }
  }
}

export function packageVersion(): string {
  const { version } = readJson(path.join(packageRoot(), 'package.json')) as { version: string };
  return version;
}

/** The small trained model that comes with the package, which plans from images, or the planner that taught it. */
export function pretrainedPath(model: 'student' | 'planner' = 'student'): string {
  return path.join(packageRoot(), `mgsd/pretrained/${model}.safetensors`);
}

/**
 * Loads a trained model.
 *
 *     import { decodePng, loadPlanner } from 'mgsd-lite';
 *     import fs from 'node:fs';
 *
 *     const planner = await loadPlanner(); // or the path of a checkpoint of your own
 *     const image = decodePng(fs.readFileSync('puzzle.png')); // of planner.imageSize pixels a side
 *     const { answer, recapText } = await planner.plan(image);
 *     console.log(answer, recapText); // RRDD size:3 (0,0) (2,2) (1,1)
 *     await planner.close();
 *
 * @param checkpoint path of a checkpoint, or its bytes; default: the model that comes with the package
 * @throws Error in one line if the file is missing, damaged or foreign, or the device is not available
 */
export async function loadPlanner(
  checkpoint: string | Uint8Array = pretrainedPath(),
  options: PlannerOptions = {},
): Promise<Planner> {
  return await Planner.load(typeof checkpoint === 'string' ? readFile(checkpoint) : checkpoint, options);
}
