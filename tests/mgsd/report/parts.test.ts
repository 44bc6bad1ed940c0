import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { reverseKl } from '../../../core/index.js';
import { decodeCheckpoint, loadModel } from '../../../models/index.js';
import { cellIndexToken } from '../../../models/vocabulary.js';
import { countOptimalPlans, optimalMoves } from '../../../mgsd/report/board.js';
import { puzzleKey } from '../../../mgsd/report/choose.js';
import { movingMean, plotsOf } from '../../../mgsd/report/curves.js';
import { computedSnapshots, storedSnapshots } from '../../../mgsd/report/snapshots.js';
import { escapeHtml, html, jsonForScript } from '../../../mgsd/pictures/html.js';
import { readRun } from '../../../mgsd/report/run-data.js';
import { alignRecap, heat, hottest } from '../../../mgsd/report/tokens.js';
import { readFile } from '../../../mgsd/runs/files.js';
import { packExamples } from '../../../mgsd/method/packing.js';
import { relabelledExample } from '../../../mgsd/method/targets.js';
import type { Action } from '../../../mgsd/worlds/grid.js';
import { createWorldByName, WORLD_NAMES } from '../../../mgsd/worlds/registry.js';
import type { World, WorldInstance } from '../../../mgsd/worlds/world.js';
import { cpu } from '../../core/devices.js';
import { testRandom } from '../random.js';
import { config, makeRun, puzzles } from './run.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();
afterAll(async () => {
  await cpu.close();
});

describe('html', () => {
  it('lets no text become markup, and loses none', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('<', '>', '&', '"', "'", 'a', ';', '\0', '\n') }), text => {
        const escaped = escapeHtml(text);
        expect(escaped).not.toMatch(/[<>"'\0]/);
        const back = escaped.replace(
          /&(lt|gt|quot|#39|amp);/g,
          (_, name: string) => ({ lt: '<', gt: '>', quot: '"', '#39': "'", amp: '&' })[name]!,
        );
        expect(back).toBe(text.replaceAll('\0', '\ufffd'));
      }),
    );
  });

  it('escapes what it is given and keeps what it made', () => {
    expect(html`<p title="${'"'}">${['<', html`<b>${1}</b>`, null, false, undefined]}</p>`.text).toBe(
      '<p title="&quot;">&lt;<b>1</b></p>',
    );
  });

  it('writes JSON that ends no script and says the same', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        const { text } = jsonForScript([value, '</script><!--\u2028']);
        expect(text).not.toMatch(/[<\u2028\u2029]/);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify([value, '</script><!--\u2028'])));
      }),
    );
  });
});

describe('a recap beside the truth', () => {
  const tokens = fc.array(fc.integer({ min: 64, max: 68 }), { maxLength: 8 });

  it('shows all of both, in order', () => {
    fc.assert(
      fc.property(tokens, tokens, (written, truth) => {
        const aligned = alignRecap(written, truth);
        expect(aligned.flatMap(place => place.written ?? [])).toEqual(written);
        expect(aligned.flatMap(place => place.truth ?? [])).toEqual(truth);
      }),
    );
  });

  it('differs in as few places as possible', () => {
    const distance = (a: readonly number[], b: readonly number[]): number => {
      if (a.length === 0 || b.length === 0) return a.length + b.length;
      if (a[0] === b[0]) return distance(a.slice(1), b.slice(1));
      return 1 + Math.min(distance(a.slice(1), b), distance(a, b.slice(1)), distance(a.slice(1), b.slice(1)));
    };
    const short = fc.array(fc.integer({ min: 64, max: 66 }), { maxLength: 5 });
    fc.assert(
      fc.property(short, short, (written, truth) => {
        const different = alignRecap(written, truth).filter(place => place.written !== place.truth);
        expect(different).toHaveLength(distance(written, truth));
      }),
    );
  });

  it('marks one forgotten hole alone', () => {
    const [a, b, c] = [cellIndexToken(0), cellIndexToken(9), cellIndexToken(18)];
    expect(alignRecap([a, c], [a, b, c])).toEqual([
      { written: a, truth: a },
      { written: null, truth: b },
      { written: c, truth: c },
    ]);
  });
});

describe('the heat of a token', () => {
  it('grows with the divergence, from 0 to 1', () => {
    expect([heat(0), heat(hottest), heat(100 * hottest)]).toEqual([0, 1, 1]);
    const nats = fc.double({ min: 0, max: hottest, noNaN: true });
    fc.assert(
      fc.property(nats, nats, (a, b) => {
        expect(heat(Math.min(a, b))).toBeLessThanOrEqual(heat(Math.max(a, b)));
      }),
    );
  });
});

describe('optimal plans', () => {
  /** All plans of the shortest length, by trying. */
  function shortestPlans(world: World, instance: WorldInstance): Action[][] {
    const all: Action[][] = [];
    const walk = (state: number, plan: Action[]): void => {
      if (world.isGoal(instance, state)) all.push(plan);
      else if (plan.length < world.shortestLength(instance))
        for (const action of world.actions) {
          const step = world.step(instance, state, action);
          if (step.verdict !== 'fatal') walk(step.next, [...plan, action]);
        }
    };
    walk(world.start(instance), []);
    return all;
  }

  it.each(WORLD_NAMES)('%s: all are drawn and counted', name => {
    const world: World = createWorldByName(name);
    const level = world.levels[0]!;
    for (let seed = 0; seed < 12; seed++) {
      const instance = world.generate(testRandom(seed), level);
      if (world.shortestLength(instance) > 7) continue; // too many to try
      const plans = shortestPlans(world, instance);
      expect(countOptimalPlans({ world, instance })).toBe(plans.length);
      const moves = new Set<string>();
      for (const plan of plans) {
        let state = world.start(instance);
        for (const action of plan) {
          const { next } = world.step(instance, state, action);
          const [from, to] = [state, next].map(at => world.cellAfter(instance, at) - cellIndexToken(0)) as [
            number,
            number,
          ];
          if (from !== to) moves.add(`${from} ${to}`);
          state = next;
        }
      }
      expect(
        optimalMoves({ world, instance })
          .map(move => move.join(' '))
          .sort(),
      ).toEqual([...moves].sort());
    }
  });
});

describe('curves', () => {
  it('have a moving mean that keeps straight lines straight', () => {
    const line = Array.from({ length: 31 }, (_, k) => 3 * k - 7);
    movingMean(line, 5).forEach((value, k) => expect(value).toBeCloseTo(line[k]!));
    expect(movingMean([1, null, 3], 1)).toEqual([1, null, 3]);
    expect(movingMean([0, null, 3, 3, 0], 1)[2]).toBe(3);
  });

  it('are means over equal stretches of a long log', async () => {
    const run = readRun((await makeRun(temporary.file('run'), { unfinished: true })).folder, config, () => {});
    const log = Array.from({ length: 1500 }, (_, k) => ({
      stage: 'stage0',
      step: k + 1,
      loss: k % 5 === 0 ? 'NaN' : k,
    }));
    const [plot] = plotsOf([{ ...run, log }], 'stage0');
    expect(plot!.x).toEqual(Array.from({ length: 300 }, (_, k) => 5 * (k + 1)));
    expect(plot!.curves[0]!.raw.slice(0, 3)).toEqual([2.5, 7.5, 12.5]); // of 1 2 3 4, of 6 7 8 9, ...
  });

  it('of worlds and sizes share a plot a world, under a proper name; unknown metrics keep theirs', async () => {
    const run = readRun((await makeRun(temporary.file('run'), { unfinished: true })).folder, config, () => {});
    const names = [
      'rolloutSuccess frozenlake 3',
      'rolloutSuccess frozenlake 4',
      'rolloutSuccess maze 3',
      'other elsewhere 3',
    ];
    const metrics = Object.fromEntries(names.map(name => [name, 0.5]));
    const plots = plotsOf([{ ...run, log: [{ stage: 'stage2', step: 1, note: 'no number', ...metrics }] }], 'stage2');
    expect(plots.map(({ title, scale, curves }) => [title, scale, curves.map(({ label }) => label)])).toEqual([
      ['Rollout success, FrozenLake', 'share', ['3 × 3', '4 × 4']],
      ['Rollout success, Maze', 'share', ['3 × 3']],
      ['other elsewhere 3', 'linear', ['other elsewhere 3']],
    ]);
  });

  it('leave out on a logarithmic axis what has no logarithm', async () => {
    const run = readRun((await makeRun(temporary.file('run'), { unfinished: true })).folder, config, () => {});
    const log = [0, -1, 2].map((loss, k) => ({ stage: 'stage0', step: k + 1, loss }));
    expect(plotsOf([{ ...run, log }], 'stage0')[0]!.curves[0]!.raw).toEqual([null, null, 2]);
  });
});

describe('what checkpoints add', () => {
  const few = new Map(
    puzzles
      .slice(0, 5)
      .map(puzzle => [puzzleKey({ world: puzzle.world.name, key: puzzle.world.instanceKey(puzzle.instance) }), puzzle]),
  );

  it('shows the same students as the evaluations at the ends of stages, and others between', async () => {
    const run = readRun((await makeRun(temporary.file('run'), { checkpoints: true })).folder, config, () => {});
    const stored = storedSnapshots(run, few);
    expect(stored.map(({ stage, items, divergences }) => [stage, items.size, divergences.size])).toEqual([
      ['stage0', 5, 0],
      ['stage1', 5, 0],
      ['stage2', 5, 0],
    ]);
    const computed = await computedSnapshots(run, few, cpu, () => {});
    expect(computed.map(({ stage, step, divergences }) => [stage, step, divergences.size])).toEqual([
      ['stage0', null, 0],
      ['stage1', 20, 5],
      ['stage2', 5, 0],
      ['stage2', 10, 5],
    ]);
    expect([computed[1]!.items, computed[3]!.items]).toEqual([stored[1]!.items, stored[2]!.items]);
  });

  it('measures the reverse KL that stage 2 minimises, token by token', async () => {
    const run = readRun((await makeRun(temporary.file('run'), { checkpoints: true })).folder, config, () => {});
    const last = (await computedSnapshots(run, few, cpu, () => {})).at(-1)!;
    const model = async (name: string) =>
      await loadModel(cpu, decodeCheckpoint(readFile(temporary.file(`run/${name}.safetensors`))), { trainable: false });
    const [student, teacher] = [await model('checkpoint-stage2-10'), await model('checkpoint-stage0-50')];
    for (const [key, puzzle] of few) {
      const tokens = last.items.get(key)!.response;
      const examples = [relabelledExample(puzzle, tokens)];
      const seen = packExamples(examples, 'image', student);
      const known = packExamples(examples, 'symbolic', teacher);
      const rows = seen.outputs.values.length;
      const losses = await cpu.scope(() => {
        const studentLogits = student.forward(cpu.fromHost(seen));
        const [ones, floor] = [
          cpu.tensor(new Float32Array(rows).fill(1), [rows]),
          cpu.tensor([config.stage2.teacherFloor], [1]),
        ];
        return reverseKl(studentLogits, teacher.forward(cpu.fromHost(known)), ones, floor).read();
      });
      const measured = last.divergences.get(key)!;
      expect(measured.map(({ token }) => token)).toEqual(tokens);
      measured.forEach((entry, t) => {
        expect(entry.reverseKl).toBeCloseTo(losses[t]!, 4);
        expect(entry.teacherGuesses.every(([, q]) => q >= 0.01 && q <= 1)).toBe(true);
        expect(entry.oracle).toEqual(examples[0]!.targets[t]);
      });
    }
  });

  it('goes on without a checkpoint that cannot be read', async () => {
    const { folder } = await makeRun(temporary.file('run'), { checkpoints: true });
    const run = readRun(folder, config, () => {});
    const broken = run.checkpoints.map(file =>
      file.stage === 'stage0' ? { ...file, path: `${folder}/log.jsonl` } : file,
    );
    const warnings: string[] = [];
    const snapshots = await computedSnapshots({ ...run, checkpoints: broken }, few, cpu, text => warnings.push(text));
    expect(warnings).toEqual([expect.stringContaining('log.jsonl is left out')]);
    expect(snapshots.map(({ divergences }) => divergences.size)).toEqual([0, 0, 0, 0]);
  });
});
