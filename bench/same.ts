/**
 * Whether the working tree trains bit for bit as an earlier commit: `npm run same`, or a part of it by
 * `npm run same -- --only worlds,reward`. Both sides run the cases of same/cases.ts through the command line; log,
 * tensors, evaluations and table are compared under the names of same/renames.ts. What the commit has left is kept in
 * the cache.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { InputError } from '../mgsd/cli/errors.js';
import { commaList, oneOf, option, toggle } from '../mgsd/cli/options.js';
import { benchCommand, wrapped } from './command.js';
import { cases } from './same/cases.js';
import type { SameCase } from './same/cases.js';
import { differences } from './same/compare.js';
import { allowed, baseline } from './same/renames.js';
import { checkoutOf, keyOf, respell, runCase } from './same/runs.js';
import type { Snapshot } from './same/snapshot.js';

const options = benchCommand({
  command: 'npm run same --',
  about: 'Not speed but bits: whether the working tree trains as an earlier commit does. Ends with 1 if not.',
  measures: wrapped(cases.map(({ name, quick }) => `${name}${quick ? ' (quick)' : ''}`)),
  takes: 'half a minute with --quick, else some minutes; each case is printed as it ends',
  options: {
    base: option('--base <commit>', 'compare with this commit', String, baseline),
    only: option('--only <list>', 'only these cases', commaList(oneOf(cases.map(({ name }) => name)))),
    quick: toggle('--quick', 'only the quick cases'),
    all: toggle('--all', 'every difference, not only the first of a case'),
    cache: option('--cache <folder>', 'where the commit and its results are kept (default: .cache/same)'),
    list: toggle('--list', 'the cases'),
  },
  examples: [
    ['--quick', 'a first look'],
    ['--only worlds,reward --all', 'two cases, every difference'],
  ],
});

const root = path.resolve(import.meta.dirname, '../..'); // from dist/bench

function commitOf(name: string): string {
  try {
    return execFileSync('git', ['rev-parse', '--verify', '--quiet', `${name}^{commit}`], {
      cwd: root,
      encoding: 'utf8',
    }).trim();
  } catch (error) {
    throw new InputError(`${name} is no commit of this repository (a shallow clone lacks old ones)`, { cause: error });
  }
}

/** What the commit has left of a case: from the cache, or from a run. */
function baseSide(example: SameCase, commit: string, cache: string): Snapshot {
  const file = path.join(cache, 'results', commit, `${keyOf(example)}.json`);
  if (fs.existsSync(file)) return JSON.parse(fs.readFileSync(file, 'utf8')) as Snapshot;
  const folder = path.join(cache, 'runs', `${process.pid}-${example.name}`);
  const snapshot = runCase(checkoutOf(root, commit, cache), example, folder);
  if (snapshot.refused !== undefined) return snapshot; // an adapter may come
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(`${file}.${process.pid}`, JSON.stringify(snapshot));
  fs.renameSync(`${file}.${process.pid}`, file); // whole or not at all
  return snapshot;
}

type Verdict = 'same' | 'different' | 'skipped';

function compareCase(example: SameCase, commit: string, cache: string, all: boolean): Verdict {
  const say = (verdict: Verdict, what: string) => {
    console.log(`${example.name.padEnd(20)} ${what}`);
    return verdict;
  };
  const retired = allowed.retired[example.name];
  if (retired !== undefined) return say('skipped', `retired: ${retired}`);
  const base = baseSide(example, commit, cache);
  if (base.refused !== undefined) return say('skipped', `skipped, the baseline refuses it: ${base.refused}`);
  const folder = path.join(root, '.cache/same/runs', `${process.pid}-tree-${example.name}`);
  const tree = runCase(root, respell(example, allowed), folder);
  const time = `${tree.seconds.toFixed(1)} s`;
  if (tree.refused !== undefined) return say('different', `different: the working tree refuses it: ${tree.refused}`);
  const found = differences(base.files, tree.files, allowed);
  if (found.length === 0) return say('same', `same (${time})`);
  const files = new Set(found.map(line => line.split(/: | is /)[0]));
  const more = files.size > 1 ? `; ${files.size - 1} other file${files.size > 2 ? 's' : ''}` : '';
  say('different', `different: ${found[0]!}${more} (${time})`);
  if (all) for (const line of found) console.log(`  ${line}`);
  return 'different';
}

function main(): number {
  const { base, only, quick, all = false, cache: folder, list } = options;
  const chosen = cases.filter(({ name, quick: isQuick }) => (only?.includes(name) ?? true) && (!quick || isQuick));
  if (list) {
    for (const { name, device, threads, quick: isQuick } of chosen)
      console.log(`${name.padEnd(20)} ${device}${threads ? `, threads ${threads}` : ''}${isQuick ? ', quick' : ''}`);
    return 0;
  }
  const commit = commitOf(base);
  const cache = path.resolve(folder ?? path.join(root, '.cache/same'));
  console.log(`compared with ${commit.slice(0, 7)}`);
  const verdicts = chosen.map(example => compareCase(example, commit, cache, all));
  const count = (verdict: Verdict) => verdicts.filter(v => v === verdict).length;
  const skipped = count('skipped') > 0 ? `, ${count('skipped')} skipped` : '';
  console.log(`${count('same')} same, ${count('different')} different${skipped}`);
  return count('different') > 0 ? 1 : 0;
}

process.exitCode = main();
