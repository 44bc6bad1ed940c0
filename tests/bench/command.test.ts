/** The command line of every bench: what helps, what is refused. Each is loaded from its source, up to its options. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';

const folder = path.resolve('bench');
const sources = readdirSync(folder).filter(name => name.endsWith('.ts'));
const textOf = (name: string) => readFileSync(path.join(folder, name), 'utf8');
const benches = sources.filter(name => name !== 'command.ts' && textOf(name).includes('benchCommand'));

class Exit extends Error {}

/** What a bench writes before it ends its process, and its exit code. */
async function load(bench: string, ...argv: string[]) {
  let [out, err, code] = ['', '', NaN];
  vi.spyOn(process.stdout, 'write').mockImplementation(text => ((out += text.toString()), true));
  vi.spyOn(process.stderr, 'write').mockImplementation(text => ((err += text.toString()), true));
  vi.spyOn(process, 'exit').mockImplementation(given => {
    if (Number.isNaN(code)) code = Number(given ?? 0);
    throw new Exit();
  });
  process.argv = ['node', bench, ...argv];
  try {
    // the query makes it another module each time, while what it imports is loaded once
    await expect(import(/* @vite-ignore */ `../../bench/${bench}?${encodeURIComponent(argv.join())}`)).rejects.toThrow(
      Exit,
    );
  } finally {
    vi.restoreAllMocks();
  }
  return { out, err, code };
}

const optionsIn = (text: string) => new Set(text.match(/--[a-z][a-z-]+/g));

describe('command lines of benches', () => {
  it('are read in one place', () => {
    expect(benches.length).toBeGreaterThan(15);
    const own = sources.filter(name => /parseArgs|argv\.slice\(2|argv\.includes/.test(textOf(name)));
    expect(own).toEqual(['harness.ts']); // which writes the command into results
    const libraries = sources.filter(name => !benches.includes(name));
    for (const name of libraries) expect(textOf(name), name).toMatch(/^export /m);
  });

  it.each(benches)('%s has help', async bench => {
    const { out, err, code } = await load(bench, '--help');
    expect({ err, code }).toEqual({ err: '', code: 0 });
    const [before = '', , examples = ''] = out.split(/^(?:Measures|Examples):$/m);
    expect(out).toMatch(/^Takes .+\.$/m);
    expect(examples).toContain(/^Usage: (.+) \[options\]$/m.exec(before)![1]);
    for (const option of optionsIn(examples)) expect(before).toContain(option);
    const hidden = new Set(textOf(bench).match(/(?<=')--[a-z-]+(?=[^\n]*hideHelp)/g));
    for (const [, option] of textOf(bench).matchAll(/(?:option|toggle|repeated|required)\(\s*'(--[a-z-]+)/g))
      expect(before.includes(`${option!} `)).toBe(!hidden.has(option!));
  });

  it.each(benches)('%s refuses an option that it does not have', async bench => {
    const { out, err, code } = await load(bench, '--nonsense', '3');
    expect({ out, code }).toEqual({ out: '', code: 2 });
    expect(err).toMatch(/^error: .*(?:'--nonsense'|not specified)\n$/);
  });

  it.each([
    ['train.ts', '--device', 'abacus'],
    ['peers.ts', '--engines', 'mgsd-lite wasm,abacus'],
    ['kernels.ts', '--kernels', 'abacus'],
    ['gpu-day.ts', '--only', 'abacus'],
    ['soak.ts', '--part', 'abacus'],
    ['same.ts', '--only', 'abacus'],
    ['tune.ts', '--bucket', 'abacus'],
    ['data.ts', '--preset', 'abacus'],
    ['scaling.ts', '--rounds', 'abacus'],
    ['peers.ts', '--threads', 'abacus'],
  ])('%s refuses %s %s', async (bench, ...argv) => {
    const { err, code } = await load(bench, ...argv);
    expect(code).toBe(2);
    expect(err).toMatch(/^error: [^\n]*abacus[^\n]*\n$/);
  });

  it('ends with one line for what turns out to be wrong later', () => {
    const file = path.resolve('dist/bench/pretrained.js');
    const { status, stderr } = spawnSync(process.execPath, [file, '--run', 'abacus'], { encoding: 'utf8' });
    expect(stderr).toMatch(/^error: abacus is not the folder of a run[^\n]*\n$/);
    expect(status).toBe(2);
  });
});
