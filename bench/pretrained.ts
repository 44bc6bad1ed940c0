/**
 * Makes the final weights of a run, without the optimizer's state, the package's pretrained model. `node
 * dist/bench/pretrained.js runs/NAME` writes mgsd/pretrained/tiny.safetensors.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { decodeCheckpoint, encodeCheckpoint } from '../models/index.js';
import { readFile, writeFileAtomic } from '../mgsd/runs/files.js';
import { RunFolder } from '../mgsd/runs/run-folder.js';

const [source, target = 'mgsd/pretrained/tiny.safetensors'] = process.argv.slice(2);
if (!source) throw new Error('say which run: node dist/bench/pretrained.js runs/NAME');
const folder = RunFolder.open(source);
const final = folder.checkpoints().find(({ stage }) => stage === 'stage2');
folder.close();
if (!final) throw new Error(`${source} has no checkpoint of stage2`);
const checkpoint = decodeCheckpoint(readFile(final.path));
mkdirSync(path.dirname(target), { recursive: true });
writeFileAtomic(target, encodeCheckpoint({ ...checkpoint, optimizer: new Map() }));
console.log(`${target}: weights of ${path.basename(final.path)}`);
