/**
 * Makes the final weights of a run, without the optimizer's state, the package's pretrained model. `node
 * dist/bench/pretrained.js --run runs/NAME` writes mgsd/pretrained/tiny.safetensors.
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
  about: "Makes a finished run's weights those of the package.",
  measures: ['nothing'],
  takes: 'a second',
  options: {
    run: required('--run <folder>', 'a run that has ended'),
    to: option('--to <file>', 'where the weights go', String, 'mgsd/pretrained/tiny.safetensors'),
  },
  examples: [['--run runs/NAME', 'its last weights']],
});
const folder = checkInput(() => RunFolder.open(source));
const final = folder.checkpoints().find(({ stage }) => stage === 'stage2');
folder.close();
if (!final) throw new InputError(`${source} has no checkpoint of stage2`);
const checkpoint = decodeCheckpoint(readFile(final.path));
mkdirSync(path.dirname(target), { recursive: true });
writeFileAtomic(target, encodeCheckpoint({ ...checkpoint, optimizer: new Map() }));
console.log(`${target}: weights of ${path.basename(final.path)}`);
