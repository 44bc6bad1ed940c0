import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { trainedOn } from '../../../mgsd/cli/trained-on.js';
import type { TrainedRates } from '../../../mgsd/cli/trained-on.js';
import { resolveConfig } from '../../../mgsd/method/config.js';
import { trainingGroups } from '../../../mgsd/method/puzzles.js';
import { encodePng } from '../../../mgsd/pictures/png.js';
import { mapRows } from '../../../mgsd/worlds/frozenlake/rules.js';
import type { FrozenLakeInstance } from '../../../mgsd/worlds/frozenlake/rules.js';
import { createWorldByName } from '../../../mgsd/worlds/registry.js';
import { decodeCheckpoint, encodeCheckpoint } from '../../../models/index.js';
import { lakeOf } from '../boards.js';
import { jsonLines, run, untrainedCheckpoint } from '../capture.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();

let checkpoint: Uint8Array;
beforeAll(async () => {
  checkpoint = await untrainedCheckpoint();
});

function writeCheckpoint(): string {
  fs.writeFileSync(temporary.file('model.safetensors'), checkpoint);
  return temporary.file('model.safetensors');
}

/** Two puzzles of every world, drawn large enough for the checkpoint's 8 x 8 pixels to be made of them. */
async function writeData(...more: string[]): Promise<string> {
  const folder = temporary.file('data');
  const size = ['--count', '2', '--level', '3', '--pixels', '24', '--threads', '1', '--difficulty', 'natural'];
  const { code, err } = await run('data', 'generate', '--out', folder, ...size, ...more);
  expect([code, err]).toEqual([0, '']);
  return folder;
}

const device = ['--device', 'cpu'];
const lines = (file: string) => jsonLines(fs.readFileSync(file, 'utf8'));

describe('eval --data', () => {
  it('evaluates samples of all worlds, drawn or as stored, and reports every item', async () => {
    const [data, model, items] = [await writeData(), writeCheckpoint(), temporary.file('items.jsonl')];
    for (const images of ['rendered', 'stored']) {
      const args = ['--data', data, '--images', images, '--items', items, '--json', ...device];
      const { code, out, err } = await run('eval', model, '--input', 'image', '--input', 'symbolic', ...args);
      expect([code, err]).toEqual([0, '']);
      const result = JSON.parse(out) as { rows: { input: string; items: number }[]; data: object };
      expect(result.rows.map(({ input, items }) => [input, items])).toEqual([
        ['image', 6],
        ['symbolic', 6],
      ]);
      expect(result.data).toMatchObject({ images, skipped: [], onTrainingSide: 6 });
      expect(lines(items)).toHaveLength(12);
      expect(lines(items)[0]).toMatchObject({
        input: 'image',
        sample: 'FrozenLake/level3/frozenlake_train_3_000000',
        world: 'frozenlake',
        level: 3,
        shortest: expect.any(Number) as number,
        answer: expect.any(String) as string,
      });
    }
    const some = await run('eval', model, '--data', data, '--world', 'maze', '--puzzles', '1', ...device);
    expect(some.out).toContain('1 stored samples each');
  });

  it('tells layouts that training drew from others, and says what it never drew', async () => {
    const folder = temporary.file('boards/FrozenLake/level3/text');
    fs.mkdirSync(folder, { recursive: true });
    const options = { minimumDistance: 2, maximumHoles: 3 };
    const config = resolveConfig('tiny', {
      tasks: [{ world: 'frozenlake', levels: [3], pool: { '3': 20 }, options }],
    });
    const pool = trainingGroups(config)[0]!.puzzles;
    const boards = [
      mapRows(pool[0]!.instance as FrozenLakeInstance),
      ['SFG', 'FHF', 'FFF'],
      ['SGF', 'HFF', 'FHH'],
      ['SFG', 'HFH', 'HFH'],
    ];
    boards.forEach((rows, i) => {
      fs.writeFileSync(path.join(folder, `${i}.txt`), ['task=frozenlake', 'map:', ...rows].join('\n'));
    });
    const file = temporary.file('model.safetensors');
    const { metadata, ...rest } = decodeCheckpoint(checkpoint);
    fs.writeFileSync(file, encodeCheckpoint({ ...rest, metadata: { ...metadata, run: JSON.stringify(config) } }));
    const args = ['eval', file, '--data', temporary.file('boards'), ...device];
    const result = await run(...args, '--json');
    expect(result.err).toBe('');
    const { data } = JSON.parse(result.out) as { data: { trained: TrainedRates[] } };
    const counts = (rates: TrainedRates['byLayout']) =>
      Object.fromEntries(Object.entries(rates).map(([name, { items }]) => [name, items]));
    const layouts = new Set(pool.map(({ world, instance }) => world.layoutKey(instance)));
    const lake = createWorldByName('frozenlake');
    const known = boards.filter(rows => layouts.has(lake.layoutKey(lakeOf(rows)))).length;
    expect(known).toBeGreaterThan(0);
    expect(counts(data.trained[0]!.byLayout)).toEqual({ 'trained on': known, 'not trained on': 4 - known });
    expect(counts(data.trained[0]!.neverDrawn)).toEqual({ 'a start beside its goal': 1, 'more than 3 holes': 1 });
    const { out } = await run(...args);
    expect(out).toMatch(/training never drew the like of: 1 with a start beside its goal, 1 with more than 3 holes/);
    const other = { ...config, tasks: [{ world: 'frozenlake', levels: [4], pool: { 4: 20 } }] };
    expect(trainedOn(pool.slice(0, 1), other)).toEqual([{ layout: 'not trained on', never: 'frozenlake 3' }]);
  });

  it('names every file that is no sample, and evaluates nothing unless it may leave them out', async () => {
    const [data, model] = [await writeData(), writeCheckpoint()];
    const spoil = (file: string, change: (text: string) => string) => {
      fs.writeFileSync(path.join(data, file), change(fs.readFileSync(path.join(data, file), 'utf8')));
    };
    const maze = 'Maze/level3/text/maze_train_3_000001.txt';
    spoil(maze, text => text.replace('layout:', 'grid:'));
    spoil('FrozenLake/level3/text/frozenlake_train_3_000000.txt', text =>
      text.replace('task=frozenlake', 'task=sokoban'),
    );
    const image = 'MiniBehaviour/level3/image/minibehaviour_train_3_000000.png';
    fs.writeFileSync(path.join(data, image), encodePng({ width: 24, height: 20, data: new Uint8Array(24 * 20 * 3) }));
    const args = ['eval', model, '--data', data, '--images', 'stored', '--json', ...device];
    const refused = await run(...args);
    expect([refused.code, refused.out]).toEqual([2, '']);
    const complaints = refused.err.split('\n');
    expect(complaints).toHaveLength(4);
    const first = path.join(data, 'FrozenLake/level3/text/frozenlake_train_3_000000.txt');
    expect(complaints[0]).toBe(`${first}: task=sokoban is none of frozenlake, maze, minibehaviour`);
    expect(complaints[1]).toMatch(/maze_train_3_000001\.txt: the board of Maze stands behind 'layout:'/);
    expect(complaints[2]).toMatch(/minibehaviour_train_3_000000\.png: the image has 24 x 20 pixels/);
    expect(complaints[3]).toMatch(/^error: 3 files .* cannot be evaluated .*--skip-malformed$/);

    const rest = await run(...args, '--skip-malformed');
    expect(rest.code).toBe(0);
    const { rows, data: about } = JSON.parse(rest.out) as { rows: { items: number }[]; data: { skipped: object[] } };
    expect([rows[0]!.items, about.skipped.length]).toEqual([3, 3]);
  });
});

describe('data check', () => {
  it('proves that training and test samples share no layout, or finds the one they do', async () => {
    const data = await writeData('--world', 'maze', '--test', '2');
    const { code, out } = await run('data', 'check', data, '--json');
    expect(code).toBe(0);
    const report = JSON.parse(out) as { samples: number; layouts: object; testOnTrainingSide: number };
    expect(report).toMatchObject({ samples: 4, problems: [], testOnTrainingSide: 0 });
    expect(report.layouts).toMatchObject({ shared: 0 });

    const [train, test] = ['train', 'test'].map(split =>
      path.join(data, split, `Maze/level3/text/maze_${split}_3_000000.txt`),
    );
    fs.writeFileSync(test!, fs.readFileSync(train!, 'utf8').replace('split=train', 'split=test'));
    const leaking = await run('data', 'check', path.join(data, 'train'), path.join(data, 'test'));
    expect(leaking.code).toBe(2);
    expect(leaking.out).toMatch(
      /1 of them on both sides\n1 test samples have a layout that mgsd-lite itself trains on/,
    );
  });

  it('names images that are damaged or no squares, and counts those that are missing', async () => {
    const data = await writeData('--world', 'maze');
    const images = path.join(data, 'Maze/level3/image');
    const [first, second] = fs.readdirSync(images).map(name => path.join(images, name));
    fs.writeFileSync(first!, fs.readFileSync(first!).subarray(0, 60));
    fs.rmSync(second!);
    const { code, out, err } = await run('data', 'check', data);
    expect([code, err.split('\n')[0]]).toEqual([2, expect.stringContaining(path.basename(first!))]);
    expect(out).toMatch(/2 samples, 1 files that cannot be used\nwithout an image, .*: 1\n/);
    fs.writeFileSync(first!, encodePng({ width: 24, height: 12, data: new Uint8Array(24 * 12 * 3) }));
    expect((await run('data', 'check', data)).err).toContain('24 x 12 pixels, and a board is square');
  });
});

describe('data judge', () => {
  it("judges another model's answers by the rules, or as the published code does", async () => {
    const data = temporary.file('data');
    const folder = path.join(data, 'FrozenLake/level3/text');
    fs.mkdirSync(folder, { recursive: true });
    const board = 'task=frozenlake\nstart_row=0\nstart_col=0\ngoal_row=0\ngoal_col=2\nmap:\n';
    fs.writeFileSync(path.join(folder, 'a.txt'), `${board}SFG\nFFF\nHFF\n`);
    fs.writeFileSync(path.join(folder, 'b.txt'), `${board}SFG\nFFF\nFFH\n`);
    const answers = temporary.file('answers.jsonl');
    const items = temporary.file('verdicts.jsonl');
    const verdicts = async (scoring: string, a: string, b: string) => {
      const written = [
        { id: 'a', answer: a },
        { id: 'FrozenLake/level3/b', answer: b },
      ];
      fs.writeFileSync(answers, written.map(line => JSON.stringify(line)).join('\n'));
      const { code } = await run('data', 'judge', data, '--answers', answers, '--items', items, '--scoring', scoring);
      expect(code).toBe(0);
      return lines(items).map(({ success, optimal, reason }) => [success, optimal, reason]);
    };
    const [solved, notOptimal] = [
      [true, true, 'goal'],
      [true, false, 'goal'],
    ];
    const [unfinished, unparsed] = ['unfinished', 'unparsed'].map(reason => [false, false, reason]);
    const answer = (text: string) => `<answer>${text}</answer>`;
    expect((await verdicts('strict', answer('R'), '')).length).toBe(2);
    expect(lines(items)[0]).toMatchObject({ id: 'a', name: 'FrozenLake/level3/a', answered: true });
    expect(lines(items)[0]).toMatchObject({ steps: 1, progress: 0.5, shortest: 2 });
    // actions after the goal
    expect(await verdicts('strict', answer('RRL'), answer('RR'))).toEqual([notOptimal, solved]);
    expect((await verdicts('benchmark', answer('RRL'), answer('RR')))[0]).toEqual(solved);
    // the edge of the board
    expect((await verdicts('benchmark', answer('URR'), ''))[0]).toEqual([false, false, 'off-board']);
    expect((await verdicts('reward', answer('URR'), ''))[0]).toEqual(notOptimal);
    // which answer, and none
    const two = `${answer('D')} or ${answer('RR')}`;
    expect(await verdicts('reward', two, 'right, right')).toEqual([unfinished, unparsed]);
    expect(await verdicts('benchmark', two, 'right, right')).toEqual([solved, solved]);
    expect(await verdicts('strict', two, 'right, right')).toEqual([solved, unparsed]);
    expect((await verdicts('strict', answer('move right, RR'), ''))[0]).toEqual(unparsed);

    fs.writeFileSync(answers, '{"id": "c", "answer": ""}');
    const unknown = await run('data', 'judge', data, '--answers', answers);
    expect(unknown.code).toBe(2);
    expect(unknown.err).toMatch(/line 1: "c" is no sample/);
  });
});
