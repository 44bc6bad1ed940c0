/**
 * Makes the weights of a finished run the package's pretrained models, in f16 and without the optimizer's state: those
 * that it ended with (student.safetensors), and the planner of its stage 0, which plans from symbols
 * (planner.safetensors). `node dist/bench/pretrained.js --run runs/NAME` writes them into mgsd/pretrained/.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { checkInput, InputError } from '../mgsd/cli/errors.js';
import { option, required } from '../mgsd/cli/options.js';
import { decodeCheckpoint, encodeCheckpoint } from '../models/index.js';
import { readFile, writeFileAtomic } from '../mgsd/runs/files.js';
import { RunFolder } from '../mgsd/runs/run-folder.js';
import { benchCommand } from './command.js';

const { run: source, to: target } = benchCommand({
  command: 'node dist/bench/pretrained.js',
  about: "Makes a finished run's weights, student and planner, those of the package.",
  measures: ['nothing'],
  takes: 'a second',
  options: {
    run: required('--run <folder>', 'a run that has ended'),
    to: option('--to <folder>', 'where the weights go', String, 'mgsd/pretrained'),
  },
  examples: [['--run runs/NAME', 'its last weights']],
});
const folder = checkInput(() => RunFolder.open(source));
const checkpoints = folder.checkpoints();
folder.close();
mkdirSync(target, { recursive: true });
for (const [name, from] of [
  ['student', 'stage2'],
  ['planner', 'stage0'],
] as const) {
  const last = checkpoints.find(({ stage }) => stage === from);
  if (!last) throw new InputError(`${source} has no checkpoint of ${from}`);
  const file = path.join(target, `${name}.safetensors`);
  writeFileAtomic(file, encodeCheckpoint({ ...decodeCheckpoint(readFile(last.path)), optimizer: new Map() }, 'f16'));
  console.log(`${file}: weights of ${path.basename(last.path)}`);
}
