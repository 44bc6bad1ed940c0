/**
 * Stored samples against a simulator of its own, which knows the three games and the file format but none of the
 * project's worlds.
 */
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parsePuzzleText, puzzleText, readPuzzle } from '../../../mgsd/exchange/puzzle-text.js';
import { overlapOf, runJob, runJobs } from '../../../mgsd/exchange/generate.js';
import { decodePng, encodePng, resizeSquare } from '../../../mgsd/pictures/png.js';
import { readPuzzleFolder, requireEmpty, storedImage } from '../../../mgsd/exchange/puzzle-files.js';
import { createWorldByName } from '../../../mgsd/worlds/registry.js';

import { contentsOf } from '../capture.js';
import { createDelivery } from '../worlds/delivery-world.js';
import { testRandom } from '../random.js';
import { storedWorlds } from './contract.js';
import { useTemporaryFolder } from '../temporary.js';

const steps: Readonly<Record<string, readonly [number, number]>> = {
  left: [0, -1],
  right: [0, 1],
  up: [-1, 0],
  down: [1, 0],
};

type Fields = Readonly<Record<string, string>>;

/** A state is `row,col,carrying`; `done` at the end; null where an action fails. */
type Simulator = (state: string, action: string) => string | null;

function cut(text: string): { fields: Fields; block: string; rows: string[] } {
  const lines = text.trim().split('\n');
  const at = lines.findIndex(line => line.endsWith(':'));
  const pairs = lines.slice(0, at).map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
  return { fields: Object.fromEntries(pairs) as Fields, block: lines[at]!, rows: lines.slice(at + 1) };
}

function lake(rows: readonly string[]): Simulator {
  return (state, action) => {
    const [row, col] = state.split(',').map(Number) as [number, number];
    const [y, x] = [row + (steps[action]?.[0] ?? NaN), col + (steps[action]?.[1] ?? NaN)];
    const cell = rows[y]?.[x];
    return cell === undefined || cell === 'H' ? null : cell === 'G' ? 'done' : `${y},${x},0`;
  };
}

function maze(rows: readonly string[], fields: Fields): Simulator {
  const bits: Readonly<Record<string, number>> = { up: 1, down: 2, left: 4, right: 8 };
  const walls = rows.map(row => row.split(' ').map(Number));
  return (state, action) => {
    const [row, col] = state.split(',').map(Number) as [number, number];
    if (bits[action] === undefined || (walls[row]![col]! & bits[action]) !== 0) return null;
    const [y, x] = [row + steps[action]![0], col + steps[action]![1]];
    return `${y},${x}` === `${fields['target_row']},${fields['target_col']}` ? 'done' : `${y},${x},0`;
  };
}

function room(rows: readonly string[]): Simulator {
  const at = (y: number, x: number) => rows[y]?.[x];
  const beside = (y: number, x: number, what: string) =>
    Object.values(steps).some(([dy, dx]) => at(y + dy, x + dx) === what);
  return (state, action) => {
    const [row, col, carrying] = state.split(',').map(Number) as [number, number, number];
    if (action === 'pick') return carrying === 0 && beside(row, col, 'P') ? `${row},${col},1` : null;
    if (action === 'drop') return carrying === 1 && beside(row, col, 'T') ? 'done' : null;
    const [y, x] = [row + steps[action]![0], col + steps[action]![1]];
    const cell = at(y, x);
    return cell === undefined || cell === 'T' || (cell === 'P' && carrying === 0) ? null : `${y},${x},${carrying}`;
  };
}

const actions = ['left', 'down', 'right', 'up', 'pick', 'drop'];

/** The least number of actions to the end, and how many plans have it. */
function search(simulate: Simulator, start: string): { length: number; plans: number } {
  let layer = new Map([[start, 1]]);
  const seen = new Set([start]);
  for (let length = 1; layer.size > 0; length++) {
    const next = new Map<string, number>();
    for (const [state, ways] of layer)
      for (const action of actions) {
        const to = simulate(state, action);
        if (to !== null && !seen.has(to)) next.set(to, (next.get(to) ?? 0) + ways);
      }
    if (next.has('done')) return { length, plans: next.get('done')! };
    for (const state of next.keys()) seen.add(state);
    layer = next;
  }
  throw new Error('no plan');
}

const simulators: Readonly<Record<string, (rows: readonly string[], fields: Fields) => Simulator>> = {
  frozenlake: lake,
  maze,
  minibehaviour: room,
};

/** The published buckets, by board side and shortest length. */
const buckets: Readonly<Record<string, (n: number, length: number) => string>> = {
  maze: (n, d) => (d <= Math.max(1, Math.floor(n / 2)) ? 'easy' : d <= n ? 'medium' : 'hard'),
  minibehaviour: (n, a) => (a <= n - 1 ? 'easy' : a <= n + 1 ? 'medium' : 'hard'),
};

const temporary = useTemporaryFolder();
const job = { options: undefined, seed: 5, balanced: true, style: 'training', pixels: 96 } as const;
const jobs = storedWorlds.flatMap(world =>
  createWorldByName(world).levels.map(level => ({ ...job, world, level, split: 'test' as const, count: 12 })),
);

describe('generated samples', () => {
  let folder: string;
  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(process.env['TMPDIR'] ?? '/tmp', 'mgsd-samples-'));
    for (const one of jobs) runJob({ ...one, folder });
    return () => {
      fs.rmSync(folder, { recursive: true, force: true });
    };
  });

  it('are solved by their solutions in as few actions as an independent search needs, and lie in their buckets', () => {
    const { puzzles, problems } = readPuzzleFolder(folder);
    expect(problems).toEqual([]);
    expect(puzzles).toHaveLength(12 * jobs.length);
    for (const { text, world, instance, solution, textFile } of puzzles) {
      const { fields, block, rows } = cut(text);
      const simulate = simulators[fields['task']!]!(rows, fields);
      expect(textFile).toBe(`${world.title}/level${rows.length}/text/${path.basename(textFile)}`);
      expect(block).toBe({ frozenlake: 'map:', maze: 'layout:', minibehaviour: 'grid:' }[fields['task']!]);
      const start = `${fields['start_row']},${fields['start_col']},0`;
      const best = search(simulate, start);
      const plan = JSON.parse(fields['solution_actions']!) as string[];
      expect(
        plan.reduce<string | null>((state, action) => (state === null ? null : simulate(state, action)), start),
      ).toBe('done');
      expect([plan.length, Number(fields['path_length']), solution!.length]).toEqual(Array(3).fill(best.length));
      expect(world.shortestLength(instance)).toBe(best.length);
      const countPlans = (state: number): number =>
        world.isGoal(instance, state)
          ? 1
          : world
              .optimalActions(instance, state)
              .reduce<number>((sum, action) => sum + countPlans(world.step(instance, state, action).next), 0);
      expect(countPlans(world.start(instance))).toBe(best.plans);
      const bucket = buckets[world.name]?.(rows.length, best.length);
      expect(fields['difficulty_bucket']).toBe(bucket);
    }
  });

  it('are balanced over difficulties, all different, and the same for the same seed', () => {
    const again = runJob({ ...jobs.find(({ world }) => world === 'maze')!, folder: temporary.path });
    expect(again.byDifficulty).toEqual({ easy: 4, medium: 4, hard: 4 });
    const other = runJob({ ...jobs.find(({ world }) => world === 'maze')!, split: 'train', folder: temporary.path });
    expect(overlapOf([again, other])).toEqual({ train: other.layouts.length, test: again.layouts.length, shared: 0 });
    const name = 'Maze/level3/text/maze_test_3_000007.txt';
    expect(fs.readFileSync(temporary.file(name), 'utf8')).toBe(fs.readFileSync(path.join(folder, name), 'utf8'));
    const { puzzles } = readPuzzleFolder(folder);
    expect(puzzles.flatMap(({ notes }) => notes)).toEqual([]); // no board comes twice
    expect(new Set(puzzles.map(({ world, instance }) => world.instanceKey(instance))).size).toBe(puzzles.length);
  });

  it('say when a difficulty runs out', () => {
    const small = {
      ...job,
      world: 'minibehaviour',
      level: 3,
      split: 'train' as const,
      folder: temporary.file('small'),
    };
    // all 12 boards of side 3, by going through them: 8 easy, 4 medium, no hard ones
    expect(runJob({ ...small, count: 11 })).toMatchObject({
      byDifficulty: { easy: 7, medium: 4 },
      exhausted: ['hard', 'medium'],
    });
    expect(() => runJob({ ...small, count: 13 })).toThrow(/seems to have only 12 different train puzzles/);
  });

  it('do not depend on the number of threads, and a thread that fails says why', async () => {
    const some = jobs.filter(({ level }) => level === 3 || level === 5).map(one => ({ ...one, count: 3 }));
    const written = async (threads: number) => {
      const out = temporary.file(`threads${threads}`);
      const reports = await runJobs(
        some.map(one => ({ ...one, folder: out })),
        threads,
      );
      return [reports, contentsOf(out)];
    };
    expect(await written(2)).toEqual(await written(1));
    const impossible = { ...some[0]!, world: 'minibehaviour', level: 3, split: 'train' as const, count: 100 };
    const failing = runJobs(
      [some[0]!, impossible].map(one => ({ ...one, folder: temporary.file('no') })),
      2,
    );
    await expect(failing).rejects.toThrow(/seems to have only 12/);
  });

  it('have images that come back, also at another size', () => {
    const { puzzles } = readPuzzleFolder(folder);
    for (const sample of puzzles.filter((_, i) => i % 12 === 0)) {
      const { world, instance } = sample;
      expect(storedImage(folder, sample, 96)).toEqual(world.render(instance, 96));
      const [small, direct] = [storedImage(folder, sample, 48), world.render(instance, 48)];
      const difference = small.reduce((sum, value, i) => sum + Math.abs(value - direct[i]!), 0) / small.length;
      expect(difference).toBeLessThan(12); // of 255: other pixels at the edges, the same board
    }
  });
});

const lakeText = 'task=frozenlake\nlevel=3\nstart_row=0\nstart_col=0\ngoal_row=2\ngoal_col=2\nmap:\nSFF\nFHF\nFFG\n';
const mazeText =
  'task=maze\nlevel=2\nstart_row=0\nstart_col=0\ntarget_row=1\ntarget_col=1\npath_length=2\nsolution_actions=["right","down"]\nlayout:\n7 9\n7 10\n';
const roomText =
  'task=minibehaviour\ngrid_rows=5\ngrid_cols=5\nprinter_row=1\nprinter_col=1\ntable_pos=[3,1]\ngrid:\n.....\n.P...\n....A\n.TTT.\n.TTT.\n';

it('samples cannot go into a link that points to itself', () => {
  const loop = temporary.file('loop');
  fs.symlinkSync('loop', loop);
  expect(() => {
    requireEmpty(loop);
  }).toThrow(/Cannot make the folder .*: too many symbolic links point to each other/);
});

describe('the text of a sample', () => {
  const read = (name: string, text: string) => readPuzzle(createWorldByName(name), parsePuzzleText(text));

  it('is read with all that other tools leave out or write differently', () => {
    expect(
      createWorldByName('frozenlake').shortestLength(
        read('frozenlake', lakeText.replaceAll('\n', '\r\n')).instance as never,
      ),
    ).toBe(4);
    const named = JSON.stringify(
      [7, 9, 7, 10].map(w => ({ north: !!(w & 1), south: !!(w & 2), west: !!(w & 4), east: !!(w & 8) })),
    );
    const withoutBlock = mazeText.slice(0, mazeText.indexOf('layout:'));
    for (const layout of [named, JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(named) as object)))])
      expect(read('maze', `${withoutBlock}layout_json=${layout}\n`).instance).toEqual(read('maze', mazeText).instance);
    expect(read('maze', mazeText.replace('7 9\n7 10', '7,9\n7,10')).solution).toEqual([2, 1]);
    const cells = '[[4,3],[3,1],[3,2],[3,3],[4,1],[4,2]]';
    expect(read('minibehaviour', roomText.replace('[3,1]', cells)).instance).toEqual(
      read('minibehaviour', roomText).instance,
    );
  });

  it.each([
    [
      'frozenlake',
      lakeText.replace('goal_row=2', 'goal_row=1'),
      /goal_row and goal_col say \(1,2\), but the board \(2,2\)/,
    ],
    ['frozenlake', lakeText.replace('level=3', 'level=4'), /level=4 does not fit a board of side 3/],
    ['frozenlake', lakeText.replace('FHF', 'FXF'), /'X' in row 1 of the map/],
    ['frozenlake', lakeText.replace('SFF\nFHF', 'SHF\nHHF'), /no plan leads to the goal/],
    ['frozenlake', lakeText.replace('map:', 'grid:'), /stands behind 'map:', not behind 'grid:'/],
    ['frozenlake', 'task=frozenlake\n', /the map is missing/],
    ['frozenlake', `is_slippery=True\n${lakeText}`, /not slippery/],
    ['maze', mazeText.replace('"down"', '"up"'), /solution_actions does not solve the board \(wall at action 2\)/],
    ['maze', mazeText.replace('path_length=2', 'path_length=3'), /path_length=3, but solution_actions has 2 actions/],
    ['maze', mazeText.replace('7 9', '7 8'), /open to the outside at \(0,1\)/],
    ['maze', mazeText.replace('7 9', '7 99'), /'99' in row 0 of the layout is no sum/],
    ['maze', mazeText.replace('"down"', '"jump"'), /holds '"jump"', which is no action/],
    ['maze', `level=2\nlevel=3\n${mazeText}`, /'level' has two different values/],
    [
      'minibehaviour',
      roomText.replace('[3,1]', '[2,1]'),
      /table_pos is '\[2,1\]', but the grid has the table's top left at \(3,1\)/,
    ],
    [
      'minibehaviour',
      `printer_neighbors=[[0,1]]\n${roomText}`,
      /printer_neighbors is '\[\[0,1\]\]', but the grid has \(0,1\)/,
    ],
    ['minibehaviour', `outer_ring=true\n${roomText}`, /leave the ring of walls out/],
    ['minibehaviour', roomText.replace('grid_rows=5', 'a line that is no field'), /line 2 is no key=value/],
  ])('of %s is refused with the reason', (name, text, reason) => {
    expect(() => read(name, text)).toThrow(reason);
  });

  it('is refused with the remedy for a world without formats', () => {
    const delivery = createDelivery();
    const instance = delivery.generate(testRandom(4), 4);
    const origin = { split: 'train', index: 3, seed: 1 };
    expect(() => puzzleText(delivery, instance, origin)).toThrow(
      /cannot be stored.*'delivery' an entry in .*formats\.ts/,
    );
  });

  it('says which options FrozenLake was generated with', () => {
    const options = { frozenProbability: [0.5, 0.7] };
    const world = createWorldByName('frozenlake', options);
    const instance = world.generate(testRandom(4), 4);
    const text = puzzleText(world, instance, { split: 'train', index: 3, seed: 1, options });
    expect(text).toMatch(/^task=frozenlake\nsplit=train\nlevel=4\nindex=3\nseed=1\npath_length=\d+\n/);
    expect(text).toMatch(/^frozen_probability=\[0\.5,0\.7\]$/m);
  });
});

describe('resizing', () => {
  it('takes means of areas, keeps flat colours, and refuses what is not square', () => {
    const image = { width: 4, height: 4, data: Uint8Array.from({ length: 48 }, (_, i) => (i * 5) % 256) };
    const half = resizeSquare(image, 2);
    const mean = (y: number, x: number, c: number) =>
      [0, 1]
        .flatMap(dy => [0, 1].map(dx => image.data[((2 * y + dy) * 4 + 2 * x + dx) * 3 + c]!))
        .reduce((a, b) => a + b) / 4;
    expect(Math.abs(half.data[(1 * 2 + 1) * 3 + 2]! - mean(1, 1, 2))).toBeLessThanOrEqual(0.5);
    expect(resizeSquare(image, 8).data.slice(0, 6)).toEqual(
      Uint8Array.from([...image.data.slice(0, 3), ...image.data.slice(0, 3)]),
    );
    const flat = { width: 7, height: 7, data: new Uint8Array(147).fill(201) };
    for (const side of [1, 3, 7, 48]) expect(new Set(resizeSquare(flat, side).data)).toEqual(new Set([201]));
    expect(() => resizeSquare({ width: 2, height: 1, data: new Uint8Array(6) }, 4)).toThrow(/square/);
  });

  it('says which stored image cannot be used', () => {
    runJob({ ...job, world: 'maze', level: 3, split: 'train', count: 3, folder: temporary.path });
    const { puzzles } = readPuzzleFolder(temporary.path);
    const write = (i: number, bytes: Uint8Array) => {
      fs.writeFileSync(temporary.file(puzzles[i]!.imageFile), bytes);
    };
    write(0, encodePng({ width: 96, height: 90, data: new Uint8Array(96 * 90 * 3) }));
    write(1, encodePng({ width: 9, height: 9, data: new Uint8Array(243) }));
    fs.rmSync(temporary.file(puzzles[2]!.imageFile));
    const reasons = puzzles.map(sample => {
      try {
        return storedImage(temporary.path, sample, 48).length;
      } catch (error) {
        return (error as Error).message;
      }
    });
    expect(reasons[0]).toMatch(/96 x 90 pixels, and a board is square/);
    expect(reasons[1]).toMatch(/9 pixels a side, too few for a board of 3: at least 12/);
    expect(reasons[2]).toMatch(/no such file/);
    expect(decodePng(encodePng({ width: 1, height: 1, data: Uint8Array.of(1, 2, 3) })).data).toEqual(
      Uint8Array.of(1, 2, 3),
    );
  });
});
