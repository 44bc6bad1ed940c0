/**
 * The documents do what they say: every link leads somewhere, every quoted line of code stands in its file, every
 * example and every command runs. Commands that take long run with fewer updates; those that CI runs itself are looked
 * up there.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, tinyRun } from '../mgsd/capture.js';
import { exercises } from '../lessons/checks.js';
import { experiments } from '../../mgsd/lessons/experiments/index.js';

const root = path.join(import.meta.dirname, '../..');

/** All documents, from the repository's root. */
function documents(): string[] {
  const skipped = new Set(['node_modules', 'dist', 'runs', 'results', 'api', 'experiments']);
  const walk = (folder: string): string[] =>
    fs.readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap(entry => {
      const file = path.posix.join(folder, entry.name);
      if (entry.isDirectory())
        return entry.name.startsWith('.') || skipped.has(entry.name) || entry.name.startsWith('dist.')
          ? []
          : walk(file);
      return entry.name.endsWith('.md') ? [file] : [];
    });
  return walk('.');
}

interface Block {
  readonly file: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** From a comment `<!-- code: FILE -->` in front of it: the block is quoted from there. */
  readonly quoted: string | undefined;
}

function blocksOf(file: string): Block[] {
  const lines = fs.readFileSync(path.join(root, file), 'utf8').split('\n');
  const blocks: Block[] = [];
  let quoted: string | undefined;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    quoted =
      /^<!-- code: (\S+) -->$/.exec(line)?.[1] ?? (line === '' ? quoted : line.startsWith('```') ? quoted : undefined);
    const language = /^ *```(\w+)$/.exec(line)?.[1];
    if (language === undefined) continue;
    const end = lines.findIndex((other, k) => k > i && other.trim() === '```');
    const indent = line.indexOf('`'); // blocks in lists
    const text = lines
      .slice(i + 1, end)
      .map(inner => inner.slice(indent))
      .join('\n');
    blocks.push({ file, line: i + 1, language, text, quoted });
    quoted = undefined;
    i = end;
  }
  return blocks;
}

const all = documents();
const blocks = all.flatMap(blocksOf);
const place = ({ file, line }: Block) => `${file}:${line}`;
const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
const ci = fs.readFileSync(path.join(root, '.ci/run'), 'utf8');

describe('links', () => {
  it.each(all)('of %s lead somewhere', file => {
    const text = fs.readFileSync(path.join(root, file), 'utf8').replaceAll(/```[\s\S]*?```/g, '');
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(match => match[1]!)
      .filter(target => !/^[a-z]+:/.test(target));
    const missing = targets.filter(target => {
      const [to = '', anchor] = target.split('#');
      const full = to === '' ? path.join(root, file) : path.join(root, path.dirname(file), to);
      if (!fs.existsSync(full)) return true;
      return anchor !== undefined && !anchorsOf(full).includes(anchor);
    });
    expect(missing).toEqual([]);
  });
});

/** Anchors of headings, as code hosts make them. */
function anchorsOf(file: string): string[] {
  const headings = fs.readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

/** The same code for everybody, however it is broken into lines. */
const tokens = (code: string) => code.replaceAll(/\s+/g, '').replaceAll(/,(?=[)\]}])/g, '');

describe('code that is quoted', () => {
  const quotes = blocks.filter(({ quoted }) => quoted !== undefined);
  it.each(quotes.map(block => [place(block), block] as const))('%s stands in its file', (_, { quoted, text }) => {
    const source = fs.readFileSync(path.join(root, quoted!), 'utf8');
    if (!tokens(source).includes(tokens(text)))
      throw new Error(`${quoted!} has changed and no longer holds these lines: quote it anew\n${text}`);
  });

  it('is in every lesson', () => {
    const lessons = Object.values(exercises).map(({ lesson }) => lesson);
    const quoting = new Set(quotes.map(({ file }) => file));
    expect(lessons.filter(lesson => !quoting.has(lesson))).toEqual([]);
  });
});

describe('lessons', () => {
  it.each(Object.entries(exercises))('%s has a picture and a command that measures', (_, { lesson }) => {
    const text = fs.readFileSync(path.join(root, lesson), 'utf8');
    expect(text).toMatch(/!\[[^\]]+\]\([\w-]+\.svg\)/);
    expect(text).toMatch(/## Measured\n[\s\S]*(npx|npm run)/);
  });
});

const modules: Readonly<Record<string, string>> = {
  'mgsd-lite': 'mgsd/index.ts',
  'mgsd-lite/core': 'core/index.ts',
  'mgsd-lite/kernels': 'kernels/index.ts',
  'mgsd-lite/models': 'models/index.ts',
};

let folder = '';
const home = process.cwd();

/** Enters a folder of the document's own, in which it finds what it takes for granted. */
function enter(at: string): void {
  const own = path.join(folder, at.replace(/:\d+$/, '').replaceAll(/\W/g, '-'));
  if (!fs.existsSync(own)) fs.cpSync(path.join(folder, 'given'), own, { recursive: true });
  process.chdir(own);
}

/** A folder with what the documents take for granted: a run and a picture. */
beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mgsd-docs-'));
  fs.mkdirSync(path.join(folder, 'given'));
  process.chdir(path.join(folder, 'given'));
  const trained = await run('train', '--out', 'runs/NAME', ...tinyRun);
  const drawn = await run('data', 'show', '--world', 'frozenlake', '--png', 'board.png');
  expect([trained.code, drawn.code], trained.err + drawn.err).toEqual([0, 0]);
});

afterAll(() => {
  process.chdir(home);
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('examples', () => {
  const examples = blocks.filter(({ language, quoted }) => language === 'ts' && quoted === undefined);
  it.each(examples.map(block => [place(block), block] as const))('%s runs', async (at, { text, line }) => {
    enter(at);
    const code = text.replaceAll(
      /from '(mgsd-lite[\w/]*)'/g,
      (_match, name: string) => `from '${path.join(root, modules[name]!)}'`,
    );
    const file = path.join(folder, `example-${line}.ts`);
    fs.writeFileSync(file, code);
    await import(/* @vite-ignore */ file);
  });
});

/** Words of a command line; quotes keep blanks together. */
const words = (line: string) =>
  [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '');

/** Runs what stands behind `npx mgsd-lite`, made short. */
async function runShort(argv: readonly string[]): Promise<{ code: number; err: string }> {
  const [command = ''] = argv;
  const device = ['--device', 'wasm', '--threads', '1'];
  const short: Readonly<Record<string, readonly string[]>> = {
    train: argv.includes('--resume') ? device : tinyRun,
    eval: device,
    plan: device,
    play: ['--help'], // it serves until Ctrl-C; tests/mgsd/cli/play.test.ts runs it
    report: device,
    experiment: argv.length > 1 ? [...device, '--effort', '0.02'] : [],
    ablate: [...device, '--dry-run'],
    data: argv[1] === 'generate' ? ['--count', '4', '--test', '2'] : [],
  };
  return await run(...argv, ...(short[command] ?? []));
}

describe('commands', () => {
  const lines = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(block =>
      block.text.split('\n').map(line => [place(block), line.replace(/(^|\s)# .*$/, '').trim()] as const),
    )
    .filter(([, line]) => line !== '');
  const commands = lines.flatMap(([at, line]) => line.split('&&').map(command => [at, command.trim()] as const));

  it.each(commands)(
    '%s %s',
    async (at, command) => {
      enter(at);
      const [program, first = '', ...rest] = words(command);
      if (program === 'npx' && first === 'mgsd-lite') {
        const { code, err } = await runShort(rest);
        expect(code, err).toBe(0);
      } else if (program === 'npm') expectScript(first, rest);
      else if (program === 'npx' && first === 'vitest') expectTests(rest);
      else throw new Error(`nobody runs this command: ${command}`);
    },
    300_000,
  );

  it('in running text name scripts, tests, experiments and options that there are', async () => {
    const inline = all.flatMap(file =>
      [
        ...fs
          .readFileSync(path.join(root, file), 'utf8')
          .replaceAll(/```[\s\S]*?```/g, '')
          .matchAll(/(?:`|^ {4})((?:npx|npm) [^`\n]+)/gm),
      ].map(match => [file, match[1]!] as const),
    );
    expect(inline.length).toBeGreaterThan(10);
    for (const [file, command] of inline) {
      const [program, first = '', ...rest] = words(command);
      if (program === 'npm') expectScript(first, rest);
      else if (first === 'vitest') expectTests(rest);
      else if (first === 'mgsd-lite' && rest.length > 0) {
        const { out } = await run(
          ...rest.filter(word => /^[a-z-]+$/.test(word) && !word.startsWith('-')).slice(0, 1),
          '--help',
        );
        for (const flag of rest.filter(word => /^--[a-z]/.test(word)))
          expect(out, `${file}: ${command}`).toContain(flag);
        const name = rest[0] === 'experiment' ? rest[1] : undefined;
        if (name !== undefined && /^[a-z-]+$/.test(name))
          expect(
            experiments.map(({ name: of }) => of),
            file,
          ).toContain(name);
      }
    }
  });
});

/** `npm ci`, `npm test` and `npm run X`: CI runs it itself, or it exists and what it starts is there. */
function expectScript(first: string, rest: readonly string[]): void {
  if (first !== 'run') {
    if (first === 'test') expect(ci).toContain('npm test');
    else if (first === 'pack') expect(fs.existsSync(path.join(root, 'tests/config/package.test.ts'))).toBe(true);
    else expect(ci).toContain(`npm ${first}`);
    return;
  }
  const name = rest.find(word => !word.startsWith('-')) ?? '';
  expect(Object.keys(manifest.scripts)).toContain(name);
  for (const [, script] of manifest.scripts[name]!.matchAll(/node (\S+)/g)) {
    const source = script!.replace(/^dist\/(.*)\.js$/, '$1.ts');
    expect(fs.existsSync(path.join(root, source)), source).toBe(true);
  }
  if (name === 'exercise' && rest.at(-1) !== name && rest.at(-1) !== 'NAME')
    expect(Object.keys(exercises)).toContain(rest.at(-1));
}

/** `npx vitest run PATH -t NAME`: the path is there. */
function expectTests(rest: readonly string[]): void {
  for (const word of rest.slice(1).filter(part => part.startsWith('tests/')))
    expect(fs.existsSync(path.join(root, word)), word).toBe(true);
}
