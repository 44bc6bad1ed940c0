/** The Plan panel of the page, as it is built, in a real browser. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageAttention, vocabulary } from '../../models/index.js';
import { divergencesOf } from '../../mgsd/evaluation/divergence.js';
import { tokenGuesses } from '../../mgsd/evaluation/guesses.js';
import type { Planner } from '../../mgsd/evaluation/planner.js';
import { trainedConfig } from '../../mgsd/method/config.js';
import { numberedPuzzle } from '../../mgsd/method/numbered.js';
import type { Puzzle } from '../../mgsd/method/puzzles.js';
import { imagePrompt } from '../../mgsd/method/response.js';
import { imageUrl } from '../../mgsd/pictures/draw.js';
import { encodePng } from '../../mgsd/pictures/png.js';
import { loadPlanner, pretrainedPath } from '../../mgsd/runs/package.js';
import { nameOf, nats } from '../../mgsd/report/tokens.js';
import { createInstance } from '../../mgsd/worlds/frozenlake/rules.js';
import { createWorldByName } from '../../mgsd/worlds/registry.js';
import type { World } from '../../mgsd/worlds/world.js';
import { run } from '../mgsd/capture.js';
import { useTemporaryFolder } from '../mgsd/temporary.js';
import { noChromium, openFolder } from './chromium.js';
import type { OpenedPage } from './chromium.js';
import { isForPeople, press, textWith, violations } from './people.js';

const folder = path.join(import.meta.dirname, '../../dist/page');
const slow = { timeout: 120_000 };

const isTeacher = (url: string) => url.includes('/planner-');

let opened: OpenedPage | undefined;
const fetched: string[] = [];
beforeAll(async () => {
  opened = await openFolder(folder, '#plan');
  opened?.page.on('request', request => void fetched.push(request.url()));
}, 60_000);
afterAll(() => opened?.close());

/** The addresses of the pictures with this text, or without one. */
const pictures = ({ page }: OpenedPage, alt: string) =>
  page.$$eval(`img[alt^="${alt}"]`, images => images.map(image => image.src));

/** Drops a file where one may be dropped. */
const drop = ({ page }: OpenedPage, bytes: Buffer, name: string) =>
  page.$eval(
    '.drop',
    (target, values, fileName) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([Uint8Array.from(values)], fileName));
      target.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
    },
    [...bytes],
    name,
  );

/** Every list of tokens that the page shows from now on, and all that it says to people who cannot see it. */
const watch = ({ page }: OpenedPage) =>
  page.evaluate(() => {
    const seen: Seen = { tokens: [], said: [] };
    const note = (list: string[], text: string) => {
      if (text !== '' && text !== list.at(-1)) list.push(text);
    };
    new MutationObserver(() => {
      const chips = document.querySelectorAll('.tokens .choice span');
      note(seen.tokens, [...chips].map(chip => chip.textContent).join(' '));
      const live = document.querySelectorAll('[role=status], [role=alert], [aria-live=polite]');
      note(seen.said, [...live].map(region => region.textContent).join(''));
    }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    Object.assign(globalThis, { seen });
  });

interface Seen {
  readonly tokens: string[];
  readonly said: string[];
}

const seenBy = ({ page }: OpenedPage) => page.evaluate(() => (globalThis as unknown as { seen: Seen }).seen);

/** What is shown while a response is written: one token more each time. */
const prefixes = (tokens: readonly number[]) =>
  tokens.map((_, t) =>
    tokens
      .slice(0, t + 1)
      .map(nameOf)
      .join(' '),
  );

/** Waits until the page shows at least so many tokens. */
const tokensShown = ({ page }: OpenedPage, count: number) =>
  page.waitForFunction(n => document.querySelectorAll('.tokens .choice span').length >= n, {}, count);

const outcome = /It wrote[^]*(reaches the goal|fails|cannot be checked)/;

describe('a puzzle', () => {
  it('is planned as the command line plans it', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const { out } = await run('plan', '--world', 'frozenlake', '--level', '4', '--seed', '1', '--json');
    const { answer, recapText } = JSON.parse(out) as { answer: string; recapText: string };
    await press(opened, 'Plan');
    const text = await textWith(opened, outcome);
    expect(text).toContain(answer);
    expect(text).toContain(recapText);
  });

  it('is painted by keyboard alone, and shown as the student gets it in both looks', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const { page } = opened;
    const { keyboard } = page;
    await page.select('#panel-plan select', '0'); // FrozenLake 3 x 3
    /** Moves from a corner to a cell and paints it with the brush that is chosen. */
    const paint = async (row: number, col: number) => {
      await page.focus('[data-cell="0"]');
      for (let i = 0; i < row; i++) await keyboard.press('ArrowDown');
      for (let i = 0; i < col; i++) await keyboard.press('ArrowRight');
      await keyboard.press('Space');
    };
    // From wherever things are: holes are cleared by the start's brush, which then ends in the first corner.
    await page.focus('.editor + fieldset input'); // the first brush: hole
    await keyboard.press('ArrowRight');
    for (let cell = 0; cell < 9; cell++) await paint(Math.floor(cell / 3), cell % 3);
    await paint(0, 0);
    await page.focus('.editor + fieldset input:checked');
    await keyboard.press('ArrowRight');
    await paint(2, 2);
    await page.focus('.editor + fieldset input:checked');
    await keyboard.press('ArrowLeft');
    await keyboard.press('ArrowLeft');
    await paint(1, 1);
    await paint(1, 2);
    const world = createWorldByName('frozenlake');
    const instance = createInstance(3, 0, 18, [9, 10]);
    const picture = (look: 'training' | 'held-out') =>
      imageUrl({ width: 40, height: 40, data: world.render(instance, 40, look) });
    expect(await pictures(opened, 'What the student sees')).toEqual([picture('training')]);
    expect(await page.$$eval('.choice img', images => images.map(({ src, width }) => [src, width]))).toEqual([
      [picture('training'), 40],
      [picture('held-out'), 40],
    ]);
    await press(opened, 'a look never trained on', 'radio');
    expect(await pictures(opened, 'What the student sees')).toEqual([picture('held-out')]);
    await press(opened, 'the look of training', 'radio');
  });

  it('that is none says why', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const { page } = opened;
    const canPlan = () => page.$eval('#panel-plan button.primary', button => !button.disabled);
    await page.click('[data-cell="8"]'); // a row of three holes, with the two that are there
    await textWith(opened, /This is no puzzle: no plan leads to the goal\./);
    expect(await canPlan()).toBe(false);
    await page.click('[data-cell="8"]');
    await page.click('[data-cell="0"]');
    await textWith(opened, /must be different cells\./);
    await page.click('[data-cell="0"]');
    await page.waitForFunction(() => !document.body.innerText.includes('no puzzle'));
    expect(await canPlan()).toBe(true);
    await press(opened, 'Plan');
    await textWith(opened, outcome);
  });

  it.for([
    ['maze', 'wall right', /disagree|border|not connected/],
    ['minibehaviour', 'table', /is on the table|outside|no plan/],
  ] as const)('of %s can be painted too', slow, async ([name, brush, problem], context) => {
    if (!opened) return context.skip(noChromium);
    const { page } = opened;
    const { title } = createWorldByName(name);
    const option = await page.$$eval(
      '#panel-plan option',
      (options, start) => options.find(({ text }) => text.startsWith(start))!.value,
      title,
    );
    await page.select('#panel-plan select', option);
    await press(opened, brush, 'radio');
    const [before] = await pictures(opened, 'What the student sees');
    const cells = await page.$$eval('[data-cell]', all => all.map(cell => cell.getAttribute('data-cell')));
    let seen = false;
    for (const cell of cells) {
      await page.click(`[data-cell="${cell}"]`);
      seen ||= problem.test(await page.evaluate(() => document.body.innerText));
    }
    expect(seen).toBe(true);
    expect(await pictures(opened, 'What the student sees')).not.toEqual([before]);
  });
});

describe('the student', () => {
  const temporary = useTemporaryFolder();
  let planner: Planner | undefined;
  beforeAll(async () => {
    planner = await loadPlanner(undefined, { device: 'wasm', threads: 1 });
  });
  afterAll(() => planner?.close());

  const world: World = createWorldByName('frozenlake');
  const [puzzle, other] = [1, 2].map(seed => numberedPuzzle(world, 4, seed, 'test')) as [Puzzle, Puzzle];
  const picture = ({ instance }: Puzzle) => ({ width: 40, height: 40, data: world.render(instance, 40) });
  const blank = { width: 40, height: 40, data: new Uint8Array(40 * 40 * 3).fill(128) };

  it.for([
    ['the symbols', /The student sees no picture. It reads: size:4/, () => planner!.planFromSymbols(puzzle)],
    ['a blank picture', /What the student sees/, () => planner!.plan(blank)],
    ['the picture of another puzzle', /What the student sees/, () => planner!.plan(picture(other))],
    ['its picture', /At its true size/, () => planner!.plan(picture(puzzle))],
  ] as const)('is shown %s, a click away', slow, async ([name, shown, plan], context) => {
    if (!opened) return context.skip(noChromium);
    const { page } = opened;
    if (name === 'the symbols') await page.reload();
    await press(opened, name, 'radio');
    await textWith(opened, shown);
    await press(opened, 'Plan');
    const text = await textWith(opened, outcome);
    const { recapText, answer } = await plan();
    expect(text).toContain(`It wrote ${recapText} and plans ${answer || 'nothing'}.`);
  });

  it(
    'writes token by token, and the board shows the moves so far; people who listen hear the end',
    slow,
    async context => {
      if (!opened) return context.skip(noChromium);
      const { page } = opened;
      await page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'no-preference' }]);
      await page.reload();
      const { tokens } = await planner!.plan(picture(puzzle));
      await textWith(opened, /At its true size/);
      await watch(opened);
      await press(opened, 'Plan');
      await tokensShown(opened, tokens.indexOf(vocabulary.ANS) + 3); // the first move, and where it leads
      expect(await page.$eval('.boards label', label => label.innerText)).toMatch(/^Moves drawn\s+\d of \d$/);
      expect(await page.$('.tokens input')).toBe(null); // it was not done yet
      await page.waitForSelector('.attended');
      const seen = await seenBy(opened);
      expect(seen.tokens).toEqual(prefixes(tokens));
      expect(seen.said).toEqual([expect.stringMatching(/^The plan reaches the goal/)]);
    },
  );

  it('writes no further what is no longer asked, and mixes nothing into what is', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const { page } = opened;
    const [first, second] = [await planner!.plan(blank), await planner!.planFromSymbols(puzzle)];
    await press(opened, 'a blank picture', 'radio');
    await watch(opened);
    await press(opened, 'Plan');
    await tokensShown(opened, 3);
    await press(opened, 'the symbols', 'radio');
    await page.waitForFunction(() => !document.querySelector('.tokens'));
    await press(opened, 'Plan');
    await tokensShown(opened, 3);
    await press(opened, 'Plan'); // once more from the beginning
    await textWith(opened, outcome);
    const { tokens: seen } = await seenBy(opened);
    const begins = seen.flatMap((text, k) => (text.includes(' ') ? [] : [k]));
    expect(begins.length).toBe(3);
    const written = begins.map((begin, k) => seen.slice(begin, begins[k + 1]));
    const whole = [first, second, second].map(({ tokens }) => prefixes(tokens));
    written.forEach((shown, k) => expect(shown).toEqual(whole[k]!.slice(0, shown.length)));
    expect(written[2]!.length).toBe(whole[2]!.length); // how far the others come is a matter of speed
    await page.emulateMediaFeatures([]);
    await press(opened, 'its picture', 'radio');
  });

  it.for(['the symbols', 'its picture'] as const)(
    'says at each token how sure it was, from %s, as in Node',
    slow,
    async (name, context) => {
      if (!opened) return context.skip(noChromium);
      const { page } = opened;
      const image = name === 'its picture' && picture(puzzle).data;
      const { tokens } = await (image ? planner!.plan(image) : planner!.planFromSymbols(puzzle));
      const expected = await tokenGuesses(planner!, image ? { world, image } : puzzle, tokens);
      await press(opened, name, 'radio');
      await press(opened, 'Plan');
      await page.waitForSelector('.tokens input:checked');
      expect(await page.$$eval('.tokens label', labels => labels.map(label => label.innerText))).toEqual(
        tokens.map(nameOf),
      );
      await page.focus('.tokens input:checked');
      for (const { token, probability, others } of expected) {
        const shares = await page.$$eval('.tokens tr', rows =>
          rows.map(row => [row.querySelector('th')!.innerText, Number(row.querySelector('data')!.value)] as const),
        );
        const inNode = [[token, probability] as const, ...others];
        expect(shares.length).toBe(inNode.length);
        for (const [k, [id, share]] of inNode.entries()) {
          expect(shares[k]![1]).toBeCloseTo(share, 4);
          if (share > 0.001) expect(shares[k]![0]).toBe(nameOf(id)); // rarer ones may change places
        }
        await page.keyboard.press('ArrowRight');
      }
      expect(await page.$eval('.tokens input', first => first.checked)).toBe(true); // once around
    },
  );

  it('draws its plan move by move', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const { page } = opened;
    const { actions } = await planner!.plan(picture(puzzle).data);
    await press(opened, 'its picture', 'radio');
    await press(opened, 'Plan');
    await page.waitForSelector('input[type=range]');
    const drawings: string[] = [];
    for (let moves = actions.length; moves >= 0; moves--) {
      await textWith(opened, new RegExp(`${moves} of ${actions.length}`));
      drawings.push(await page.$eval('.boards svg', svg => svg.innerHTML));
      await page.focus('input[type=range]');
      await page.keyboard.press('ArrowLeft');
    }
    expect(new Set(drawings).size).toBe(actions.length + 1);
  });

  it('shows where it looks while it writes each token, as in Node', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const { page } = opened;
    const image = picture(puzzle).data;
    const { tokens } = await planner!.plan(image);
    const inputs = planner!.responseInputs({ world, image }, tokens);
    const before = imagePrompt(world, 0).length;
    const [rows] = await imageAttention(planner!.model, inputs, before, [tokens.length]);
    await press(opened, 'the symbols', 'radio'); // leaves the plan of before
    await press(opened, 'its picture', 'radio');
    await press(opened, 'Plan');
    await page.waitForSelector('.attended rect');
    await page.focus('.tokens input:checked');
    for (const row of rows!) {
      const heads = row.flat();
      const shares = Array.from(heads[0]!, (_, k) => heads.reduce((sum, head) => sum + head[k]!, 0) / heads.length);
      const onPicture = await page.$eval('.attended data', share => Number(share.value));
      expect(onPicture).toBeCloseTo(
        shares.reduce((a, b) => a + b),
        4,
      );
      const shown = await page.$$eval('.attended rect', rects =>
        rects.map(rect => Number(rect.getAttribute('fill-opacity'))),
      );
      expect(shown.length).toBe(25);
      expect(shown.indexOf(0.85)).toBe(shares.indexOf(Math.max(...shares)));
      await page.keyboard.press('ArrowRight');
    }
  });

  it('is told at each token what the teacher would have said, as in Node', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const { page } = opened;
    const { data } = picture(other); // not of the board that the teacher reads
    const { tokens } = await planner!.plan(data);
    const { model } = planner!;
    const teacher = await loadPlanner(pretrainedPath('planner'), { device: model.device });
    const seen = planner!.responseInputs({ world, image: data }, tokens);
    const known = teacher.responseInputs(puzzle, tokens);
    const { teacherFloor } = trainedConfig(planner!)!.stage2;
    const expected = await divergencesOf(model, teacher.model, seen, known, tokens, teacherFloor);
    await teacher.close();
    expect(Math.max(...expected.map(({ reverseKl }) => reverseKl))).toBeGreaterThan(1); // it wrote down another board

    await press(opened, 'the picture of another puzzle', 'radio');
    await press(opened, 'Plan');
    expect(fetched.filter(isTeacher)).toEqual([]); // nobody has asked
    await watch(opened);
    await press(opened, 'Ask the teacher');
    await page.waitForSelector('.tokens p data');
    expect(fetched.filter(isTeacher).length).toBe(1);
    expect((await seenBy(opened)).said).toContainEqual(expect.stringMatching(/^Asking the teacher; its weights are/));
    expect(await page.evaluate(() => document.activeElement?.matches('.tokens input:checked'))).toBe(true);
    expect(await page.$$eval('.tokens small', all => all.map(small => small.innerText))).toEqual(
      expected.map(({ reverseKl }) => nats(reverseKl)),
    );
    await page.focus('.tokens input:checked');
    for (const { reverseKl, teacherGuesses } of expected) {
      expect(await page.$eval('.tokens p data', kl => Number(kl.value))).toBeCloseTo(reverseKl, 4);
      const said = await page.$$eval('.tokens table:nth-of-type(2) tr', rows =>
        rows.map(row => [row.querySelector('th')!.innerText, Number(row.querySelector('data')!.value)] as const),
      );
      expect(said.map(([name]) => name)).toEqual(teacherGuesses.map(([token]) => nameOf(token)));
      for (const [k, [, share]] of teacherGuesses.entries()) expect(said[k]![1]).toBeCloseTo(share, 4);
      await page.keyboard.press('ArrowRight');
    }
    expect(await violations(opened, ['light', 360])).toEqual([]);
    await press(opened, 'its picture', 'radio');
  });

  it('is shown a picture of a file that was dropped, as the command line shows it', slow, async context => {
    if (!opened) return context.skip(noChromium);
    const file = temporary.file('board.png');
    const large = world.render(other.instance, 90);
    fs.writeFileSync(file, encodePng({ width: 90, height: 90, data: large }));
    const { out } = await run('plan', file, '--json');
    const { answer, recapText, ownVerdict } = JSON.parse(out) as {
      answer: string;
      recapText: string;
      ownVerdict: { success: boolean };
    };
    await drop(opened, fs.readFileSync(file), 'board.png');
    await textWith(opened, /the picture of a file/);
    await press(opened, 'Plan');
    const text = await textWith(opened, outcome);
    expect(text).toContain(`It wrote ${recapText} and plans ${answer}.`);
    expect(text).toContain(ownVerdict.success ? 'reaches the goal on the board that it wrote down' : 'fails');
    expect(await violations(opened, ['light', 360])).toEqual([]);
  });

  it.for([
    ['notes.txt', () => Buffer.from('no picture'), /This is not a PNG file/],
    [
      'wide.png',
      () => Buffer.from(encodePng({ width: 4, height: 3, data: new Uint8Array(36) })),
      /wide\.png has 4 × 3 pixels, this model sees squares of 40: cut out the board alone\./,
    ],
  ] as const)('is not shown %s, which says why', slow, async ([name, bytes, problem], context) => {
    if (!opened) return context.skip(noChromium);
    await drop(opened, bytes(), name);
    await textWith(opened, problem);
  });
});

describe('the Plan panel', () => {
  isForPeople(() => opened);
});
