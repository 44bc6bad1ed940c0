/** The experiments for a class, made short; the pictures; and the schema of configurations. */
import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { configSchema, presets } from '../../../mgsd/method/config.js';
import { configFileSchema } from '../../../mgsd/cli/config.js';
import { lineChart, ticksOf } from '../../../mgsd/pictures/chart.js';
import { experiments } from '../../../mgsd/lessons/experiments/index.js';
import { isLookDue } from '../../../mgsd/runs/looks.js';
import { run } from '../capture.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();

describe('experiments', () => {
  it.each(experiments.map(({ name }) => name))('%s ends with figures, a picture and a lesson', async name => {
    const out = temporary.file('out');
    const short = ['--effort', '0.02', '--device', 'wasm', '--threads', '1', '--out', out];
    const { code, out: text, err } = await run('experiment', name, ...short);
    expect([code, err.includes('error')]).toEqual([0, false]);
    expect(text).toContain(`${name}.svg`);
    const svg = fs.readFileSync(`${out}/${name}.svg`, 'utf8');
    expect(svg).toMatch(/^<svg xmlns[\s\S]*<\/svg>\n$/);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    expect(JSON.parse(fs.readFileSync(`${out}/${name}.json`, 'utf8'))).toMatchObject({
      experiment: name,
      seed: 1,
      effort: 0.02,
    });
    expect(fs.existsSync(experiments.find(found => found.name === name)!.lesson)).toBe(true);
  });

  it('are listed, for people and programs, and refuse what they are not', async () => {
    const { out } = await run('experiment');
    for (const { name, question } of experiments) expect(out).toContain(`${name.padEnd(12)} ${question}`);
    const list = JSON.parse((await run('experiment', '--json')).out) as unknown[];
    expect(list).toHaveLength(experiments.length);
    expect(await run('experiment', 'none')).toMatchObject({ code: 2 });
    expect(await run('experiment', 'modes', '--effort', '0')).toMatchObject({ code: 2 });
  });

  it('find what the toy is about: one mode by reverse KL, everything by forward KL', async () => {
    const out = temporary.file('modes');
    const { out: text } = await run('experiment', 'modes', '--device', 'cpu', '--json', '--out', out);
    const { fitted } = JSON.parse(text) as {
      fitted: { name: string; mean: number; deviation: number; reverseKl: number; forwardKl: number }[];
    };
    const [reverse, forward] = fitted as [(typeof fitted)[0], (typeof fitted)[0]];
    expect(reverse.mean).toBeCloseTo(-1.4, 1); // the heavier mode
    expect(reverse.deviation).toBeCloseTo(0.35, 1);
    expect(reverse.reverseKl).toBeCloseTo(-Math.log(0.6), 1);
    expect(forward.mean).toBeCloseTo(0.6 * -1.4 + 0.4 * 1.3, 0);
    expect(forward.deviation).toBeGreaterThan(1);
    expect(forward.forwardKl).toBeLessThan(reverse.forwardKl);
    expect(reverse.reverseKl).toBeLessThan(forward.reverseKl);
  });
});

describe('a chart', () => {
  it('has round ticks within its range', () => {
    expect(ticksOf(0, 1, 'linear')).toEqual([0, 0.2, 0.4, 0.6000000000000001, 0.8, 1]);
    expect(ticksOf(0.01, 10, 'log')).toEqual([0.01, 0.1, 1, 10]);
    expect(ticksOf(1e-13, 0.1, 'log').length).toBeLessThanOrEqual(7);
  });

  it('leaves out what has no place on a logarithmic axis, and escapes its words', () => {
    const svg = lineChart({
      title: 'a < b & "c"',
      x: 'x',
      y: 'y',
      yScale: 'log',
      lines: [
        {
          label: '<l>',
          points: [
            [0, 0],
            [1, 2],
            [2, NaN],
            [3, 4],
          ],
        },
      ],
    });
    expect(svg).toContain('a &lt; b &amp; &quot;c&quot;');
    expect(svg).toContain('&lt;l&gt;');
    expect(svg.match(/stroke-linejoin/g)).toHaveLength(1);
    expect(svg).not.toMatch(/NaN|Infinity/);
  });
});

describe('looks at a training', () => {
  it('are a handful per stage, the end left to the evaluation', () => {
    const due = (steps: number) =>
      Array.from({ length: steps + 1 }, (_, step) => step).filter(step => isLookDue(step, steps));
    expect(due(80)).toEqual([10, 20, 30, 40, 50, 60, 70]);
    expect(due(4)).toEqual([1, 2, 3]);
    expect(due(0)).toEqual([]);
    expect(due(2000)).toHaveLength(7);
  });
});

describe('the schema of config files', () => {
  it('takes what the presets hold and any part of it, and knows every setting', async () => {
    const schema = configFileSchema() as { properties: Record<string, { properties?: object; description?: string }> };
    expect(Object.keys(schema.properties)).toEqual(['$schema', ...Object.keys(configSchema.shape)]);
    expect(Object.keys(schema.properties['stage2']!.properties!)).toEqual(Object.keys(configSchema.shape.stage2.shape));
    expect(JSON.stringify(schema.properties['stage0'])).not.toContain('"required":["steps"');
    expect(JSON.stringify(schema)).toContain('Decides every puzzle, weight and sample');
    const file = temporary.file('schema.json');
    expect(await run('config', 'schema', '--out', file)).toMatchObject({ code: 0 });
    expect(JSON.parse(fs.readFileSync(file, 'utf8'))).toEqual(schema);
    expect(z.toJSONSchema(configSchema, { io: 'input' })).toMatchObject({ type: 'object' });
  });

  it('may be named in a config file', async () => {
    const file = temporary.file('mine.json');
    fs.writeFileSync(file, JSON.stringify({ $schema: './mgsd-lite.schema.json', stage0: { steps: 700 } }));
    const { code, out } = await run('config', 'show', '--config', file);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({ ...presets.worlds, stage0: { ...presets.worlds.stage0, steps: 700 } });
  });
});
