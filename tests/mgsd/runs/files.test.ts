import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import {
  isAlive,
  readFile,
  readJson,
  removeStaleTemporaries,
  writeFileAtomic,
  writeJson,
  writeNewFile,
} from '../../../mgsd/runs/files.js';
import { writeFolder } from '../../../mgsd/exchange/puzzle-files.js';
import { FileError } from '../../../mgsd/runs/file-error.js';
import { ended, printed, start, writeScript } from '../child.js';
import { useTemporaryFolder } from '../temporary.js';

const folder = useTemporaryFolder();
const posix = process.platform !== 'win32';

/** A process id that is certainly free: that of a process that has just ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

/** Expects one line that names the file and matches the pattern. */
function expectFileError(action: () => unknown, file: string, pattern: RegExp): void {
  let error: unknown;
  try {
    action();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(FileError);
  const { message } = error as Error;
  expect(message).toContain(file);
  expect(message).toMatch(pattern);
  expect(message).not.toContain('\n');
}

describe('writeFileAtomic', () => {
  it('writes new files and replaces old ones, and leaves nothing else behind', () => {
    const file = folder.file('a.txt');
    writeFileAtomic(file, 'one, and longer');
    writeFileAtomic(file, Uint8Array.of(116, 119, 111));
    expect(fs.readFileSync(file, 'utf8')).toBe('two');
    expect(fs.readdirSync(folder.path)).toEqual(['a.txt']);
  });

  it('is not stopped by what a killed process with the same id has left', () => {
    const next = () => fs.readdirSync(folder.path).find(name => name.endsWith('.tmp'))!;
    const rename = vi.spyOn(fs, 'renameSync').mockImplementationOnce(() => {
      const [, count] = /-(\d+)\.tmp$/.exec(next())!;
      fs.writeFileSync(folder.file(`.a.txt.${process.pid}-${Number(count) + 1}.tmp`), 'half');
    });
    writeFileAtomic(folder.file('a.txt'), 'lost');
    rename.mockRestore();
    writeFileAtomic(folder.file('a.txt'), 'whole');
    expect(fs.readFileSync(folder.file('a.txt'), 'utf8')).toBe('whole');
  });

  it.runIf(posix)('follows symbolic links, to files and to what is not there yet, and keeps the mode', () => {
    fs.mkdirSync(folder.file('there'));
    fs.writeFileSync(folder.file('there/a'), 'old', { mode: 0o640 });
    fs.chmodSync(folder.file('there/a'), 0o646);
    fs.symlinkSync('there/a', folder.file('link'));
    fs.symlinkSync('link', folder.file('chain'));
    fs.symlinkSync('there/new', folder.file('dangling'));
    writeFileAtomic(folder.file('chain'), 'new');
    writeFileAtomic(folder.file('dangling'), 'made');
    expect(fs.readFileSync(folder.file('there/a'), 'utf8')).toBe('new');
    expect(fs.statSync(folder.file('there/a')).mode & 0o777).toBe(0o646);
    expect(fs.readFileSync(folder.file('there/new'), 'utf8')).toBe('made');
    for (const name of ['link', 'chain', 'dangling'])
      expect(fs.lstatSync(folder.file(name)).isSymbolicLink()).toBe(true);
    expect(fs.readdirSync(folder.file('there')).sort()).toEqual(['a', 'new']);
    fs.symlinkSync('circle', folder.file('circle'));
    expectFileError(() => writeFileAtomic(folder.file('circle'), ''), folder.file('circle'), /symbolic links/);
  });

  it.runIf(posix)('writes into what is no regular file', async () => {
    const pipe = folder.file('pipe');
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    const reader = spawn('cat', [pipe], { stdio: ['ignore', 'pipe', 'inherit'] });
    const read = printed(reader);
    writeFileAtomic(pipe, 'through the pipe');
    expect(await read).toBe('through the pipe');
    expect(fs.lstatSync(pipe).isFIFO()).toBe(true);
    expect(fs.readdirSync(folder.path)).toEqual(['pipe']);
    if (fs.existsSync('/dev/full'))
      expectFileError(() => writeFileAtomic('/dev/full', 'x'), '/dev/full', /the disk is full/);
  });

  it('says what is wrong with the path', () => {
    fs.writeFileSync(folder.file('plain'), '');
    expectFileError(
      () => writeFileAtomic(folder.file('no/a.txt'), ''),
      folder.file('no/a.txt'),
      /no such file or folder/,
    );
    expectFileError(
      () => writeFileAtomic(folder.file('plain/a.txt'), ''),
      folder.file('plain/a.txt'),
      /part of the path is a file/,
    );
  });

  it('keeps the old contents and removes its temporary file when it cannot finish', () => {
    fs.mkdirSync(folder.file('target')); // a file cannot be renamed over a folder
    expect(() => writeFileAtomic(folder.file('target'), 'x')).toThrow(FileError);
    expect(fs.readdirSync(folder.path)).toEqual(['target']);
  });

  it.runIf(posix)('refuses a folder without permission', async () => {
    fs.mkdirSync(folder.file('closed'), { mode: 0o555 });
    fs.chmodSync(folder.path, 0o755); // for the other user that the script runs as if we are root, who may do anything
    const file = folder.file('closed/a.txt');
    const script = writeScript(
      folder.path,
      ['mgsd/runs/file-error.ts', 'models/json.ts', 'mgsd/runs/files.ts'],
      `import { writeFileAtomic } from './mgsd/runs/files.js';
       if (process.getuid() === 0) process.setuid(65534);
       try {
         writeFileAtomic(${JSON.stringify(file)}, 'x');
       } catch (error) {
         console.log(error.name + ' ' + error.message);
       }`,
    );
    const child = start(script);
    expect(await printed(child)).toBe(
      `FileError Cannot write ${file}: permission denied; choose another folder or change its permissions.\n`,
    );
    await ended(child);
  });

  it('never shows a half-written file when the writer is killed at any moment', async () => {
    const file = folder.file('big');
    const script = writeScript(
      folder.path,
      ['mgsd/runs/file-error.ts', 'models/json.ts', 'mgsd/runs/files.ts'],
      `import { writeFileAtomic } from './mgsd/runs/files.js';
       for (let i = 0; ; i = (i + 1) % 256) {
         writeFileAtomic(${JSON.stringify(file)}, new Uint8Array(2_000_000).fill(i));
         if (i === 0) process.stdout.write('ready');
       }`,
    );
    for (let attempt = 0; attempt < 8; attempt++) {
      const child = start(script);
      await printed(child);
      await new Promise(resolve => setTimeout(resolve, 13 * attempt)); // a different instant each time
      child.kill('SIGKILL');
      await ended(child);
      const contents = fs.readFileSync(file);
      expect(contents.length).toBe(2_000_000);
      expect(contents.equals(Buffer.alloc(2_000_000, contents[0]))).toBe(true);
    }
    removeStaleTemporaries(folder.path);
    expect(fs.readdirSync(folder.path).sort()).toEqual(['big', 'mgsd', 'models', 'package.json', 'script.js']);
  });
});

describe('removeStaleTemporaries', () => {
  it('spares the files of living processes and those of other kinds, and looks into folders', () => {
    const dead = `.a.json.${deadPid()}-0.tmp`;
    const alive = `.a.json.${process.ppid}-0.tmp`;
    const own = `.a.json.${process.pid}-9.tmp`; // of an earlier process with this id: in a container ids begin anew
    fs.mkdirSync(folder.file('set-aside-1'));
    for (const name of [dead, alive, own, '.hidden', 'a.tmp', `set-aside-1/${dead}`, `set-aside-1/${alive}`])
      fs.writeFileSync(folder.file(name), '');
    removeStaleTemporaries(folder.path);
    expect(fs.readdirSync(folder.path).sort()).toEqual([alive, '.hidden', 'a.tmp', 'set-aside-1'].sort());
    expect(fs.readdirSync(folder.file('set-aside-1'))).toEqual([alive]);
  });

  it('is done for an output, a file or a folder, when it is written again', async () => {
    const pid = deadPid();
    const [other, alive] = [`.b.json.${pid}-0.tmp`, `.a.json.${process.ppid}-0.tmp`];
    for (const name of [`.a.json.${pid}-7.tmp`, other, alive]) fs.writeFileSync(folder.file(name), 'half');
    fs.mkdirSync(folder.file(`.boards.${pid}-0.tmp/text`), { recursive: true });
    writeFileAtomic(folder.file('a.json'), '{}');
    await writeFolder(folder.file('boards'), temporary => {
      expect(temporary).toMatch(/\.boards\.\d+-\d+\.tmp$/);
      writeNewFile(`${temporary}/text/a`, 'a');
    });
    expect(fs.readdirSync(folder.path).sort()).toEqual([alive, other, 'a.json', 'boards'].sort());
    expect(fs.readFileSync(folder.file('boards/text/a'), 'utf8')).toBe('a');
  });

  it.runIf(posix)('and what a link to a folder leads to is filled', async () => {
    fs.mkdirSync(folder.file('real'));
    fs.symlinkSync('real', folder.file('link'));
    await writeFolder(folder.file('link'), temporary => {
      writeNewFile(`${temporary}/a`, 'a');
    });
    expect(fs.readdirSync(folder.file('real'))).toEqual(['a']);
    expect(fs.lstatSync(folder.file('link')).isSymbolicLink()).toBe(true);
  });
});

describe('isAlive', () => {
  it('knows living from dead', () => {
    expect(isAlive(process.pid)).toBe(true);
    expect(isAlive(deadPid())).toBe(false);
  });
});

describe('readFile', () => {
  it('reads what is there', () => {
    fs.writeFileSync(folder.file('a'), 'hello');
    expect(readFile(folder.file('a')).toString()).toBe('hello');
  });

  it('refuses what is missing, a folder, or too large', () => {
    fs.writeFileSync(folder.file('a'), 'hello');
    expectFileError(() => readFile(folder.file('none')), folder.file('none'), /no such file/);
    expectFileError(() => readFile(folder.path), folder.path, /this is a folder/);
    expectFileError(() => readFile(folder.file('a'), 4), folder.file('a'), /5 bytes, more than the 4/);
  });

  it.runIf(posix)('refuses pipes and devices instead of waiting for them', () => {
    expectFileError(() => readFile('/dev/zero'), '/dev/zero', /not a regular file/);
    const pipe = folder.file('pipe');
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    expectFileError(() => readFile(pipe), pipe, /not a regular file/);
  });
});

describe('readJson', () => {
  it('reads what writeJson wrote, and files with a byte order mark', () => {
    writeJson(folder.file('a.json'), { list: [1, 'ä'] });
    expect(readJson(folder.file('a.json'))).toEqual({ list: [1, 'ä'] });
    fs.writeFileSync(folder.file('b.json'), '\uFEFF{"a": 1}');
    expect(readJson(folder.file('b.json'))).toEqual({ a: 1 });
  });

  it('names the place of a mistake', () => {
    const file = folder.file('bad.json');
    fs.writeFileSync(file, '{\n  "a": 1,\n  "b": }\n');
    expectFileError(() => readJson(file), file, /not valid JSON/);
    fs.writeFileSync(file, '{\n  "a": [1, 2');
    expectFileError(() => readJson(file), file, /not valid JSON \(line 2, column \d+: /);
  });
});
