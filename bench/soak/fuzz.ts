/**
 * Bad input of every kind, made by fast-check: each must be used, or refused with one clear line; never a stack, a
 * hang, a huge allocation, or something half written.
 */
import fs from 'node:fs';
import path from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import pc from 'picocolors';
import { Random } from '../../core/index.js';
import { CheckpointError, decodeCheckpoint, encodeCheckpoint, parameterSpecs } from '../../models/index.js';
import { main } from '../../mgsd/cli/main.js';
import { configFrom } from '../../mgsd/cli/run-choice.js';
import { presets } from '../../mgsd/method/config.js';
import { FileError } from '../../mgsd/runs/file-error.js';
import { readJson } from '../../mgsd/runs/files.js';
import { decodePng, encodePng, PngError } from '../../mgsd/pictures/png.js';
import { readCheckpoint, RunFolder } from '../../mgsd/runs/run-folder.js';
import { readPuzzleFolder, storedImage, writePuzzle } from '../../mgsd/exchange/puzzle-files.js';
import { instancePool } from '../../mgsd/method/split.js';
import { parseResponse } from '../../mgsd/method/response.js';
import { stageNames } from '../../mgsd/runs/order.js';
import type { StageName } from '../../mgsd/method/stages/stage.js';
import { parseAnswer } from '../../mgsd/exchange/answers.js';
import { createWorldByName, WORLD_NAMES } from '../../mgsd/worlds/registry.js';
import type { World, WorldInstance } from '../../mgsd/worlds/world.js';
import { miniatureModel } from './miniature.js';

/** Longest time for one input, in milliseconds: a hang, not a slow machine. */
const hangMilliseconds = 20_000;

/**
 * @throws Error unless `error` is something that a person can read: one line that is no accident of the program's own
 */
export function requireClear(error: unknown, where: string): void {
  const shown = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const isAccident = error instanceof TypeError || error instanceof ReferenceError || error instanceof SyntaxError;
  const invalidLength = error instanceof RangeError && /invalid|maximum call stack/i.test(error.message);
  if (!(error instanceof Error) || isAccident || invalidLength || error.message === '')
    throw new Error(`${where}: an accident, not a message: ${shown}`, { cause: error });
  if (/[\n\r]/.test(error.message)) throw new Error(`${where}: more than one line: ${shown}`, { cause: error });
}

/** Runs something that may refuse its input. */
async function mayRefuse(
  where: string,
  body: () => unknown,
  kinds: readonly (new (...all: never[]) => Error)[] = [],
): Promise<void> {
  const start = performance.now();
  try {
    await body();
  } catch (error) {
    requireClear(error, where);
    if (kinds.length > 0 && !kinds.some(kind => error instanceof kind))
      throw new Error(`${where}: refused as ${(error as Error).name}: ${(error as Error).message}`, { cause: error });
  }
  if (performance.now() - start > hangMilliseconds)
    throw new Error(`${where}: it took ${performance.now() - start} ms`);
}

/** Random changes of bytes, a cut, or bytes put in. */
const damage = fc.record({
  changes: fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 6 }),
  cut: fc.option(fc.nat(), { freq: 3 }),
  extra: fc.uint8Array({ maxLength: 12 }),
});
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

function damaged(bytes: Uint8Array, { changes, cut, extra }: Damage): Uint8Array {
  const copy = new Uint8Array(bytes.length + extra.length);
  copy.set(bytes);
  copy.set(extra, bytes.length);
  for (const [at, byte] of changes) copy[at % copy.length] = byte;
  return cut === null ? copy : copy.subarray(0, cut % (copy.length + 1));
}

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.stringMatching(/^[a-z0-9 .,:;()<>=[\]{}"\n-]{0,80}$/),
);
const anything = fc.anything({ maxDepth: 3, withNullPrototype: false });

/** One kind of input. */
export interface FuzzKind {
  readonly name: string;
  property(folder: string): fc.IAsyncProperty<[unknown]> | fc.IAsyncPropertyWithHooks<[unknown]>;
}

const kindOf = <T>(
  name: string,
  input: fc.Arbitrary<T>,
  body: (value: T, folder: string) => Promise<void>,
): FuzzKind => ({
  name,
  property: folder => fc.asyncProperty(input, async value => await body(value, folder)),
});

/** A preset with one value replaced by anything, at any depth. */
const changedPreset = fc
  .tuple(fc.constantFrom(...Object.values(presets)), fc.nat(), anything)
  .map(([preset, at, value]) => {
    const copy = structuredClone(preset) as unknown as Record<string, unknown>;
    const places: (() => void)[] = [];
    const visit = (node: Record<string, unknown>) => {
      for (const key of Object.keys(node)) {
        places.push(() => (node[key] = value));
        if (typeof node[key] === 'object' && node[key] !== null) visit(node[key] as Record<string, unknown>);
      }
    };
    visit(copy);
    places[at % places.length]!();
    return copy;
  });

const configs = kindOf(
  'configuration files',
  fc.oneof(
    changedPreset.map(value => toJson(value)),
    fc.json(),
    text,
  ),
  async (contents, folder) => {
    const file = path.join(folder, 'config.json');
    fs.writeFileSync(file, contents);
    await mayRefuse('config', () => configFrom({ config: file }));
    await mayRefuse('json', () => readJson(file), [FileError]);
  },
);

function toJson(value: unknown): string {
  try {
    return JSON.stringify({ value }, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)).slice(
      9,
      -1,
    );
  } catch {
    return '{'; // circular
  }
}

const words = fc
  .oneof(
    fc.constantFrom(
      ...'--set --seed --config --stage --preset --out --threads --device --input --level --json --puzzles'.split(' '),
      ...'--checkpoint-every --precision --direct --profile -- -1 0 NaN 1e9 ../.. / a=b stage0.steps=-1'.split(' '),
      ...'tasks=[] wasm stage2 __proto__.x=1'.split(' '),
    ),
    text,
  )
  .filter(word => !/^(-h|--help|-v|--version)/.test(word));

/** Commands that end at once whatever the options say: what they need is not there. */
const commands = fc.constantFrom<readonly [readonly string[], readonly string[]]>(
  [['train'], ['--resume', 'no/such/run']],
  [['eval'], ['no/such.safetensors']],
  [['plan'], ['no-such.png']],
  [['report'], ['no/such/run']],
  [
    ['data', 'show'],
    ['--world', 'atlantis'],
  ],
);

const options = kindOf(
  'options',
  fc.tuple(commands, fc.array(words, { maxLength: 6 })),
  async ([[command, needs], more]) => {
    const [out, err]: [string[], string[]] = [[], []];
    const terminal = {
      out: (line: string) => out.push(line),
      err: (line: string) => err.push(line),
      bar: undefined,
      columns: undefined,
      colours: pc.createColors(false),
    };
    const code = await main([...command, ...needs, ...more], terminal);
    const errors = err.filter(line => line.startsWith('error: '));
    if (code === 0 || errors.length !== 1 || errors[0]!.includes('\n') || /\n\s+at /.test(err.join('\n')))
      throw new Error(`exit code ${code}: ${err.join(' | ')}`);
  },
);

/** A whole PNG, then its header or data changed with checksums that are right again. */
const pngs = fc.record({
  side: fc.integer({ min: 1, max: 40 }),
  header: fc.option(fc.uint8Array({ minLength: 13, maxLength: 13 })),
  data: fc.option(fc.uint8Array({ maxLength: 64 })),
  size: fc.option(fc.tuple(fc.nat({ max: 2 ** 32 - 1 }), fc.nat({ max: 2 ** 32 - 1 }))),
  start: fc.option(fc.constantFrom([0xff, 0xd8, 0xff, 0xe0], [0x47, 0x49, 0x46, 0x38], [0x42, 0x4d]), { freq: 8 }),
  damage,
});

const images = kindOf('images', pngs, async ({ side, header, data, size, start, damage: how }) => {
  const good = encodePng({ width: side, height: side, data: new Uint8Array(3 * side * side).fill(90) });
  let file: Uint8Array = good.slice();
  const view = new DataView(file.buffer);
  if (header) file.set(header, 16);
  if (size) [16, 20].forEach((at, i) => view.setUint32(at, size[i]!));
  if (header ?? size) view.setUint32(29, crc32(file.subarray(12, 29)));
  if (data) {
    const packed = deflateSync(data);
    const chunk = new Uint8Array(12 + packed.length);
    new DataView(chunk.buffer).setUint32(0, packed.length);
    chunk.set([0x49, 0x44, 0x41, 0x54], 4);
    chunk.set(packed, 8);
    new DataView(chunk.buffer).setUint32(8 + packed.length, crc32(chunk.subarray(4, 8 + packed.length)));
    file = Uint8Array.from([...file.subarray(0, 33), ...chunk, ...file.subarray(file.length - 12)]);
  }
  if (start) file.set(start);
  await mayRefuse('image', () => decodePng(damaged(file, how)), [PngError]);
});

const worlds: readonly World[] = WORLD_NAMES.map(name => createWorldByName(name));
const puzzlesOf = worlds.map(world =>
  instancePool(world, world.levels[0]!, new Random(3), { split: 'train', count: 12 }),
);

/** A puzzle of any world. */
const puzzle = fc
  .nat({ max: worlds.length - 1 })
  .chain(w =>
    fc
      .nat({ max: 11 })
      .map((i): { world: World; instance: WorldInstance } => ({ world: worlds[w]!, instance: puzzlesOf[w]![i]! })),
  );
const edits = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 6 }), text), { minLength: 1, maxLength: 4 });
const edited = (original: string, changes: readonly (readonly [number, number, string])[]) =>
  changes.reduce((t, [at, drop, put]) => {
    const from = at % (t.length + 1);
    return t.slice(0, from) + put + t.slice(from + drop);
  }, original);

const answers = kindOf(
  'answers',
  fc.tuple(puzzle, fc.array(fc.nat({ max: 127 }), { maxLength: 60 }), text, edits),
  async ([{ world, instance }, tokens, junk, changes]) => {
    const answer = edited(`<answer>${world.formatAnswer(world.referencePlan(instance))}</answer>`, changes);
    for (const written of [junk, answer, `<answer>${junk}</answer>`]) parseAnswer(written, world.actions);
    parseResponse(world, instance, tokens);
    await Promise.resolve();
  },
);

const samples = kindOf(
  'sample folders',
  fc.tuple(puzzle, edits, damage, fc.boolean()),
  async ([{ world, instance }, changes, how, keepText], folder) => {
    const root = path.join(folder, 'samples');
    fs.rmSync(root, { recursive: true, force: true });
    const file = writePuzzle(root, { world, instance }, { split: 'test', index: 0, seed: 1 }, 32);
    if (!keepText)
      fs.writeFileSync(path.join(root, file), edited(fs.readFileSync(path.join(root, file), 'utf8'), changes));
    const image = path.join(root, file.replace(/\/text\//, '/image/').replace(/txt$/, 'png'));
    fs.writeFileSync(image, damaged(fs.readFileSync(image), how));
    await mayRefuse('samples', () => {
      const { puzzles: found, problems } = readPuzzleFolder(root);
      for (const { reason } of problems) requireClear(new Error(reason), 'sample');
      for (const sample of found) storedImage(root, sample, 8);
    });
  },
);

const random = new Random(5);
const goodCheckpoint = encodeCheckpoint({
  config: miniatureModel,
  parameters: new Map(
    parameterSpecs(miniatureModel).map(({ name, shape }) => [
      name,
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
    ]),
  ),
  optimizer: new Map([['m', new Float32Array(8)]]),
  metadata: { stage: 'stage0', step: '3', run: '{}' },
});
const headerBytes = 8 + Number(new DataView(goodCheckpoint.buffer).getBigUint64(0, true));
const headerText = new TextDecoder().decode(goodCheckpoint.subarray(8, headerBytes));

/** A header that says something else, with its length put right or not. */
const liars = fc.record({
  changes: edits,
  numbers: fc.array(fc.tuple(fc.nat(), fc.integer()), { maxLength: 3 }),
  length: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { freq: 4 }),
});

const checkpoints = kindOf(
  'checkpoints',
  fc.oneof(
    damage.map(how => damaged(goodCheckpoint, how)),
    liars.map(lying),
  ),
  async (bytes, folder) => {
    await mayRefuse('checkpoint', () => decodeCheckpoint(bytes), [CheckpointError]);
    const file = path.join(folder, 'checkpoint-stage0-3.safetensors');
    fs.writeFileSync(file, bytes);
    await mayRefuse('checkpoint file', () => readCheckpoint(file), [FileError]);
  },
);

function lying({
  changes,
  numbers,
  length,
}: {
  changes: [number, number, string][];
  numbers: [number, number][];
  length: bigint | null;
}): Uint8Array {
  let header = numbers.length > 0 ? headerText : edited(headerText, changes);
  for (const [at, value] of numbers) {
    let n = -1;
    const count = header.match(/\d+/g)?.length ?? 1;
    header = header.replace(/\d+/g, found => (++n === at % count ? String(value) : found));
  }
  const encoded = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + encoded.length + goodCheckpoint.length - headerBytes);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(encoded.length), true);
  file.set(encoded, 8);
  file.set(goodCheckpoint.subarray(headerBytes), 8 + encoded.length);
  return file;
}

const climbing = fc.oneof(
  text,
  fc.constantFrom(
    '../../../etc/passwd',
    '..',
    '/etc/passwd',
    'a/../../b',
    '.',
    '',
    'checkpoint-stage0-1.safetensors/..',
  ),
);

const folders = kindOf(
  'run folders',
  fc.record({ file: climbing, score: anything, log: text, extra: anything }),
  async ({ file, score, log, extra }, folder) => {
    const run = path.join(folder, 'run');
    if (!RunFolder.isRun(run)) RunFolder.create(run, {}).close();
    fs.writeFileSync(path.join(run, 'best.json'), toJson({ stage0: { file, score }, stage1: extra }));
    fs.writeFileSync(path.join(run, 'log.jsonl'), `${log}\n${toJson(extra)}\n`);
    const opened = RunFolder.open(run);
    try {
      for (const stage of stageNames) {
        const best = opened.best(stage);
        if (best && path.dirname(path.resolve(best.path)) !== path.resolve(run))
          throw new Error(`${best.path} lies outside`);
      }
      opened.readLog();
      await mayRefuse('stage name', () => opened.saveCheckpoint(file as StageName, 1, new Uint8Array(1)));
      if (
        fs
          .readdirSync(folder)
          .some(name => !['run', 'config.json', 'samples', 'checkpoint-stage0-3.safetensors'].includes(name))
      )
        throw new Error(`something was written outside of the run's folder: ${fs.readdirSync(folder).join(', ')}`);
    } finally {
      opened.close();
    }
  },
);

export const fuzzKinds: readonly FuzzKind[] = [configs, options, images, answers, samples, checkpoints, folders];

export interface FuzzReport {
  readonly kind: string;
  readonly inputs: number;
  /** What was not used or refused as it should be. */
  readonly problems: readonly string[];
}

/** `inputs` inputs of one kind. @param folder an empty one of its own */
export async function fuzz(kind: FuzzKind, inputs: number, folder: string, seed: number): Promise<FuzzReport> {
  fs.mkdirSync(folder, { recursive: true });
  const result = await fc.check(kind.property(folder), { numRuns: inputs, seed });
  const problems = result.failed
    ? [
        `${String(result.errorInstance)} for ${fc.stringify(result.counterexample).replace(/\s+/g, ' ').slice(-600)} (seed ${result.seed})`,
      ]
    : [];
  return { kind: kind.name, inputs: result.numRuns, problems };
}
