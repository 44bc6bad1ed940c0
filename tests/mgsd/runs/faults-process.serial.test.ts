/** What happens to long runs, done to real processes. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { tinyRun } from '../capture.js';
import { ended } from '../child.js';
import { deviceIsLost, diskIsFull, launcher, runWith, startWith, workerDies } from '../hooks.js';
import { describeWithAdapter } from '../../core/backends/webgpu.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();
const posix = process.platform !== 'win32';
const log = () => temporary.file('run/log.jsonl');
const files = () => fs.readdirSync(temporary.file('run'));
const checkpoints = () => files().filter(name => name.startsWith('checkpoint-'));
const bytesOf = (run: string, name: string) => fs.readFileSync(temporary.file(`${run}/checkpoint-${name}.safetensors`));

const only0 = ['--set', 'stage0.steps=16', '--stage', 'stage0', '--checkpoint-every', '2'];
const train = ['train', '--out', 'run', ...tinyRun, ...only0];
const threads2 = [...train.map(word => word), '--threads', '2'];
const resume = ['train', '--resume', 'run', '--device', 'wasm', '--threads', '1'];

/** One line that begins with `error:`, no stack. */
function expectOneLine(stderr: string, message: RegExp): void {
  expect(stderr).toMatch(/^error: [^\n]+\n$/);
  expect(stderr).toMatch(message);
}

/** A finished run in `straight` to compare with. */
function straight(): Buffer {
  expect(runWith(temporary.path, undefined, ['train', '--out', 'straight', ...tinyRun, ...only0]).status).toBe(0);
  return bytesOf('straight', 'stage0-16');
}

function expectToGoOn(expected: Buffer): void {
  const { status, stderr } = runWith(temporary.path, undefined, resume);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(bytesOf('run', 'stage0-16').equals(expected)).toBe(true);
  expect(files().filter(name => /lock|pid|\.tmp$/.test(name))).toEqual([]);
}

describe('a run', () => {
  it('whose worker thread dies says so, with an exit code of its own, and goes on when told to', () => {
    const expected = straight();
    const { status, stderr } = runWith(temporary.path, workerDies(log()), threads2);
    expect(status).toBe(6);
    expectOneLine(
      stderr,
      /stage0, update \d+: a worker thread .* is gone.*Continue with: mgsd-lite train --resume run /,
    );
    expectToGoOn(expected);
  });

  it.runIf(fs.existsSync('/dev/full'))('whose disk is full keeps what it has, and goes on when there is room', () => {
    const expected = straight();
    const { status, stderr } = runWith(temporary.path, diskIsFull(), train);
    expect(status).toBe(1);
    expectOneLine(
      stderr,
      /Cannot write run\/checkpoint-stage0-4\.safetensors: the disk is full; free some space and go on \(a training with --resume\)/,
    );
    expect(checkpoints()).toEqual(['checkpoint-stage0-2.safetensors']);
    expect(files().filter(name => name.endsWith('.tmp'))).toEqual([]);
    expectToGoOn(expected);
  });

  it.runIf(posix)('is not begun in a folder that is read-only', async () => {
    fs.mkdirSync(temporary.file('closed'), { mode: 0o555 });
    fs.chmodSync(temporary.path, 0o755);
    const isRoot = process.getuid?.() === 0;
    if (isRoot && !isReadableByAll(launcher)) return; // nobody else may run it
    const child = startWith(temporary.path, ['train', '--out', 'closed/run', ...tinyRun], isRoot ? { uid: 65534 } : {});
    let stderr = '';
    child.stderr!.on('data', (data: Buffer) => (stderr += data.toString()));
    expect(await ended(child)).toBe(2);
    expectOneLine(stderr, /closed\/run: permission denied; choose another folder or change its permissions/);
    expect(fs.readdirSync(temporary.file('closed'))).toEqual([]);
  });

  it('ends in order, or at once, whenever and however often it is told to', async () => {
    const expected = straight();
    for (const [first, second, wait] of [
      ['SIGINT', 'SIGINT', 400],
      ['SIGTERM', 'SIGINT', 0],
      ['SIGINT', 'SIGINT', 20],
      ['SIGTERM', 'SIGTERM', 300],
    ] as const) {
      const child = startWith(temporary.path, fs.existsSync(temporary.file('run/config.json')) ? resume : train);
      const before = lines();
      await expect.poll(() => lines() > before, { timeout: 60_000, interval: 5 }).toBe(true);
      process.kill(Number(fs.readFileSync(temporary.file('run/pid'), 'utf8')), first);
      await new Promise(resolve => setTimeout(resolve, wait));
      child.kill(second);
      const code = await ended(child);
      expect([130, 143, 'SIGINT', 'SIGTERM']).toContain(code); // a name: the second came when nobody listened any more
      expect(files().filter(name => /lock|pid/.test(name))).toEqual([]);
    }
    expectToGoOn(expected);
  });

  it.runIf(posix)(
    'whose terminal is closed, or whose reader goes away, saves a checkpoint and goes on later',
    async () => {
      const expected = straight();
      for (const [code, end] of [
        [141, child => child.stdout!.destroy()], // as `| head -1` does, before the first update
        [129, child => ['SIGHUP', 'SIGHUP'].forEach(name => child.kill(name as 'SIGHUP'))],
      ] satisfies [number, (child: ChildProcess) => void][]) {
        fs.rmSync(temporary.file('run'), { recursive: true, force: true });
        const child = startWith(temporary.path, train);
        let stderr = '';
        child.stderr!.on('data', (data: Buffer) => (stderr += data.toString()));
        await new Promise(resolve => child.stdout!.once('data', resolve));
        if (code === 129) await expect.poll(lines, { timeout: 60_000, interval: 5 }).toBeGreaterThan(0);
        end(child);
        expect({ code: await ended(child), stderr }).toEqual({ code, stderr: '' });
        expect(checkpoints()).not.toEqual([]);
        expectToGoOn(expected);
      }
    },
  );

  it.runIf(fs.existsSync('/dev/full'))('whose output goes to a full disk goes on, and says so', () => {
    const expected = straight();
    const full = fs.openSync('/dev/full', 'w');
    const argv = [launcher, ...train];
    const { status, stderr } = spawnSync(process.execPath, argv, {
      cwd: temporary.path,
      stdio: ['ignore', full, 'pipe'],
    });
    fs.closeSync(full);
    expect(stderr.toString()).toMatch(/^standard output cannot be written \(ENOSPC.*\): the run goes on[^\n]*\n$/);
    expect(status).toBe(1);
    expect(bytesOf('run', 'stage0-16').equals(expected)).toBe(true);
  });

  it.runIf(posix)('ends in order when the npx that began it gets a Ctrl-C, or a SIGTERM', async () => {
    const bin = temporary.file('node_modules/.bin');
    fs.mkdirSync(bin, { recursive: true });
    fs.symlinkSync(launcher, path.join(bin, 'mgsd-lite'));
    fs.writeFileSync(temporary.file('package.json'), '{"name": "elsewhere", "private": true}');
    for (const [signal, toGroup] of [
      ['SIGINT', true],
      ['SIGTERM', false],
    ] as const) {
      const words = fs.existsSync(temporary.file('run/config.json'))
        ? resume
        : [...train, '--set', 'stage0.steps=100000'];
      const npx = spawn('npx', ['--no-install', 'mgsd-lite', ...words], {
        cwd: temporary.path,
        detached: true,
        stdio: 'ignore',
      });
      const before = lines();
      await expect.poll(() => lines() > before, { timeout: 60_000, interval: 5 }).toBe(true);
      process.kill(toGroup ? -npx.pid! : npx.pid!, signal);
      await ended(npx);
      await expect.poll(() => files().filter(name => /lock|pid/.test(name)), { timeout: 30_000 }).toEqual([]);
      expect(checkpoints()).toContain(`checkpoint-stage0-${lines()}.safetensors`);
    }
  });
});

function lines(): number {
  return fs.existsSync(log()) ? fs.readFileSync(log(), 'utf8').split('\n').length - 1 : 0;
}

function isReadableByAll(file: string): boolean {
  for (let at = file; ; at = path.dirname(at)) {
    if ((fs.statSync(at).mode & 0o005) !== 0o005) return false;
    if (at === path.dirname(at)) return true;
  }
}

describeWithAdapter('a run on a GPU', () => {
  it('that is lost ends with an exit code of its own, and says how to go on', () => {
    const gpu = ['--device', 'webgpu', '--set', 'stage0.steps=12', '--set', 'stage0.batch=2'];
    const argv = ['train', '--out', 'run', ...tinyRun.slice(4), ...only0, ...gpu];
    const { status, stderr } = runWith(temporary.path, deviceIsLost(log()), argv);
    expect(status).toBe(3);
    const own = stderr.replace(/^Warning: .*\n/gm, ''); // Dawn's, about limits of the software adapter
    expectOneLine(
      own,
      /stage0, update \d+: The GPU device was lost .*The last good checkpoint is run\/checkpoint-stage0-\d+.*Continue with: mgsd-lite train --resume run .*--device webgpu --threads 1$/m,
    );
    expect(files().filter(name => /lock|pid|\.tmp$/.test(name))).toEqual([]);
  }, 300_000);
});
