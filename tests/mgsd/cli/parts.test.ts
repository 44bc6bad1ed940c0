import { afterEach, describe, expect, it, vi } from 'vitest';
import pc from 'picocolors';
import { errorLine } from '../../../mgsd/cli/errors.js';
import { factor, wholeNumber } from '../../../mgsd/cli/options.js';
import { Progress } from '../../../mgsd/cli/progress.js';
import { Reporter } from '../../../mgsd/cli/reporter.js';
import { resultTable, wrap } from '../../../mgsd/cli/results.js';
import { stageSentences } from '../../../mgsd/evaluation/summary.js';
import { catchSignals } from '../../../mgsd/cli/signals.js';
import { formatBytes, formatDuration } from '../../../mgsd/cli/terminal.js';
import type { Terminal } from '../../../mgsd/cli/terminal.js';
import type { ItemResult } from '../../../mgsd/evaluation/evaluate.js';
import { buildTable } from '../../../mgsd/evaluation/table.js';
import type { RowName } from '../../../mgsd/evaluation/table.js';

function captured(columns?: number): Terminal & { readonly lines: string[] } {
  const lines: string[] = [];
  const out = (text: string) => lines.push(text);
  return { lines, out, err: out, bar: undefined, columns, colours: pc.createColors(false) };
}

/** Rows of 100 puzzles, each with a layout of its own, of which so many per cent are solved and written down. */
function tableOf(rates: Partial<Record<RowName, readonly [success: number, recap: number]>>) {
  const items = (success: number, recap: number) =>
    Array.from({ length: 100 }, (_, i): ItemResult => {
      const layout = `layout ${i}`;
      const solved = { success: i < success, optimal: i < success, recapExact: i < recap };
      return {
        world: 'frozenlake',
        level: 3,
        key: layout,
        layout,
        detour: i % 4 === 0,
        ...solved,
        reason: '',
        response: [],
      };
    });
  return buildTable(
    new Map(Object.entries(rates).map(([name, [success, recap]]) => [name as RowName, items(success, recap)])),
  );
}

const good = {
  symbolic: [95, 100],
  base: [0, 0],
  stage1: [2, 98],
  mgsd: [90, 97],
  'mgsd-blank': [5, 0],
  'mgsd-shuffled': [10, 0],
} as const;

describe('sentences about a run', () => {
  it('says what each stage did', () => {
    expect(stageSentences(tableOf(good))).toEqual([
      'Stage 0 made a planner that solves 95 % of unseen puzzles from symbols; shown an image instead, it solves 0 %.',
      'Stage 1 taught it to write down 98 % of the boards it sees, and to plan on 2 %.',
      'Stage 2 taught it to plan from what it sees: 2 % became 90 %, which closes 95 % of the gap between image and symbols.',
      'It looks at its image: with a blank image 5 %, with a wrong image 10 %.',
    ]);
  });

  it('claims nothing that the intervals do not carry', () => {
    const sentences = stageSentences(
      tableOf({ ...good, stage1: [85, 98], 'mgsd-shuffled': [88, 0], direct: [92, 99] }),
    );
    expect(sentences[2]).toBe('Stage 2 brought no gain beyond the intervals (85 % before, 90 % after).');
    expect(sentences[3]).toMatch(/^It does not depend on its image/);
    expect(sentences[4]).toMatch(/92 %, which is no different, within the intervals, from MGSD/);
    expect(stageSentences(tableOf({ ...good, direct: [100, 100] })).at(-1)).toMatch(/100 %, which is better than MGSD/);
    expect(stageSentences(tableOf({ ...good, direct: [50, 100] })).at(-1)).toMatch(/50 %, which is worse than MGSD/);
  });

  it('tells of the stages that there were', () => {
    expect(stageSentences(tableOf({ symbolic: [95, 100] }))).toEqual([
      'Stage 0 made a planner that solves 95 % of unseen puzzles from symbols.',
    ]);
    expect(stageSentences([])).toEqual([]);
  });
});

describe('the table', () => {
  it('fits into 100 columns, with every value and interval', () => {
    const text = resultTable(captured(), tableOf(good));
    expect(Math.max(...text.split('\n').map(line => line.length))).toBeLessThan(100);
    expect(text).toContain('90.0');
    expect(text).toMatch(/\(\d+\.\d–\d+\.\d\)/);
    expect(text).toContain('MGSD (stages 1 + 2),');
  });

  it('is a list where the terminal is narrow', () => {
    const lines = resultTable(captured(60), tableOf({ mgsd: [90, 97] })).split('\n');
    expect(lines).toHaveLength(6);
    expect(lines[1]).toMatch(/^ {2}success % +90\.0 \(/);
  });

  it('breaks titles at blanks', () => {
    expect(wrap('one two three', 7)).toBe('one two\nthree');
    expect(wrap('incomprehensible', 7)).toBe('incomprehensible');
  });
});

describe('progress without a terminal', () => {
  it('is a line every few seconds, and one at the end', () => {
    vi.spyOn(performance, 'now').mockReturnValue(0);
    const terminal = captured();
    const progress = new Progress(terminal);
    progress.begin('stage 1', 10);
    progress.update(1, 'loss 2');
    vi.spyOn(performance, 'now').mockReturnValue(6000);
    progress.update(2, 'loss 1.5');
    progress.update(3, 'loss 1.4');
    progress.update(10, 'loss 1');
    expect(terminal.lines).toEqual(['stage 1: 2/10, loss 1.5, 24 s left', 'stage 1: 10/10, loss 1']);
    progress.end();
    progress.update(10, 'nobody is there');
    expect(terminal.lines).toHaveLength(2);
  });

  it('follows a stage that gets longer, as stage 1 does when its gate is not passed', () => {
    const terminal = captured();
    const observer = new Reporter(terminal, false).observer(['stage1']);
    const report = { stage: 'stage1', title: 'grounding', metrics: {}, samplesPerSecond: 1 } as const;
    observer.onStage!({ ...report, step: 0, steps: 4 });
    observer.onStep!({ ...report, step: 4, steps: 4 });
    observer.onStep!({ ...report, step: 247, steps: 247 });
    expect(terminal.lines.map(line => /\d+\/\d+/.exec(line)?.[0])).toEqual(['4/4', '247/247']);
  });

  it('counts the time left from where this process began', () => {
    vi.spyOn(performance, 'now').mockReturnValue(0);
    const terminal = captured();
    const progress = new Progress(terminal);
    progress.begin('stage 1', 100, 50);
    vi.spyOn(performance, 'now').mockReturnValue(10_000);
    progress.update(60, '');
    expect(terminal.lines).toEqual(['stage 1: 60/100, 40 s left']);
  });
});

describe('a pool that is being drawn', () => {
  it('is spoken of now and then, as a note or an event', () => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    for (const json of [false, true]) {
      clock.mockReturnValue(0);
      const terminal = captured();
      const { drawing } = new Reporter(terminal, json);
      drawing('maze 8', 1000, 50_000);
      expect(terminal.lines).toEqual([]);
      clock.mockReturnValue(4000);
      drawing('maze 8', 2000, 50_000);
      drawing('maze 8', 3000, 50_000);
      const note = 'drawing puzzles of maze 8: 2000 of 50000';
      expect(terminal.lines).toEqual([json ? JSON.stringify({ event: 'note', note }) : note]);
    }
    clock.mockRestore();
  });
});

describe('a whole number', () => {
  it.each([
    ['100000', 100_000],
    ['1e5', 100_000],
    ['1.5E+3', 1500],
    ['5.0', 5],
    ['10e-1', 1],
  ])('may be written as %s', (text, value) => {
    expect(wholeNumber(1, 1e6)(text)).toBe(value);
  });

  it.each([
    '1.5',
    '1e-3',
    '15e-1',
    '1e7',
    '0',
    '-1',
    '+1',
    '0x10',
    '1e',
    '',
    ' 1',
    '1,000',
    'Infinity',
    '1e400',
    '1_000',
  ])('is not %j', text => {
    expect(() => wholeNumber(1, 1e6)(text)).toThrow('Give a whole number from 1 to 1000000.');
  });

  it('and any other number are read in decimal notation alone', () => {
    expect(['0.5', '.5', '5e-1', '2.'].map(text => factor(10)(text))).toEqual([0.5, 0.5, 0.5, 2]);
    for (const text of ['0x1', '0b1', ' 1', '1 ', '+1', '-1', '', '.', 'e1', 'Infinity', 'NaN', '1n', '\u0663'])
      expect(() => factor(10)(text), text).toThrow('Give a number above 0');
  });
});

describe('signals', () => {
  afterEach(() => vi.restoreAllMocks());

  it('abort at the first, end the process at the second', () => {
    const exit = vi.spyOn(process, 'exit').mockImplementation((() => {}) as never);
    const now = vi.spyOn(performance, 'now').mockReturnValue(1000);
    const seen: string[] = [];
    const watch = catchSignals(name => seen.push(name));
    expect(watch.signal.aborted).toBe(false);
    process.emit('SIGINT');
    expect([watch.signal.aborted, watch.exitCode, seen]).toEqual([true, 130, ['SIGINT']]);
    now.mockReturnValue(1100);
    process.emit('SIGINT'); // npx passes the same Ctrl-C on
    process.emit('SIGTERM'); // the launcher, since npx is gone
    expect(exit).not.toHaveBeenCalled();
    now.mockReturnValue(2000);
    process.emit('SIGINT');
    expect(exit).toHaveBeenCalledExactlyOnceWith(130);
    expect(seen).toEqual(['SIGINT']);
    const others = process.listenerCount('SIGINT');
    watch.release();
    expect(process.listenerCount('SIGINT')).toBe(others - 1);
  });

  it('tell SIGTERM from Ctrl-C', () => {
    const watch = catchSignals(() => {});
    process.emit('SIGTERM');
    expect(watch.exitCode).toBe(143);
    watch.release();
  });
});

describe('figures for people', () => {
  it.each([
    [0.04, '0.0 s'],
    [9.96, '10.0 s'],
    [42.4, '42 s'],
    [59.7, '1 min 00 s'],
    [3596, '59 min 56 s'],
    [3599, '1 h 00 min'],
    [86_400, '24 h 00 min'],
    [864_000, '10.0 days'],
    [NaN, 'an unknown time'],
  ])('%d seconds', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [4_260_000, '4.26 MB'],
    [5e9, '5.00 GB'],
  ])('%d bytes', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('errors are one line, whatever they are', () => {
    expect(errorLine(new Error('error: first\n\n  second\r\nthird'))).toBe('error: first second third');
    expect(errorLine('text')).toBe('error: text');
    expect(errorLine(new Error(''))).toMatch(/^error: .*MGSD_DEBUG/);
  });
});
