/** The runs of one side: a commit in a folder of its own, or the working tree. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { SameCase } from './cases.js';
import { newName } from './compare.js';
import type { Allowed, Renames } from './renames.js';
import { hash, snapshotOf } from './snapshot.js';
import type { Snapshot } from './snapshot.js';

/** What decides the bits of a case beside the commit. */
export function keyOf(example: SameCase): string {
  return `${example.name}-${hash(JSON.stringify([example, process.version, process.arch, os.cpus()[0]?.model])).slice(0, 8)}`;
}

/** A case as the working tree spells it. */
export function respell(example: SameCase, { settings, options }: Pick<Allowed, 'settings' | 'options'>): SameCase {
  const words = (list: readonly string[]) => list.map(word => newName(word, options)).filter(word => word !== null);
  return {
    ...example,
    settings: Object.fromEntries(
      Object.entries(example.settings).flatMap(([name, value]) => {
        const now = renamePath(name, settings);
        return now === null ? [] : [[now, value]];
      }),
    ),
    ...(example.options && { options: words(example.options) }),
    ...(example.then && { then: example.then.map(words) }),
  };
}

function renamePath(name: string, names: Renames): string | null {
  for (let end = name.length; end > 0; end = name.lastIndexOf('.', end - 1)) {
    const now = newName(name.slice(0, end), names);
    if (now === null) return null;
    if (now !== name.slice(0, end)) return now + name.slice(end);
  }
  return name;
}

/** Paths become objects. */
export function configOf(settings: SameCase['settings']): object {
  const config: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(settings)) {
    const keys = name.split('.');
    const last = keys.pop()!;
    let at = config;
    for (const key of keys) at = (at[key] ??= {}) as Record<string, unknown>;
    at[last] = value;
  }
  return config;
}

/**
 * Trains a case and says what it has left.
 * @param checkout the project's folder, built
 * @param folder an empty one, which is removed afterwards
 */
export function runCase(checkout: string, example: SameCase, folder: string): Snapshot {
  const run = path.join(folder, 'run');
  const config = path.join(folder, 'config.json');
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(config, JSON.stringify(configOf(example.settings)));
  const device = ['--device', example.device, ...(example.threads ? ['--threads', String(example.threads)] : [])];
  const commands = [
    ['train', '--config', config, '--out', run, ...(example.options ?? []), ...device],
    ...(example.then ?? []).map(words => [...words.map(word => word.replace('{run}', run)), ...device]),
  ];
  const start = performance.now();
  const seconds = () => Math.round((performance.now() - start) / 100) / 10;
  try {
    for (const words of commands) {
      const { status, signal, stderr } = spawnSync(
        process.execPath,
        [path.join(checkout, 'mgsd/mgsd-lite.js'), ...words],
        { encoding: 'utf8', cwd: folder, env: environment(), stdio: ['ignore', 'ignore', 'pipe'] },
      );
      if (signal) throw new Error(`${example.name}: ended by ${signal}`);
      if (status !== 0) {
        const said = stderr.trim().split('\n').at(-1) ?? '';
        return { refused: said === '' ? `exit code ${status ?? '?'}` : said, seconds: seconds(), files: {} };
      }
    }
    return { seconds: seconds(), files: snapshotOf(run) };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

const drivers = '/usr/share/vulkan/icd.d';

/** With the software adapter, where it is installed, so that all machines compute the same. */
function environment(): NodeJS.ProcessEnv {
  const found = fs.existsSync(drivers)
    ? fs.readdirSync(drivers).find(name => /^lvp_icd.*\.json$/.test(name))
    : undefined;
  return { ...process.env, NO_COLOR: '1', ...(found !== undefined && { VK_DRIVER_FILES: path.join(drivers, found) }) };
}

/** A commit's files, built by its own script; made once. */
export function checkoutOf(root: string, commit: string, cache: string): string {
  const checkout = path.join(cache, 'checkouts', commit);
  if (fs.existsSync(checkout)) return checkout;
  const made = `${checkout}.${process.pid}`; // another process may make it at the same time
  fs.mkdirSync(made, { recursive: true });
  try {
    const archive = `${made}.tar`;
    execFileSync('git', ['archive', '--format=tar', '-o', archive, commit], { cwd: root });
    execFileSync('tar', ['-xf', archive, '-C', made]);
    fs.rmSync(archive);
    if (lockedPackages(made) === lockedPackages(root))
      fs.symlinkSync(fs.realpathSync(path.join(root, 'node_modules')), path.join(made, 'node_modules'), 'junction');
    else
      execFileSync('npm', ['ci', '--ignore-scripts'], {
        cwd: made,
        stdio: 'inherit',
        shell: process.platform === 'win32',
      });
    execFileSync('npm', ['run', 'build'], {
      cwd: made,
      stdio: ['ignore', 'ignore', 'inherit'],
      shell: process.platform === 'win32',
    });
    if (!fs.existsSync(checkout)) fs.renameSync(made, checkout);
  } finally {
    fs.rmSync(made, { recursive: true, force: true });
  }
  return checkout;
}

/** The locked packages without the project itself, whose version may differ. */
function lockedPackages(folder: string): string {
  const lock = JSON.parse(fs.readFileSync(path.join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, object>;
  };
  return JSON.stringify({ ...lock.packages, '': undefined });
}
