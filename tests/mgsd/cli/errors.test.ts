import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { DeviceError } from '../../../core/index.js';
import { commandLine } from '../../../mgsd/cli/command.js';
import { checkInput, errorLine, ExitError, exitCodeOf, explained, InputError } from '../../../mgsd/cli/errors.js';
import { oneLine, printable } from '../../../mgsd/cli/errors.js';
import { parseOverride } from '../../../mgsd/method/config.js';
import { FileError } from '../../../mgsd/runs/file-error.js';
import { explain } from '../../../mgsd/runs/files.js';
import { run } from '../capture.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();

const thrownBy = (body: () => unknown): unknown => {
  try {
    body();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};
const systemError = (code: string) => Object.assign(new Error(`${code}: some words`), { code, path: '/there' });

describe('the exit code', () => {
  it.each<[what: string, error: unknown, code: number]>([
    ['a code of its own', new ExitError(4, ''), 4],
    ['memory of the device', new DeviceError('memory', ''), 5],
    ['memory of the machine', new RangeError('Array buffer allocation failed'), 5],
    ['memory for a WebAssembly heap', new RangeError('WebAssembly.Memory(): could not allocate memory'), 5],
    ['wrong input', new InputError(''), 2],
    ['a path', explain(systemError('ENOENT'), 'Cannot write', 'a'), 2],
    ['links in a circle', explained(systemError('ELOOP')), 2],
    ['a full disk', explain(systemError('ENOSPC'), 'Cannot write', 'a'), 1],
    [
      'a full disk met while input was checked',
      thrownBy(() =>
        checkInput(() => {
          throw systemError('ENOSPC');
        }),
      ),
      1,
    ],
    ['a file that cannot be used', new FileError(''), 2],
    ['anything else', new RangeError('index out of range'), 1],
  ])('of %s', (_what, error, code) => {
    expect(exitCodeOf(error)).toBe(code);
  });

  it('goes with the same words, whoever meets the error', async () => {
    fs.writeFileSync(temporary.file('file'), '');
    const inFile = temporary.file('file/a');
    const raw = thrownBy(() => fs.mkdirSync(path.join(inFile, 'b'), { recursive: true }));
    expect(errorLine(explained(raw))).toMatch(/^error: Cannot make the folder .*a part of the path is a file/);
    expect(await run('config', 'schema', '--out', inFile)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^error: Cannot write .*file\/a: a part of the path is a file/) as string,
    });
    const folder = await run('config', 'schema', '--out', temporary.path);
    expect(folder).toMatchObject({
      code: 2,
      err: `error: Cannot write ${temporary.path}: this is a folder, but a file is needed.`,
    });
    expect(fs.readdirSync(temporary.path)).toEqual(['file']);
  });
});

describe('text from files', () => {
  it('cannot move the cursor, turn text around or forge lines', () => {
    const nasty = 'a\u001b[2J\u009b1A\r\nerror: forged\u202e\u2028b\u0007';
    expect(oneLine(nasty)).toBe('a\\u001b[2J\\u009b1A error: forged\\u202e\\u2028b\\u0007');
    expect(printable('\u001b[31mred\u001b[39m\n\u001b[8mhidden\u001b]0;title\u0007', true)).toBe(
      '\u001b[31mred\u001b[39m\n\\u001b[8mhidden\\u001b]0;title\\u0007',
    );
    expect(JSON.parse(printable(JSON.stringify({ a: nasty }, null, 2)))).toEqual({ a: nasty });
    expect(errorLine(new Error('x'.repeat(6_000_000))).length).toBeLessThan(2100);
  });

  it('is printed by no command as it is', async () => {
    const { code, err } = await run('train', '--set', 'stage0.\u001b[2J\nerror: forged=1');
    expect(code).toBe(2);
    expect(err).not.toMatch(/\u001b|\n/); // eslint-disable-line no-control-regex
    expect(err).toContain('\\u001b[2J');
    fs.writeFileSync(temporary.file('c.json'), JSON.stringify({ 'a\u001b[31m\u009b': 1 }));
    expect((await run('train', '--config', temporary.file('c.json'))).err).not.toMatch(/[\u001b\u009b]/); // eslint-disable-line no-control-regex
  });

  it.runIf(process.platform !== 'win32')('adds no lines to results', async () => {
    const name = 'a\n0 samples, 0 files that cannot be used\u001b[2J';
    const folder = temporary.file('boards/FrozenLake/level3/text');
    fs.mkdirSync(folder, { recursive: true });
    for (const file of [`${name}.txt`, 'b.txt'])
      fs.writeFileSync(path.join(folder, file), ['task=frozenlake', 'map:', 'SFG', 'FHF', 'FFF'].join('\n'));
    const { out } = await run('data', 'check', temporary.file('boards'));
    expect(out.split('\n').filter(line => /^\d+ samples/.test(line))).toEqual([
      '2 samples, 0 files that cannot be used',
    ]);
    expect(out).toContain(
      'the same board as FrozenLake/level3/text/a\\u000a0 samples, 0 files that cannot be used\\u001b[2J.txt',
    );
  });
});

describe('a setting', () => {
  it.each([
    [
      'tasks=[{"world": "maze", "world": "maze"}]',
      /^tasks: not valid JSON \(line 1, column \d+: the key "world" stands/,
    ],
    ['stage1.gate={"steps": 3', /^stage1\.gate: not valid JSON \(line 1, column \d+: expected a comma/],
    [`tasks=${'['.repeat(60_000)}`, /brackets more than 127 deep/],
    [`${'a.'.repeat(60_000)}a=1`, /60001 levels deep/],
  ])('%.20s is refused with its place', (text, message) => {
    expect(() => parseOverride(text)).toThrow(message);
  });

  it('may be plain text', () => {
    expect(parseOverride('stage2.writer=teacher')).toEqual({ stage2: { writer: 'teacher' } });
  });
});

it.runIf(process.platform !== 'win32')('a command line for pasting comes out of a shell as it went in', () => {
  const folder = 'it\'s $(touch x) `y` "z" \\';
  const line = commandLine('train', { resume: folder, out: '-dash' });
  const script = `printf '%s\\n' ${line.replace('mgsd-lite ', '')}`;
  const { stdout } = spawnSync('sh', ['-c', script], { encoding: 'utf8', cwd: temporary.path });
  expect(stdout.split('\n')).toEqual(['train', '--resume', folder, '--out=-dash', '']);
});

it.runIf(fs.existsSync('/dev/full'))('a full standard output is one line', async () => {
  const launcher = path.join(import.meta.dirname, '../../../mgsd/mgsd-lite.js');
  const full = fs.openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [launcher, 'config', 'schema'], { stdio: ['ignore', full, 'pipe'] });
  let said = '';
  child.stderr!.on('data', (data: Buffer) => (said += data.toString()));
  const code = await new Promise(resolve => child.once('close', resolve));
  fs.closeSync(full);
  expect([code, said]).toEqual([
    1,
    expect.stringMatching(/^error: Cannot write standard output: the disk is full.*\n$/),
  ]);
});

describe('an empty value', () => {
  it.each(['train', 'eval', 'plan', 'data generate', 'data judge', 'data show', 'export', 'ablate'])(
    'is refused by every option of %s',
    async command => {
      const words = command.split(' ');
      const { out } = await run(...words, '--help');
      const names = [...out.matchAll(/^ {2}(--[\w-]+) [<[]/gm)].map(([, name = '']) => name);
      expect(names.length).toBeGreaterThan(1);
      for (const name of names.filter(name => name !== '--set')) {
        const { code, err } = await run(...words, name, '');
        expect([code, err.split('\n').length], name).toEqual([2, 1]);
        expect(err).toMatch(new RegExp(`^error: .*${name} .*(empty|number|Choose|Give|valid JSON)`));
      }
    },
  );

  it.each([['report'], ['eval'], ['data', 'check'], ['plan'], ['train', '--set']])(
    'is no argument of %s',
    async (...words) => {
      const { code, err } = await run(...words, '');
      expect([code, err.split('\n').length]).toEqual([2, 1]);
      expect(err).toMatch(/^error: /);
    },
  );
});
