import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { differingFiles } from '../../../bench/soak/equality.js';
import { jsonLines, tinyRun } from '../capture.js';
import { ended } from '../child.js';
import { useTemporaryFolder } from '../temporary.js';

const root = path.join(import.meta.dirname, '../../..');
const launcher = path.join(root, 'mgsd/mgsd-lite.js');
const temporary = useTemporaryFolder();

function run(...argv: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [launcher, ...argv], {
    encoding: 'utf8',
    cwd: temporary.path,
  });
  return { status, stdout, stderr };
}

function start(...argv: string[]): ChildProcess {
  return spawn(process.execPath, [launcher, ...argv], { stdio: ['ignore', 'pipe', 'pipe'], cwd: temporary.path });
}

interface Event {
  readonly event: string;
  readonly [key: string]: unknown;
}

const eventsOf = (text: string) => jsonLines<Event>(text);
const log = (folder: string) => jsonLines(fs.readFileSync(path.join(temporary.path, folder, 'log.jsonl'), 'utf8'));

describe('a run', () => {
  it('is the same whether it was interrupted or not, and whatever reads its output', async () => {
    const slow = [...tinyRun, '--set', 'stage0.steps=250'];
    const straight = run('train', '--json', '--out', 'straight', ...slow);
    expect(straight.stderr).toBe('');
    expect(straight.status).toBe(0);
    const events = eventsOf(straight.stdout);
    expect(events[0]).toMatchObject({ event: 'device', backend: 'wasm', threads: 1 });
    expect(events[1]).toMatchObject({ event: 'run', resume: false });
    expect(events.filter(({ event }) => event === 'step')).toHaveLength(258);
    expect(events.filter(({ event }) => event === 'row').map(({ name }) => name)).toEqual([
      ...['symbolic', 'base', 'stage1', 'stage1-symbolic'],
      ...['mgsd', 'mgsd-symbolic', 'mgsd-blank', 'mgsd-shuffled'],
    ]);
    expect(events.at(-1)).toMatchObject({ event: 'end', folder: 'straight' });

    const stopped = start('train', '--out', 'stopped', ...slow);
    let text = '';
    stopped.stdout!.on('data', (data: Buffer) => (text += data.toString()));
    const logFile = path.join(temporary.path, 'stopped/log.jsonl');
    await expect
      .poll(() => fs.existsSync(logFile) && fs.statSync(logFile).size > 0, { timeout: 30_000, interval: 10 })
      .toBe(true);
    stopped.kill('SIGINT');
    expect(await ended(stopped)).toBe(130);
    expect(text).toMatch(/^wasm: /);
    expect(text).toMatch(
      /saved stopped\/checkpoint-stage0-\d+\.safetensors\. Continue with: mgsd-lite train --resume stopped /,
    );
    expect(fs.existsSync(path.join(temporary.path, 'stopped/pid'))).toBe(false);
    const done = log('stopped').length;
    expect(done).toBeLessThan(250);

    const resumed = run('train', '--resume', 'stopped', '--device', 'wasm', '--threads', '1');
    expect(resumed.stderr).toBe('');
    expect(resumed.status).toBe(0);
    expect(resumed.stdout).toContain(`stage0 resumes after update ${done}`);
    expect(resumed.stdout).toMatch(
      /Stage 1 taught it to write down \d+ % of the boards it sees, and to plan on \d+ %\./,
    );
    expect(resumed.stdout).toMatch(/stopped holds the run/);
    const different = differingFiles(temporary.file('straight'), temporary.file('stopped'));
    expect(different.filter(name => name !== 'report.html')).toEqual([]); // it names the run and its speed

    const finished = run('train', '--resume', '--json', '--device', 'wasm', '--threads', '1', '--out', 'straight');
    expect(eventsOf(finished.stdout).filter(({ event }) => event === 'step')).toEqual([]);
    expect(eventsOf(finished.stdout).at(-1)).toMatchObject({ event: 'end' });
  }, 240_000); // four trainings, one after the other

  it('runs one stage after the other, and a baseline on request', () => {
    const few = ['--set', 'stage0.steps=2', '--set', 'stage1.steps=1', '--set', 'stage2.steps=1'];
    expect(run('train', '--stage', 'stage0', '--out', 'run', ...tinyRun, ...few).status).toBe(0);
    const early = run('train', '--resume', 'run', '--stage', 'stage2', '--device', 'wasm', '--threads', '1');
    expect(early.status).toBe(1);
    expect(early.stderr).toMatch(
      /^error: run has no checkpoint of stage1, which this stage starts from: run stage1 first\.\n$/,
    );
    const direct = run('train', '--resume', 'run', '--stage', 'direct', '--device', 'wasm', '--threads', '1');
    expect(direct.stderr).toBe('');
    expect(direct.stdout).toContain('direct image-to-plan supervision');
    expect(new Set(log('run').map(({ stage }) => stage))).toEqual(new Set(['stage0', 'direct']));
  });

  it('ends with a checkpoint when it is terminated, and is known by its process id', async () => {
    const child = start('train', '--out', 'run', ...tinyRun, '--set', 'stage0.steps=100000');
    const logFile = path.join(temporary.path, 'run/log.jsonl');
    await expect
      .poll(() => fs.existsSync(logFile) && fs.statSync(logFile).size > 0, { timeout: 30_000, interval: 10 })
      .toBe(true);
    const second = run('train', '--resume', 'run', '--device', 'wasm', '--threads', '1');
    expect([second.status, second.stderr.split('\n').length]).toEqual([2, 2]);
    expect(second.stderr).toMatch(/^error: .*in use/);
    process.kill(Number(fs.readFileSync(path.join(temporary.path, 'run/pid'), 'utf8')), 'SIGTERM');
    expect(await ended(child)).toBe(143);
    expect(fs.readdirSync(path.join(temporary.path, 'run')).some(name => name.startsWith('checkpoint-stage0-'))).toBe(
      true,
    );
  });
});

describe('as a process', () => {
  it('prints one line about wrong input, and no stack', () => {
    const { status, stdout, stderr } = run('train', '--foo');
    expect({ status, stdout, stderr }).toEqual({ status: 2, stdout: '', stderr: "error: unknown option '--foo'\n" });
  });

  it('ends quietly when its reader goes away', async () => {
    const child = start('train', '--json', '--out', 'run', ...tinyRun, '--set', 'stage0.steps=100000');
    let errors = '';
    child.stderr!.on('data', (data: Buffer) => (errors += data.toString()));
    await new Promise(resolve => child.stdout!.once('data', resolve));
    child.stdout!.destroy();
    expect(await ended(child)).toBe(141);
    expect(errors).toBe('');
    expect(fs.readdirSync(temporary.file('run')).join()).toMatch(/checkpoint-stage0-\d+\.safetensors/);
  });

  it('can be imported by its name without doing anything', () => {
    const code =
      "import * as m from 'mgsd-lite'; console.log(typeof m.loadPlanner, typeof m.train, m.presets.tiny.preset)";
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      encoding: 'utf8',
      cwd: root,
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'function function tiny\n', stderr: '' });
  });
});
