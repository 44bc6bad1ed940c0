/**
 * A sample of bad input through the real command line, as processes: one line on standard error, exit code 2, nothing
 * written.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Random } from '../../core/index.js';
import { encodePng } from '../../mgsd/pictures/png.js';
import { pretrainedPath } from '../../mgsd/runs/package.js';

export interface ProcessReport {
  readonly processes: number;
  readonly longestSeconds: number;
  readonly problems: readonly string[];
}

const timeout = 120_000;
const launcher = path.resolve(path.dirname(pretrainedPath()), '../mgsd-lite.js');

/** Runs the command that many times. @param folder an empty one */
export function runBadCommands(count: number, folder: string, seed: number): ProcessReport {
  const random = new Random(seed);
  const problems: string[] = [];
  let longest = 0;
  for (let i = 0; i < count; i++) {
    const place = path.join(folder, String(i));
    fs.mkdirSync(place);
    const argv = badCommand(random, place, i);
    const before = filesIn(place);
    const start = performance.now();
    const { status, signal, stderr } = spawnSync(process.execPath, [launcher, ...argv], {
      encoding: 'utf8',
      cwd: place,
      timeout,
    });
    longest = Math.max(longest, (performance.now() - start) / 1000);
    const shown = `mgsd-lite ${argv.join(' ')}`.replaceAll(folder, '.');
    if (status !== 2) problems.push(`${shown}: exit code ${status ?? signal}`);
    if (!/^error: [^\n]+\n$/.test(stderr)) problems.push(`${shown}: ${JSON.stringify(stderr.slice(0, 300))}`);
    if (filesIn(place) !== before) problems.push(`${shown}: it left ${filesIn(place)}`);
  }
  return { processes: count, longestSeconds: Math.round(10 * longest) / 10, problems };
}

const filesIn = (folder: string) => fs.readdirSync(folder, { recursive: true }).sort().join(' ');

/** One of the kinds below, in turn, with random contents. */
function badCommand(random: Random, folder: string, i: number): string[] {
  const write = (name: string, bytes: Uint8Array | string) => {
    fs.writeFileSync(path.join(folder, name), bytes);
    return name;
  };
  const junk = (most: number) => Uint8Array.from({ length: 1 + random.integer(most) }, () => random.integer(256));
  const good = fs.readFileSync(pretrainedPath());
  const cut = good.subarray(0, random.integer(good.length));
  const flipped = Buffer.from(good);
  flipped[random.integer(2000)]! ^= 1 << random.integer(8);
  const png = encodePng({
    width: 48,
    height: 48,
    data: Uint8Array.from({ length: 48 * 48 * 3 }, () => random.integer(256)),
  });
  const brokenPng = Uint8Array.from(png);
  brokenPng[8 + random.integer(png.length - 20)]! ^= 1 + random.integer(255);
  const kinds: readonly (() => string[])[] = [
    () => ['plan', write('image.png', junk(400))],
    () => ['plan', write('image.png', png.subarray(0, random.integer(png.length)))],
    () => ['plan', write('image.png', brokenPng)],
    () => ['plan', '--checkpoint', write('model.safetensors', junk(4000))],
    () => ['eval', write('model.safetensors', cut)],
    () => ['eval', write('model.safetensors', Uint8Array.from([...junk(7), ...flipped]))],
    () => ['train', '--config', write('config.json', junk(300))],
    () => ['train', '--config', write('config.json', JSON.stringify({ stage0: { steps: `${random.integer(99)}` } }))],
    () => ['train', '--set', `stage${random.integer(3)}.batch=${-random.integer(9)}`],
    () => ['train', '--resume', '../../../..'],
  ];
  return kinds[i % kinds.length]!();
}
