import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeJson } from '../../../mgsd/runs/files.js';
import type { ItemResult } from '../../../mgsd/evaluation/evaluate.js';
import { decodeCheckpoint, decodeSafetensors } from '../../../models/index.js';
import { independentLogits } from '../../models/independent.js';
import { contentsOf, jsonLines, run, smallConfig, tinyRun, untrainedCheckpoint } from '../capture.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();

let checkpoint: Uint8Array;
beforeAll(async () => {
  checkpoint = await untrainedCheckpoint();
});

function writeCheckpoint(name = 'model.safetensors', bytes = checkpoint): string {
  fs.writeFileSync(temporary.file(name), bytes);
  return temporary.file(name);
}

describe('help', () => {
  it('of every command has examples', async () => {
    const check = async (...words: string[]): Promise<string[]> => {
      const { code, out, err } = await run(...words, '--help');
      expect([code, err], words.join(' ')).toEqual([0, '']);
      expect(out).toMatch(/^Usage: mgsd-lite/);
      const [, commands = ''] = out.split('\nCommands:\n');
      const names = [...commands.matchAll(/^ {2}(\w+)/gm)].map(([, name = '']) => name).filter(name => name !== 'help');
      if (names.length === 0) expect(out, words.join(' ')).toMatch(/Examples:\n {2}\$ mgsd-lite /);
      const below: string[] = [];
      for (const name of names) below.push(...(await check(...words, name)));
      return [...names, ...below];
    };
    expect((await check()).length).toBeGreaterThan(15);
  });

  it('is shown, as an error, when no command is given', async () => {
    const { code, out, err } = await run();
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/Usage: mgsd-lite/);
  });
});

describe('eval', () => {
  const device = ['--device', 'cpu'];

  it('reports every input that was asked for, and every item', async () => {
    const items = temporary.file('items.jsonl');
    const inputs = ['--input', 'image', '--input', 'symbolic', '--input', 'image'];
    const { code, out, err } = await run('eval', writeCheckpoint(), ...inputs, '--json', '--items', items, ...device);
    expect([code, err]).toEqual([0, '']);
    const result = JSON.parse(out) as {
      stage: string;
      step: number;
      device: { backend: string };
      rows: { input: string; items: number }[];
    };
    expect(result).toMatchObject({ stage: 'stage2', step: 7, device: { backend: 'cpu' } });
    expect(result.rows.map(row => [row.input, row.items])).toEqual([
      ['image', 4],
      ['symbolic', 4],
    ]);
    const lines = jsonLines<ItemResult & { input: string }>(fs.readFileSync(items, 'utf8'));
    expect(lines.map(({ input }) => input)).toEqual([
      ...new Array<string>(4).fill('image'),
      ...new Array<string>(4).fill('symbolic'),
    ]);
    expect(new Set(lines.map(({ key }) => key)).size).toBe(4);
  });

  it('shows a table for people', async () => {
    const { code, out } = await run('eval', writeCheckpoint(), '--puzzles', '3', '--level', '3', ...device);
    expect(code).toBe(0);
    expect(out.split('\n')[0]).toMatch(/^cpu: /);
    expect(out).toContain('image');
    expect(out).toMatch(/3 held-out puzzles each; .*model\.safetensors$/m);
  });

  it('dumps what another program can compute again', async () => {
    const dump = temporary.file('dump.safetensors');
    const file = writeCheckpoint();
    const { code } = await run(
      'eval',
      file,
      '--puzzles',
      '2',
      '--input',
      'image',
      '--input',
      'symbolic',
      '--dump',
      dump,
      ...device,
    );
    expect(code).toBe(0);
    const { tensors } = decodeSafetensors(fs.readFileSync(dump));
    const [images, tokens, lengths, prefixes, logits] = ['images', 'tokens', 'lengths', 'prefixes', 'logits'].map(
      name => tensors.get(name)!,
    );
    expect(images!.shape).toEqual([2, 8, 8, 3]);
    let row = 0;
    const sequences = Array.from(lengths!.data, (length, s) => {
      const ids = [...tokens!.data.subarray(row, row + length)];
      row += length;
      const image = images!.data.subarray(s * 192, (s + 1) * 192) as Uint8Array;
      const split = { prompt: ids.slice(0, prefixes!.data[s]), response: ids.slice(prefixes!.data[s]) };
      return s < 2 ? { ...split, image } : split;
    });
    const expected = independentLogits(checkpoint, sequences).flat();
    expect(logits!.shape).toEqual([expected.length / 128, 128]);
    expected.forEach((value, i) => expect(Math.abs(logits!.data[i]! - value)).toBeLessThan(1e-4));
  });

  it('dumps what it was told to show', async () => {
    const images = async (...args: string[]) => {
      const dump = temporary.file('dump.safetensors');
      await run('eval', writeCheckpoint(), '--puzzles', '2', '--dump', dump, ...args, ...device);
      return [...decodeSafetensors(fs.readFileSync(dump)).tensors.get('images')!.data];
    };
    const drawn = await images();
    expect(await images('--style', 'held-out')).not.toEqual(drawn);
    expect(new Set(await images('--input', 'blank'))).toEqual(new Set([128]));
    // of two puzzles, each is shown the other's picture
    const half = drawn.length / 2;
    expect(await images('--input', 'shuffled')).toEqual([...drawn.slice(half), ...drawn.slice(0, half)]);
    expect(await images('--input', 'image', '--input', 'blank')).toEqual([...drawn, ...drawn.map(() => 128)]);
  });

  it('takes the furthest stage of a run, passing over damaged files', async () => {
    writeJson(temporary.file('config.json'), smallConfig);
    for (const name of ['stage0-4', 'stage2-3', 'direct-9']) writeCheckpoint(`checkpoint-${name}.safetensors`);
    writeCheckpoint('checkpoint-stage2-5.safetensors', checkpoint.subarray(0, 1000));
    const args = ['--puzzles', '2', ...device];
    const { code, out } = await run('eval', temporary.path, ...args);
    expect(code).toBe(0);
    expect(out).toMatch(/skipped: .*stage2-5/);
    expect(out).toMatch(/stage2-3\.safetensors$/m);
    expect((await run('eval', temporary.path, '--stage', 'direct', ...args)).out).toMatch(/direct-9\.safetensors$/m);
  });
});

describe('plan', () => {
  const args = ['--device', 'cpu', '--level', '3'];

  it('plans for a puzzle that it has never seen, and judges the plan', async () => {
    const { code, out } = await run('plan', '--checkpoint', writeCheckpoint(), ...args);
    expect(code).toBe(0);
    expect(out).toMatch(/^FrozenLake 3x3, held-out puzzle 1\n/);
    expect(out).toMatch(/\nwrote down .*\nplan .*\nsure {8}\d.*\nverdict {5}\S.*\nTake this with doubt/);
  });

  it.each([
    ['frozenlake', /^FrozenLake 4x4,/],
    ['maze', /^Maze 4x4,/],
    ['minibehaviour', /^MiniBehaviour 5x5,/], // 4 was not among its sizes in training
  ])("of a size of %s that the package's own model knows", async (world, title) => {
    const { code, out } = await run('plan', '--world', world, '--device', 'cpu');
    expect(code).toBe(0);
    expect(out).toMatch(title);
    expect(out).toMatch(/\nwrote down .*\(right\)\n/);
  });

  it('draws it, and gives the same to a program', async () => {
    const png = temporary.file('plan.png');
    const { code, out } = await run('plan', '--checkpoint', writeCheckpoint(), '--json', '--png', png, ...args);
    expect(code).toBe(0);
    expect(fs.readFileSync(png).subarray(1, 4).toString()).toBe('PNG');
    const result = JSON.parse(out) as {
      puzzle: { key: string };
      verdict: { success: boolean };
      tokens: number[];
      device: string;
    };
    expect(result.puzzle.key).toMatch(/^frozenlake:/);
    expect(result.verdict.success).toBe(false); // it is untrained
    expect(result.device).toMatch(/^cpu/);
  });

  it('sees in the picture of a puzzle what it sees in the puzzle', async () => {
    const png = temporary.file('puzzle.png');
    const checkpointFile = writeCheckpoint();
    expect((await run('data', 'show', '--level', '3', '--seed', '4', '--png', png, '--pixels', '12')).code).toBe(0);
    const resized = await run('plan', png, '--checkpoint', checkpointFile, '--device', 'cpu');
    expect(resized).toMatchObject({ code: 0 });
    expect(resized.out).toContain('resized from 12 to the 8 pixels');
    await run('data', 'show', '--level', '3', '--seed', '4', '--png', png, '--pixels', '8');
    const [fromPicture, fromPuzzle] = await Promise.all([
      run('plan', png, '--checkpoint', checkpointFile, '--json', '--device', 'cpu'),
      run('plan', '--seed', '4', '--checkpoint', checkpointFile, '--json', ...args),
    ]);
    const tokens = ({ out }: { out: string }) => (JSON.parse(out) as { tokens: number[] }).tokens;
    expect(tokens(fromPicture)).toEqual(tokens(fromPuzzle));
  });
});

describe('data', () => {
  it('writes samples as the authors store them', async () => {
    const out = temporary.file('samples');
    const size = ['--count', '3', '--level', '3', '--level', '4', '--pixels', '32'];
    const args = ['--world', 'frozenlake', ...size, '--split', 'test', '--seed', '9', '--threads', '1'];
    expect(await run('data', 'generate', '--out', out, ...args)).toMatchObject({ code: 0, err: '' });
    const files = Object.keys(contentsOf(out));
    expect(files).toHaveLength(13); // with samples.json
    const text = fs.readFileSync(path.join(out, 'FrozenLake/level4/text/frozenlake_test_4_000001.txt'), 'utf8');
    expect(text).toMatch(
      /^task=frozenlake\nsplit=test\nlevel=4\nindex=1\nseed=9\npath_length=\d+\nsolution_actions=\["/,
    );
    expect(text).toMatch(
      /\nis_slippery=false\nstart_row=\d\nstart_col=\d\ngoal_row=\d\ngoal_col=\d\nmap:\n([SFHG]{4}\n){4}$/,
    );
    const field = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)![1]!;
    const cells = JSON.parse(field('trajectory_states')) as number[][];
    expect(cells[0]).toEqual([Number(field('start_row')), Number(field('start_col'))]);
    expect(cells.at(-1)).toEqual([Number(field('goal_row')), Number(field('goal_col'))]);
    expect(cells).toHaveLength(Number(field('path_length')) + 1);
    const again = temporary.file('again');
    await run('data', 'generate', '--out', again, ...args);
    expect(contentsOf(again)).toEqual(contentsOf(out));
  });

  it('shows a sample in every form', async () => {
    const { out } = await run('data', 'show', '--json', '--level', '5', '--seed', '2');
    const sample = JSON.parse(out) as {
      board: string[];
      response: string;
      optimalPlans: string[];
      optimalPlanCount: number;
      shortestLength: number;
    };
    expect(sample.board).toHaveLength(5);
    expect(new Set(sample.optimalPlans).size).toBe(sample.optimalPlanCount);
    expect(sample.optimalPlans.every(plan => plan.length === sample.shortestLength)).toBe(true);
    const [, answer = ''] = sample.response.split(' ANS ');
    const actions = answer.split(' ').filter(word => /^[LDRU]$/.test(word));
    expect(sample.optimalPlans).toContain(actions.join(''));
    expect((await run('data', 'show', '--world', 'maze')).out).toContain('+-+-+-+-+');
  });

  it('counts what a run trains and tests on', async () => {
    const sets = ['tasks.0.levels=[3]', 'tasks.0.pool.3=40', 'evaluation.puzzles=10'].flatMap(text => ['--set', text]);
    const { out } = await run('data', 'stats', '--preset', 'tiny', '--json', ...sets);
    const [train, test] = JSON.parse(out) as {
      puzzles: number;
      byMoves: Record<string, number>;
      needsDetour: number;
    }[];
    expect([train!.puzzles, test!.puzzles]).toEqual([40, 10]);
    expect(Object.values(train!.byMoves).reduce((sum, n) => sum + n)).toBe(40);
    expect((await run('data', 'stats', '--preset', 'tiny', ...sets)).out).toContain('frozenlake 3x3, train');
  });
});

describe('info', () => {
  it('tells of every backend, and counts the parameters of every preset', async () => {
    const { code, out } = await run('info', '--json');
    expect(code).toBe(0);
    const { devices, presets, versions } = JSON.parse(out) as {
      devices: { backend: string; capabilities?: object; problem?: string }[];
      presets: { name: string; parameters: number }[];
      versions: Record<string, string>;
    };
    expect(devices.map(({ backend }) => backend)).toEqual(['webgpu', 'wasm', 'cpu']);
    for (const { capabilities, problem } of devices)
      expect((capabilities === undefined) === (problem !== undefined)).toBe(true);
    expect(presets.map(({ name }) => name)).toEqual(['classroom', 'tiny', 'worlds', 'small', 'base', 'large']);
    expect(presets[0]!.parameters).toBeGreaterThan(300_000);
    expect(versions['mgsd-lite']).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe('train --dry-run', () => {
  it('says what a run costs and makes nothing', async () => {
    const { code, out, err } = await run('train', '--dry-run', '--json', '--out', temporary.file('run'), ...tinyRun);
    expect([code, err]).toEqual([0, '']);
    const events = out.split('\n').map(line => JSON.parse(line) as Record<string, unknown>);
    expect(events.map(({ event }) => event)).toEqual(['device', 'dry-run']);
    const { parameters, estimate } = events[1] as {
      parameters: Record<string, number>;
      estimate: {
        stages: { stage: string; steps: number; secondsPerStep: number }[];
        seconds: number;
        deviceBytes: number;
        checkpointBytes: number;
      };
    };
    expect(parameters['total']).toBe(parameters['vision']! + parameters['decoder']!);
    expect(estimate.stages.map(({ stage }) => stage)).toEqual(['stage0', 'stage1', 'stage2']);
    for (const { steps, secondsPerStep } of estimate.stages) {
      expect(steps).toBe(4);
      expect(secondsPerStep).toBeGreaterThan(0);
    }
    expect(estimate.deviceBytes).toBeGreaterThan(16 * parameters['total']!); // values, gradients, two moments
    expect(estimate.checkpointBytes).toBeGreaterThanOrEqual(12 * parameters['total']!);
    expect(fs.readdirSync(temporary.path)).toEqual([]);
  });
});

describe('a checkpoint in memory', () => {
  it('says which run it comes from', () => {
    expect(JSON.parse(decodeCheckpoint(checkpoint).metadata['run']!)).toEqual(smallConfig);
  });
});
