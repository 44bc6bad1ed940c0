/** The Plan panel of the page, as it is built, in a real browser. */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageUrl } from '../../mgsd/pictures/draw.js';
import { createInstance } from '../../mgsd/worlds/frozenlake/rules.js';
import { createWorldByName } from '../../mgsd/worlds/registry.js';
import { run } from '../mgsd/capture.js';
import { noChromium, openFolder } from './chromium.js';
import type { OpenedPage } from './chromium.js';
import { looks, press, textWith, violations } from './people.js';

const folder = path.join(import.meta.dirname, '../../dist/page');
const slow = { timeout: 120_000 };

let opened: OpenedPage | undefined;
beforeAll(async () => {
  opened = await openFolder(folder, '#plan');
}, 60_000);
afterAll(() => opened?.close());

/** The addresses of the pictures with this text, or without one. */
const pictures = ({ page }: OpenedPage, alt: string) =>
  page.$$eval(`img[alt^="${alt}"]`, images => images.map(image => image.src));

const outcome = /reaches the goal|fails/;

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
    await page.focus('#panel-plan fieldset input'); // the first brush: hole
    await keyboard.press('ArrowRight');
    for (let cell = 0; cell < 9; cell++) await paint(Math.floor(cell / 3), cell % 3);
    await paint(0, 0);
    await page.focus('#panel-plan fieldset input:checked');
    await keyboard.press('ArrowRight');
    await paint(2, 2);
    await page.focus('#panel-plan fieldset input:checked');
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

describe('the Plan panel', () => {
  it.for(looks)('shuts nobody out: %s, %i pixels wide', slow, async (look, context) => {
    if (!opened) return context.skip(noChromium);
    expect(await violations(opened, look)).toEqual([]);
  });

  it('leaves nothing in the console, and asks no other site', context => {
    if (!opened) return context.skip(noChromium);
    expect(opened.problems).toEqual([]);
  });
});
