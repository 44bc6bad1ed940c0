import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../capture.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();
const folder = () => temporary.file('run');

/** All three worlds, every option of the image stages, a few updates. */
const short = [
  'tasks.0.levels=[3]',
  'tasks.0.pool.3=20',
  'tasks.1.levels=[3]',
  'tasks.1.pool.3=20',
  'tasks.2.pool.5=20',
  ...['stage0', 'stage1', 'stage2'].flatMap(stage => [`${stage}.steps=2`, `${stage}.warmup=1`, `${stage}.batch=6`]),
  'stage1.images=10',
  'stage1.questions=0.5',
  'stage1.replay=0.5',
  'stage1.gate={"recapExact":0.9,"puzzles":2,"steps":1,"extensions":1,"failed":"ground"}',
  'stage2.replay=0.5',
  'evaluation.puzzles=3',
].flatMap(text => ['--set', text]);
const onWasm = ['--device', 'wasm', '--threads', '1'];

describe('a run on three worlds', () => {
  it('goes through the gate, asks its questions, and tells of every world, as does its evaluation', async () => {
    const { code, out, err } = await run('train', '--preset', 'worlds', ...onWasm, '--out', folder(), ...short);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(
      /gate: frozenlake 3 0 %, maze 3 0 %, minibehaviour 5 0 % of 90 % exact recaps; stage 1 goes on to update 3/,
    );
    expect(out).toMatch(/gate: failed by .*Stage 2 begins with them all the same.*stage1\.steps=6/);
    expect(out).toMatch(
      /all perception questions answered correctly: frozenlake 0\.0 %, maze 0\.0 %, minibehaviour 0\.0 %/,
    );
    expect(out.replace(/\s+/g, ' ')).toMatch(/minibehaviour/);
    for (const file of ['perception-stage1.json', 'perception-stage2.json'])
      expect(fs.existsSync(path.join(folder(), file))).toBe(true);
    const table = JSON.parse(fs.readFileSync(path.join(folder(), 'table.json'), 'utf8')) as Record<string, unknown>[];
    const mgsd = table.find(({ name }) => name === 'mgsd');
    expect(Object.keys(mgsd?.['byTask'] as object)).toEqual(['frozenlake', 'maze', 'minibehaviour']);
    expect(fs.readFileSync(path.join(folder(), 'table.md'), 'utf8')).toContain('| minibehaviour: success % |');
    const log = fs
      .readFileSync(path.join(folder(), 'log.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>);
    const stage1 = log.filter(({ stage }) => stage === 'stage1');
    expect(stage1.map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(stage1.map(line => line['recapExact maze 3'])).toEqual([undefined, 0, 0]);

    const shown = await run('eval', folder(), ...onWasm, '--style', 'held-out', '--world', 'maze', '--level', '4');
    expect(shown.code).toBe(0);
    for (const words of ['progress', 'parsed', 'illegal', 'recap right, maze, image: size', 'questions, maze: size'])
      expect(shown.out.replace(/\n/g, ' ')).toContain(words);
    const { out: json } = await run('eval', folder(), ...onWasm, '--json', '--input', 'symbolic');
    const { rows, perception } = JSON.parse(json) as { rows: Record<string, object>[]; perception: object };
    expect(Object.keys(perception)).toEqual(['frozenlake', 'maze', 'minibehaviour']);
    expect(Object.keys(rows[0]!['byTaskLevel']!)).toEqual(['frozenlake 3', 'maze 3', 'minibehaviour 5']);
  });
});
