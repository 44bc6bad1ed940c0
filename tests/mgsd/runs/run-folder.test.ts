import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { FileError } from '../../../mgsd/runs/file-error.js';
import { lockFolder } from '../../../mgsd/runs/lock.js';
import { RunFolder } from '../../../mgsd/runs/run-folder.js';
import type { StoreOptions } from '../../../mgsd/runs/store.js';
import type { StageName } from '../../../mgsd/method/stages/stage.js';
import { ended, printed, start, writeScript } from '../child.js';
import { useTemporaryFolder } from '../temporary.js';

const folder = useTemporaryFolder();

/** A run in the test's folder, with the warnings it gave. */
function create(options: StoreOptions = {}): { run: RunFolder; warnings: string[] } {
  const warnings: string[] = [];
  const run = RunFolder.create(folder.file('run'), { seed: 1 }, { warn: m => warnings.push(m), ...options });
  return { run, warnings };
}
const open = (): RunFolder => RunFolder.open(folder.file('run'));
/** What a process leaves that held a folder and was killed. @param holder its file's name; empty: none */
function writeLock(run: string, holder: string): void {
  fs.rmSync(folder.file(`${run}/lock`), { recursive: true, force: true });
  fs.mkdirSync(folder.file(`${run}/lock`));
  if (holder !== '') fs.writeFileSync(folder.file(`${run}/lock/${holder}`), '');
}
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const names = (run: RunFolder): string[] => run.checkpoints().map(found => path.basename(found.path));

describe('a run folder', () => {
  it('is made with its config, is locked while open and says by whom', () => {
    const { run } = create();
    expect(run.readJson('config.json')).toEqual({ seed: 1 });
    expect(fs.readFileSync(run.file('pid'), 'utf8')).toBe(`${process.pid}\n`);
    run.close();
    run.close();
    expect(fs.readdirSync(run.path)).toEqual(['config.json']);
  });

  it('is not made where something else is', () => {
    fs.mkdirSync(folder.file('run'));
    fs.writeFileSync(folder.file('run/thesis.txt'), 'my only copy');
    expect(() => create()).toThrow(/not empty and not a run \(it has thesis.txt\)/);
    expect(() => open()).toThrow(/not the folder of a run/);
    expect(fs.readdirSync(folder.file('run'))).toEqual(['thesis.txt']);
    fs.writeFileSync(folder.file('file'), '');
    expect(() => RunFolder.create(folder.file('file'), {})).toThrow(FileError);
    expect(() => RunFolder.create(folder.file('file/below'), {})).toThrow(/part of the path is a file/);
  });

  it('is not made twice, but opened again', () => {
    create().run.close();
    expect(() => create()).toThrow(/holds a run already: go on with it by --resume/);
    const run = open();
    expect(run.readJson('config.json')).toEqual({ seed: 1 });
    run.close();
  });

  it('is made over the leftovers of a run that was killed before it began', () => {
    fs.mkdirSync(folder.file('run'));
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    writeLock('run', `${dead}-@${os.hostname()}`);
    fs.mkdirSync(folder.file(`run/.lock.${dead}-0.tmp`));
    fs.writeFileSync(folder.file('run/pid'), `${dead}\n`);
    fs.writeFileSync(folder.file(`run/.config.json.${dead}-0.tmp`), '{');
    create().run.close();
    expect(fs.readdirSync(folder.file('run'))).toEqual(['config.json']);
  });

  it('refuses stage names that would climb out of it', () => {
    const { run } = create();
    expect(() => run.saveCheckpoint('../up' as StageName, 1, bytes())).toThrow(RangeError);
    expect(() => run.saveCheckpoint('stage0', 1.5, bytes())).toThrow(RangeError);
    run.close();
  });
});

describe('the lock', () => {
  it('keeps out a second run in the same process', () => {
    const { run } = create();
    expect(() => open()).toThrow(new RegExp(`in use by process ${process.pid}`));
    run.close();
    open().close();
  });

  it('keeps out others while its holder lives, and is taken over when it has died', async () => {
    create().run.close();
    const holder = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    const lock = `${holder.pid}-@${os.hostname()}`;
    writeLock('run', lock);
    expect(() => open()).toThrow(/in use by process/);
    expect(fs.readdirSync(folder.file('run/lock'))).toEqual([lock]);
    holder.kill('SIGKILL');
    await ended(holder);
    open().close();
  });

  it.runIf(process.platform === 'linux')('is not fooled by a later process with the same id', () => {
    create().run.close();
    writeLock('run', `${process.pid}-1@${os.hostname()}`);
    open().close();
    expect(fs.existsSync(folder.file('run/lock'))).toBe(false);
  });

  it('counts a holder on another machine as alive, and a damaged lock as stale', () => {
    create().run.close();
    writeLock('run', '1-@elsewhere.invalid');
    expect(() => open()).toThrow(/in use by process 1 on elsewhere.invalid/);
    for (const damaged of ['', '1', '-1-2@h', 'x-1@h', 'lock.json']) {
      writeLock('run', damaged);
      open().close();
    }
  });

  it('lets only one of several processes in at a time, also over a stale lock', async () => {
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    const target = folder.file('shared');
    fs.mkdirSync(target);
    writeLock('shared', `${dead}-@${os.hostname()}`);
    const diary = folder.file('diary');
    const script = writeScript(
      folder.path,
      ['mgsd/runs/file-error.ts', 'models/json.ts', 'mgsd/runs/files.ts', 'mgsd/runs/lock.ts'],
      `import fs from 'node:fs';
       import { lockFolder } from './mgsd/runs/lock.js';
       fs.linkSync = () => { throw new Error('a file system without hard links'); };
       for (let turns = 0; turns < 10; ) {
         let release;
         try {
           release = lockFolder(${JSON.stringify(target)});
         } catch (error) {
           if (!error.message.includes('in use')) throw error;
           continue;
         }
         fs.appendFileSync(${JSON.stringify(diary)}, process.pid + ' in\\n');
         fs.appendFileSync(${JSON.stringify(diary)}, process.pid + ' out\\n');
         if (turns++ < 9) release();
         else process.kill(process.pid, 'SIGKILL'); // the lock is left for the others
       }`,
    );
    const children = [start(script), start(script), start(script)];
    expect(await Promise.all(children.map(ended))).toEqual(['SIGKILL', 'SIGKILL', 'SIGKILL']);
    const lines = fs.readFileSync(diary, 'utf8').trim().split('\n');
    expect(lines).toHaveLength(60);
    for (let i = 0; i < lines.length; i += 2) {
      expect(lines[i]).toMatch(/ in$/);
      expect(lines[i + 1]).toBe(lines[i]!.replace(' in', ' out'));
    }
    lockFolder(target)();
    expect(fs.readdirSync(target)).toEqual([]);
  });

  it('is not taken from a process that takes over a stale one at the same moment', () => {
    create().run.close();
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    writeLock('run', `${dead}-@${os.hostname()}`);
    const quicker = `${process.ppid}-@${os.hostname()}`;
    const readdir = fs.readdirSync.bind(fs);
    const spy = vi.spyOn(fs, 'readdirSync').mockImplementationOnce(((name: string) => {
      const found = readdir(name);
      writeLock('run', quicker); // behind our look, before our next step
      return found;
    }) as typeof fs.readdirSync);
    expect(() => open()).toThrow(new RegExp(`in use by process ${process.ppid}`));
    spy.mockRestore();
    expect(fs.readdirSync(folder.file('run/lock'))).toEqual([quicker]);
  });

  it('holds while its holder does nothing but compute, however long: no clock can take it away', async () => {
    create().run.close();
    const script = writeScript(
      folder.path,
      ['mgsd/runs/file-error.ts', 'models/json.ts', 'mgsd/runs/files.ts', 'mgsd/runs/lock.ts'],
      `import fs from 'node:fs';
       import { lockFolder } from './mgsd/runs/lock.js';
       lockFolder(${JSON.stringify(folder.file('run'))});
       fs.writeSync(1, 'held');
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); // no timer runs, no event is heard`,
    );
    const holder = start(script);
    await printed(holder);
    const longAgo = new Date(0);
    for (const name of ['lock', 'pid', ...fs.readdirSync(folder.file('run/lock')).map(file => `lock/${file}`)])
      fs.utimesSync(folder.file(`run/${name}`), longAgo, longAgo);
    expect(() => open()).toThrow(new RegExp(`in use by process ${holder.pid}`));
    holder.kill('SIGKILL');
    await ended(holder);
    open().close();
  });

  it('goes when its process ends without closing the folder', async () => {
    fs.mkdirSync(folder.file('shared'));
    const script = writeScript(
      folder.path,
      ['mgsd/runs/file-error.ts', 'models/json.ts', 'mgsd/runs/files.ts', 'mgsd/runs/lock.ts'],
      `import { lockFolder } from './mgsd/runs/lock.js';
       lockFolder(${JSON.stringify(folder.file('shared'))});
       process.exit(9);`,
    );
    expect(await ended(start(script))).toBe(9);
    expect(fs.readdirSync(folder.file('shared'))).toEqual([]);
  });
});

describe('the log', () => {
  const record = (step: number, stage = 'stage0'): { stage: string; step: number; loss: number } => ({
    stage,
    step,
    loss: 1 / (step + 1),
  });

  it('is read as it was written, and names numbers that JSON cannot hold', () => {
    const { run } = create();
    run.appendLog(record(1));
    run.appendLog({ stage: 'stage0', step: 2, loss: NaN, scale: -Infinity });
    expect(run.readLog()).toEqual([record(1), { stage: 'stage0', step: 2, loss: 'NaN', scale: '-Infinity' }]);
    run.close();
  });

  it('survives a crash in the middle of a line', () => {
    const { run } = create();
    run.appendLog(record(1));
    run.close();
    fs.appendFileSync(folder.file('run/log.jsonl'), '{"stage":"stage0","st');
    const again = open();
    expect(again.readLog()).toEqual([record(1)]);
    again.appendLog(record(2));
    expect(again.readLog()).toEqual([record(1), record(2)]);
    again.close();
  });

  it.each(['log.jsonl', 'watch.jsonl'])('loses no line of %s behind the half line of a crash', name => {
    const { run } = create();
    fs.writeFileSync(run.file(name), `${JSON.stringify(record(1))}\n{"stage":"stage0","st`);
    run.append(name, JSON.stringify(record(2)));
    expect(run.readLog(name)).toEqual([record(1), record(2)]);
    run.close();
  });

  it('leaves out damaged lines with a warning', () => {
    const { run, warnings } = create();
    expect(run.readLog()).toEqual([]);
    run.appendLog(record(1));
    fs.appendFileSync(run.file('log.jsonl'), '\u0000\u0000\n"text"\nnull\n');
    run.appendLog(record(2));
    expect(run.readLog()).toEqual([record(1), record(2)]);
    const log = run.file('log.jsonl');
    expect(warnings).toEqual([
      `${log}, line 2, column 1: expected a value; the line was left out.`,
      `${log}, line 3: it names no stage and step; the line was left out.`,
      `${log}, line 4: it names no stage and step; the line was left out.`,
    ]);
    run.close();
  });

  it('is taken back to a checkpoint', () => {
    const { run } = create();
    const all = [record(1), record(2), record(1, 'stage1'), record(2, 'stage1'), record(1, 'stage2')];
    for (const line of all) run.appendLog(line);
    run.rewind('stage1', 1);
    run.appendLog(record(2, 'stage1'));
    // what other stages have written stays: they are not run again
    expect(run.readLog()).toEqual([...all.slice(0, 3), record(1, 'stage2'), record(2, 'stage1')]);
    run.close();
  });
});

describe('checkpoints', () => {
  it('are found by stage and step, the newest first, and nothing else is taken for one', () => {
    const { run } = create({ keepLast: 9 });
    run.saveCheckpoint('stage1', 5, bytes(1));
    run.saveCheckpoint('stage0', 100, bytes(2));
    run.saveCheckpoint('stage0', 20, bytes(3));
    for (const name of [
      'checkpoint-stage9-1.safetensors',
      'checkpoint-stage0-x.safetensors',
      'checkpoint-stage0-1.txt',
    ])
      fs.writeFileSync(run.file(name), '');
    expect(names(run)).toEqual([
      'checkpoint-stage1-5.safetensors',
      'checkpoint-stage0-100.safetensors',
      'checkpoint-stage0-20.safetensors',
    ]);
    run.close();
  });

  it('are kept: the last ones of each stage, and the best', () => {
    const { run } = create();
    const scores = [0.1, 0.8, NaN, 0.3, 0.8];
    scores.forEach((score, step) => run.saveCheckpoint('stage1', step, bytes(step), score));
    for (let step = 0; step < 3; step++) run.saveCheckpoint('stage0', step, bytes(step));
    expect(names(run)).toEqual([
      'checkpoint-stage1-4.safetensors',
      'checkpoint-stage1-3.safetensors',
      'checkpoint-stage1-1.safetensors', // the first of the two best
      'checkpoint-stage0-2.safetensors',
      'checkpoint-stage0-1.safetensors',
    ]);
    expect(run.best('stage1')).toEqual({ path: run.file('checkpoint-stage1-1.safetensors'), score: 0.8 });
    expect(run.best('stage0')).toBeUndefined();
    run.rate('stage0', 1, 0.1);
    run.rate('stage0', 2, 0.2);
    run.rate('stage0', 2, NaN);
    expect(run.best('stage0')).toEqual({ path: run.file('checkpoint-stage0-2.safetensors'), score: 0.2 });
    expect(run.best('stage1')?.score).toBe(0.8);
    run.close();
  });

  it('of an interruption go once there is a newer one, so that those of a straight run are left', () => {
    const { run } = create();
    const isRegular = (step: number) => step % 3 === 0;
    for (const step of [3, 6, 9, 10, 11]) run.saveCheckpoint('stage0', step, bytes(step), NaN, isRegular);
    expect(names(run)).toEqual([11, 9, 6].map(step => `checkpoint-stage0-${step}.safetensors`));
    run.saveCheckpoint('stage0', 12, bytes(12), NaN, isRegular);
    expect(names(run)).toEqual([12, 9].map(step => `checkpoint-stage0-${step}.safetensors`));
    run.close();
  });

  it('are chosen anew by the looks up to where a run goes back to', () => {
    const { run } = create({ keepLast: 9 });
    const look = (step: number, score: number) =>
      run.append('watch.jsonl', JSON.stringify({ stage: 'stage1', step, score }));
    run.saveCheckpoint('stage0', 1, bytes(1), 0.3);
    for (const [step, score] of [
      [1, 0.2],
      [2, 0.7],
      [3, 0.7],
      [4, 0.9],
    ] as const) {
      look(step, score);
      run.saveCheckpoint('stage1', step, bytes(step), score);
    }
    run.rewind('stage1', 3);
    expect(run.best('stage1')).toEqual({ path: run.file('checkpoint-stage1-2.safetensors'), score: 0.7 });
    expect(run.readLog('watch.jsonl').map(({ step }) => step)).toEqual([1, 2, 3]);
    look(4, 0.9); // and a crash before it was rated
    run.rewind('stage1', 4);
    expect(run.best('stage1')?.score).toBe(0.9);
    run.rewind('stage1', 0);
    expect(run.best('stage1')).toBeUndefined();
    expect(run.best('stage0')?.score).toBe(0.3);
    run.close();
  });

  it('have no best one while none is rated, or when its record is damaged', () => {
    const { run, warnings } = create();
    run.saveCheckpoint('stage0', 1, bytes(1));
    expect(run.best('stage0')).toBeUndefined();
    run.saveCheckpoint('stage0', 2, bytes(1), 0.5);
    expect(run.best('stage0')?.score).toBe(0.5);
    fs.writeFileSync(run.file('best.json'), '{"stage0": {"file": "../../etc/passwd", "score": 9}}');
    expect(run.best('stage0')).toBeUndefined();
    fs.writeFileSync(run.file('best.json'), '{"stage0": null}');
    expect(run.best('stage0')).toBeUndefined();
    fs.writeFileSync(run.file('best.json'), '{"file"');
    expect(run.best('stage0')).toBeUndefined();
    expect(warnings).toHaveLength(1);
    run.saveCheckpoint('stage0', 3, bytes(1), 0.4);
    expect(run.best('stage0')?.score).toBe(0.4);
    run.close();
  });

  it('that came after one are set aside with the log, and nothing is lost', () => {
    const { run } = create({ keepLast: 9 });
    for (const step of [1, 2, 3]) run.saveCheckpoint('stage1', step, bytes(step));
    run.saveCheckpoint('stage0', 9, bytes(9));
    run.saveCheckpoint('stage2', 1, bytes(1));
    run.appendLog({ stage: 'stage1', step: 3 });
    fs.writeFileSync(run.file('table.json'), '[]');
    const target = run.setAside(
      run.checkpoints().find(({ stage, step }) => stage === 'stage1' && step === 2)!,
      ['table.json', 'none'],
    );
    expect(target).toBe(run.file('set-aside-1'));
    expect(fs.readdirSync(target!).sort()).toEqual([
      'checkpoint-stage1-3.safetensors',
      'checkpoint-stage2-1.safetensors',
      'log.jsonl',
      'table.json',
    ]);
    expect(names(run)).toEqual([
      'checkpoint-stage1-2.safetensors',
      'checkpoint-stage1-1.safetensors',
      'checkpoint-stage0-9.safetensors',
    ]);
    expect(run.setAside(run.checkpoints()[0]!, ['table.json'])).toBeUndefined();
    run.close();
  });
});

describe('the table', () => {
  it('is written for programs and for people', () => {
    const { run } = create();
    run.writeTable([{ row: 'base', success: 0.1 }], '| row | success |');
    expect(JSON.parse(fs.readFileSync(run.file('table.json'), 'utf8'))).toEqual([{ row: 'base', success: 0.1 }]);
    expect(fs.readFileSync(run.file('table.md'), 'utf8')).toBe('| row | success |\n');
    run.close();
  });
});
