/** A report as one HTML file that needs nothing else: styles, scripts, pictures and figures are in it. */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import fs from 'node:fs';
import type { StageName } from '../method/stages/stage.js';
import { story } from '../evaluation/summary.js';
import { stageNames } from '../runs/order.js';
import type { Puzzle } from '../method/puzzles.js';
import { svgPath } from './board.js';
import { chooseItems, puzzleKey, worstFailures } from './choose.js';
import { plotFigure, plotsOf } from './curves.js';
import { html, table, trusted } from '../pictures/html.js';
import type { Html, Row } from '../pictures/html.js';
import { failureSection, puzzleCard } from './puzzles.js';
import type { ShownRun } from './puzzles.js';
import { gapPicture, levelTable, resultTable } from './results.js';
import { batchOf, finalRow, updateSeconds } from './run-data.js';
import type { ReportRun } from './run-data.js';
import { hottest } from './tokens.js';

/** Begins every report; a file that does not begin so is not overwritten by one. */
export const pageBeginning = '<!doctype html>\n<html lang="en" data-made-by="mgsd-lite report">';

export interface PageOptions {
  readonly formatDuration: (seconds: number) => string;
  /** Of mgsd-lite. */
  readonly version: string;
}

/** The items by which puzzles are chosen: what the first run came to. */
export function chosenPuzzles(
  run: ReportRun,
  puzzles: ReadonlyMap<string, Puzzle>,
  count: number,
): Map<string, Puzzle> {
  const row = finalRow(run);
  const items = (row === undefined ? [] : run.rows.get(row)!).filter(item => puzzles.has(puzzleKey(item)));
  const watched = new Set(run.looks.flatMap(({ items: seen }) => seen.map(puzzleKey)));
  return new Map(chooseItems(items, count, watched).map(item => [puzzleKey(item), puzzles.get(puzzleKey(item))!]));
}

/** The page. @param chosen the puzzles that are shown, in order; @param all those of the runs, by `puzzleKey` */
export function reportPage(
  shown: readonly ShownRun[],
  chosen: ReadonlyMap<string, Puzzle>,
  all: ReadonlyMap<string, Puzzle>,
  options: PageOptions,
): string {
  const runs = shown.map(({ run }) => run);
  const title = runs.map(({ name }) => name).join(' and ');
  const sections = [
    ['result', 'Result', resultSection(runs)],
    ['gap', 'The modality gap', gapSection(runs)],
    ['curves', 'How it learnt', curveSection(runs)],
    ['puzzles', 'Puzzle by puzzle', puzzleSection(shown, chosen)],
    ['failures', 'Failures', runs.map(run => failuresOf(run, all))],
    ['run', runs.length > 1 ? 'The runs' : 'The run', runSection(runs, options)],
  ] as const;
  const present = sections.filter(([, , content]) => content !== null);
  const scripts = [plotLibrary('uPlot.iife.min.js'), ownFile('script.js')].map(inlineScript);
  const policy = [
    "default-src 'none'",
    'img-src data:',
    "style-src 'unsafe-inline'",
    `script-src ${scripts.map(({ hash }) => hash).join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const body = html`<head>
      <meta charset="utf-8" />
      <meta http-equiv="Content-Security-Policy" content="${policy}" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <title>mgsd-lite: ${title}</title>
      <link rel="icon" href="data:," />
      <style>
        ${trusted(plotLibrary('uPlot.min.css'))}${trusted(ownFile('style.css'))}
      </style>
    </head>
    <body>
      <a class="skip" href="#result">to the result</a>
      <header>
        <h1>${title}</h1>
        <p class="facts">${runs.length === 1 ? factsLine(runs[0]!, options) : `${runs.length} runs side by side`}</p>
      </header>
      <nav aria-label="Sections">
        <ul>
          ${present.map(([id, name]) => html`<li><a href="#${id}">${name}</a></li>`)}
        </ul>
      </nav>
      <main>
        ${present.map(
          ([id, name, content]) =>
            html`<section id="${id}" aria-labelledby="${id}-title">
              <h2 id="${id}-title">${name}</h2>
              ${content}
            </section> `,
        )}
      </main>
      <footer>
        <p>
          Made by mgsd-lite ${options.version}, which trains a small vision-language model by modality-gap-aware
          self-distillation (arXiv 2606.06076). Plots: uPlot, MIT licence.
        </p>
      </footer>
      ${scripts.map(({ element }) => element)}
    </body>`;
  return `${pageBeginning}\n${body.text}\n</html>\n`;
}

/** A file that stands beside this one, in the sources and in the build. */
function ownFile(name: string): string {
  return fs.readFileSync(new URL(name, import.meta.url), 'utf8');
}

function plotLibrary(file: string): string {
  return fs.readFileSync(createRequire(import.meta.url).resolve(`uplot/dist/${file}`), 'utf8');
}

/** A script and what the page's policy knows it by: no other script can run. */
function inlineScript(source: string): { element: Html; hash: string } {
  if (/<\/script|<!--/i.test(source))
    throw new Error('this script cannot stand in a page: it holds the end of its own element');
  const hash = createHash('sha256').update(source).digest('base64');
  return { element: trusted(`<script>${source}</script>\n`), hash: `'sha256-${hash}'` };
}

const dateText = (date: Date) => date.toISOString().slice(0, 16).replace('T', ' ');

function trainingSeconds(run: ReportRun): number {
  return stageNames.reduce((sum, stage) => sum + updateSeconds(run, stage), 0);
}

function factsLine(run: ReportRun, { formatDuration }: PageOptions): string {
  const { config, device, date, finished } = run;
  const worlds = config.tasks.map(({ world, levels }) => `${world} ${levels.join(', ')}`).join('; ');
  const seconds = trainingSeconds(run);
  return [
    `preset ${config.preset}, seed ${config.seed}`,
    worlds,
    ...(device === null ? [] : [device]),
    ...(seconds > 0 ? [`${formatDuration(seconds)} of updates`] : []),
    finished ? `finished ${dateText(date)} UTC` : `not finished; begun ${dateText(date)} UTC`,
  ].join(' · ');
}

function resultSection(runs: readonly ReportRun[]): Html {
  if (runs.every(({ table }) => table.length === 0))
    return html`<p>Nothing has been evaluated yet: the table follows when the first stage has ended.</p>`;
  const sentences = runs.map(run => ({ run, lines: story(run.table) }));
  return html`${sentences.map(
      ({ run, lines }) =>
        html`${runs.length > 1 ? html`<h3>${run.name}</h3>` : null}
          <ul class="story">
            ${lines.map(line => html`<li>${line}</li>`)}
          </ul>`,
    )}
    <div class="panel">${resultTable(runs)}${levelTable(runs)}</div>`;
}

function gapSection(runs: readonly ReportRun[]): Html | null {
  const evaluated = runs.filter(({ table }) => table.length > 0);
  if (evaluated.length === 0) return null;
  return html`<p>
      One model, the same puzzles: it plans well from symbols, and at first not at all from images. The hatched rest of
      a bar is the gap that is left to what the planner reaches with symbols. Whiskers are 95 % intervals.
    </p>
    <div class="grid wide">${evaluated.map(run => gapPicture(run, runs.length > 1))}</div>`;
}

const stageTitles: Readonly<Record<StageName, string>> = {
  stage0: 'Stage 0: the symbolic planner',
  stage1: 'Stage 1: cold-start grounding',
  stage2: 'Stage 2: on-policy self-distillation',
  direct: 'Direct image-to-plan supervision',
};

function curveSection(runs: readonly ReportRun[]): Html | null {
  const stages = stageNames.filter(stage => runs.some(({ log }) => log.some(line => line.stage === stage)));
  if (stages.length === 0) return null;
  return html`<p>
      Bold: a moving mean. Faint: means over a few updates. Drag over a plot to look closer, double-click to come back.
    </p>
    ${stages.map(
      stage =>
        html`<h3>${stageTitles[stage]}</h3>
          ${skippedNote(runs, stage)} ${stagePlots(runs, stage)}`,
    )}`;
}

/** The plots that tell most, and the others behind a fold. */
function stagePlots(runs: readonly ReportRun[], stage: StageName): Html {
  const figures = plotsOf(runs, stage).map((plot, k) => ({ ...plot, html: plotFigure(plot, `plot-${stage}-${k}`) }));
  const more = figures.filter(({ leads }) => !leads);
  return html`<div class="grid">${figures.filter(({ leads }) => leads).map(figure => figure.html)}</div>
    ${
      more.length === 0
        ? null
        : html`<details class="more">
            <summary>${more.length} more: ${more.map(({ title }) => title.toLowerCase()).join(', ')}</summary>
            <div class="grid">${more.map(figure => figure.html)}</div>
          </details>`
    }`;
}

function skippedNote(runs: readonly ReportRun[], stage: StageName): Html | null {
  const skipped = runs
    .map(({ name, log }) => ({ name, count: log.findLast(line => line.stage === stage)?.metrics['skipped'] ?? 0 }))
    .filter(({ count }) => count > 0);
  if (skipped.length === 0) return null;
  return html`<p class="note">
    Updates that were skipped because a gradient was not finite:
    ${skipped.map(({ name, count }) => `${name} ${count}`).join(', ')}.
  </p>`;
}

function puzzleSection(shown: readonly ShownRun[], chosen: ReadonlyMap<string, Puzzle>): Html | null {
  if (chosen.size === 0) return null;
  const example = {
    points: [
      [0.2, 0.3],
      [1.8, 0.3],
    ],
  } as const;
  const measured = shown.some(({ snapshots }) => snapshots.some(({ divergences }) => divergences.size > 0));
  return html`<p>
      Held-out puzzles, successes and failures, with more detours than chance would bring. All responses are greedy.
    </p>
    <ul class="key">
      <li>
        <svg viewBox="0 0 40 12" aria-hidden="true">${svgPath({ ...example, kind: 'optimal', width: 0.27 })}</svg>all
        optimal plans
      </li>
      <li>
        <svg viewBox="0 0 40 12" aria-hidden="true">
          ${svgPath({ ...example, kind: 'casing', width: 0.15 })}${svgPath({ ...example, kind: 'line', width: 0.08 })}</svg
        >the student's plan; a cross where it fails
      </li>
      <li>
        <span class="chips"><del>(0,1)</del></span
        >written, but not there
      </li>
      <li>
        <span class="chips"><ins>(0,2)</ins></span
        >there, but not written
      </li>
      ${measured ? html`<li>reverse KL 0<span class="ramp"></span>${hottest} nats and more; behind the bar the plan begins</li>` : null}
    </ul>
    <div class="grid wide">${[...chosen.values()].map((puzzle, k) => puzzleCard(puzzle, k + 1, shown))}</div>`;
}

function failuresOf(run: ReportRun, puzzles: ReadonlyMap<string, Puzzle>): Html | null {
  const row = finalRow(run);
  const items = row === undefined ? [] : run.rows.get(row)!;
  if (row === undefined) return null;
  const title = run.table.find(({ name }) => name === row)?.title ?? row;
  return html`<p>${title}. The worst are those that leave the optimal plans earliest, on the shortest puzzles.</p>
    <div class="panel">${failureSection(run, worstFailures(items, puzzles), items.length, puzzles)}</div>`;
}

function runSection(runs: readonly ReportRun[], options: PageOptions): Html {
  return html`${runs.length > 1 ? differenceTable(runs) : null}
  ${runs.map(
    run =>
      html`<div class="panel">
        <h3>${run.name}</h3>
        <p>${factsLine(run, options)}</p>
        ${stageTable(run, options)}
        <details>
          <summary>Configuration: everything that decides the result</summary>
          <pre>${JSON.stringify(run.config, null, 2)}</pre>
          <p>Saved as a file it repeats the run: <code>mgsd-lite train --config FILE</code></p>
        </details>
      </div>`,
  )}`;
}

function stageTable(run: ReportRun, { formatDuration }: PageOptions): Html | null {
  const rows = stageNames.flatMap((stage): Row[] => {
    const last = run.log.findLast(line => line.stage === stage);
    const seconds = updateSeconds(run, stage);
    return last
      ? [[stageTitles[stage], last.step, batchOf(run.config, stage), seconds > 0 ? formatDuration(seconds) : '–']]
      : [];
  });
  if (rows.length === 0) return null;
  return table(`Stages of ${run.name}`, ['stage', 'updates', 'puzzles each', 'time of the updates'], rows);
}

/** What the configurations of several runs do not have in common. */
function differenceTable(runs: readonly ReportRun[]): Html {
  const flat = runs.map(({ config }) => new Map(flatten(config)));
  const names = [...new Set(flat.flatMap(values => [...values.keys()]))];
  const different = names.filter(name => new Set(flat.map(values => values.get(name))).size > 1);
  if (different.length === 0) return html`<p>All have the same configuration.</p>`;
  const rows = different.map((name): Row => [
    html`<code>${name}</code>`,
    ...flat.map(values => values.get(name) ?? '–'),
  ]);
  const head: Row = ['setting', ...runs.map(({ name }) => name)];
  return table('Differences of the configurations', head, rows, 'config', 'Where the configurations differ');
}

/** `stage0.steps` and its value, for every setting. */
function flatten(value: unknown, at = ''): [name: string, value: string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[at, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([key, inner]) => flatten(inner, at === '' ? key : `${at}.${key}`));
}
