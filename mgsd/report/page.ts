/** A report as one HTML file that needs nothing else: style, script, pictures and figures are in it. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import type { StageName } from '../method/stages/stage.js';
import { originLine } from '../evaluation/made-from.js';
import { stageSentences } from '../evaluation/summary.js';
import { stageNames } from '../runs/order.js';
import type { Puzzle } from '../method/puzzles.js';
import { svgPath } from './board.js';
import { plotFigure, plotsOf } from './curves.js';
import { fold, html, table, trusted } from '../pictures/html.js';
import type { Html, Row } from '../pictures/html.js';
import { failureSection, puzzleCard } from './puzzles.js';
import type { ShownRun } from './puzzles.js';
import { gapPicture, levelTable, resultTable } from './results.js';
import { batchOf, updateSeconds } from './run-data.js';
import type { ReportRun } from './run-data.js';
import { hottest } from './tokens.js';

/** Begins every report; only files that begin so are overwritten. */
export const pageBeginning = '<!doctype html>\n<html lang="en" data-made-by="mgsd-lite report">';

export interface PageOptions {
  readonly formatDuration: (seconds: number) => string;
  /** Of mgsd-lite. */
  readonly version: string;
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
    ['failures', 'Failures', runs.some(({ rows }) => rows.size > 0) ? runs.map(run => failureSection(run, all)) : null],
    ['run', runs.length > 1 ? 'The runs' : 'The run', runSection(runs, options)],
  ] as const;
  const present = sections.filter(([, , content]) => content !== null);
  const script = asset('script.js');
  const hash = createHash('sha256').update(script).digest('base64'); // no other script can run
  const sources = `img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${hash}'`;
  const policy = `default-src 'none'; ${sources}; base-uri 'none'; form-action 'none'`;
  const body = html`<head>
      <meta charset="utf-8" />
      <meta http-equiv="Content-Security-Policy" content="${policy}" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="made-from" content="${runs.map(({ name, table }) => `${name}: ${originLine(table)}`).join('; ')}" />
      <title>mgsd-lite: ${title}</title>
      <link rel="icon" href="data:," />
      <style>
        ${trusted(asset('style.css'))}
      </style>
    </head>
    <body>
      <header>
        <h1>${title}</h1>
        <p>${runs.length === 1 ? factsLine(runs[0]!, options) : `${runs.length} runs side by side`}</p>
      </header>
      <nav aria-label="Sections">${present.map(([id, name]) => html`<a href="#${id}">${name}</a>`)}</nav>
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
        Made by mgsd-lite ${options.version}, which trains a small vision-language model by modality-gap-aware
        self-distillation (arXiv 2606.06076).
      </footer>
      ${trusted(`<script>${script}</script>`)}
    </body>`;
  return `${pageBeginning}\n${body.text}\n</html>\n`;
}

/** The text of a file in this folder, in the sources and in the build. */
function asset(name: string): string {
  return fs.readFileSync(new URL(name, import.meta.url), 'utf8');
}

function factsLine(run: ReportRun, { formatDuration }: PageOptions): string {
  const { config, device, finished } = run;
  const worlds = config.tasks.map(({ world, levels }) => `${world} ${levels.join(', ')}`).join('; ');
  const seconds = stageNames.reduce((sum, stage) => sum + updateSeconds(run, stage), 0);
  const date = run.date.toISOString().slice(0, 16).replace('T', ' ');
  return [
    `preset ${config.preset}, seed ${config.seed}`,
    worlds,
    ...(device === null ? [] : [device]),
    ...(seconds > 0 ? [`${formatDuration(seconds)} of updates`] : []),
    finished ? `finished ${date} UTC` : `not finished; begun ${date} UTC`,
  ].join(' · ');
}

function resultSection(runs: readonly ReportRun[]): Html {
  if (runs.every(({ table }) => table.length === 0))
    return html`<p>Nothing has been evaluated yet: the table appears once the first stage has ended.</p>`;
  return html`${runs.map(
      run =>
        html`${runs.length > 1 && html`<h3>${run.name}</h3>`}
          <ul>
            ${stageSentences(run.table).map(line => html`<li>${line}</li>`)}
          </ul>`,
    )}
    <div class="panel">${resultTable(runs)}${levelTable(runs)}</div>`;
}

function gapSection(runs: readonly ReportRun[]): Html | null {
  const evaluated = runs.filter(({ table }) => table.length > 0);
  if (evaluated.length === 0) return null;
  return html`<p>
      One model, the same puzzles: it plans well from symbols, and at first not at all from images. The hatched part of
      a bar is the gap that is left to what the planner reaches with symbols. Whiskers are 95 % intervals.
    </p>
    <div class="grid wide">${evaluated.map(gapPicture)}</div>`;
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
  return html`<p>Bold: a moving mean. Faint: means over a few updates. Point at a plot for its values there.</p>
    ${stages.map(
      stage =>
        html`<h3>${stageTitles[stage]}</h3>
          ${skippedNote(runs, stage)} ${stagePlots(runs, stage)}`,
    )}`;
}

/** The most telling plots, and the others behind a fold. */
function stagePlots(runs: readonly ReportRun[], stage: StageName): Html {
  const plots = plotsOf(runs, stage);
  const more = plots.filter(({ leads }) => !leads);
  const grid = (shown: typeof plots) => html`<div class="grid">${shown.map(plotFigure)}</div>`;
  const summary = `${more.length} more: ${more.map(({ title }) => title).join('; ')}`;
  return html`${grid(plots.filter(({ leads }) => leads))}${more.length > 0 && fold(summary, grid(more))}`;
}

function skippedNote(runs: readonly ReportRun[], stage: StageName): Html | null {
  const skipped = runs
    .map(({ name, log }) => ({ name, count: Number(log.findLast(line => line.stage === stage)?.['skipped'] ?? 0) }))
    .filter(({ count }) => count > 0);
  if (skipped.length === 0) return null;
  return html`<p class="note">
    Updates skipped because a gradient was not finite:
    ${skipped.map(({ name, count }) => `${name} ${count}`).join(', ')}.
  </p>`;
}

function puzzleSection(shown: readonly ShownRun[], chosen: ReadonlyMap<string, Puzzle>): Html | null {
  if (chosen.size === 0) return null;
  const measured = shown.some(({ snapshots }) => snapshots.some(({ divergences }) => divergences.size > 0));
  const sample = (...strokes: readonly (readonly ['optimal' | 'casing' | 'line', width: number])[]) =>
    html`<svg viewBox="0 0 40 12" aria-hidden="true">
      ${strokes.map(([kind, width]) =>
        svgPath({
          points: [
            [0.2, 0.3],
            [1.8, 0.3],
          ],
          kind,
          width,
        }),
      )}
    </svg>`;
  return html`<p>
      Held-out puzzles, solved and failed, with more detours than a random choice would have. All responses are greedy.
    </p>
    <ul class="key">
      <li>${sample(['optimal', 0.27])} all optimal plans</li>
      <li>${sample(['casing', 0.15], ['line', 0.08])} the student's plan; a cross where it fails</li>
      <li><del>(0,1)</del> written, but not there</li>
      <li><ins>(0,2)</ins> there, but not written</li>
      ${measured && html`<li>reverse KL 0 <span class="ramp"></span> ${hottest} nats or more</li>`}
    </ul>
    <div class="grid wide">${[...chosen.values()].map((puzzle, k) => puzzleCard(puzzle, k + 1, shown))}</div>`;
}

function runSection(runs: readonly ReportRun[], options: PageOptions): Html {
  return html`${runs.length > 1 ? differenceTable(runs) : null}
  ${runs.map(
    run =>
      html`<div class="panel">
        <h3>${run.name}</h3>
        <p>${factsLine(run, options)}</p>
        ${stageTable(run, options)}
        ${fold(
          'Configuration: everything that decides the result',
          html`<pre>${JSON.stringify(run.config, null, 2)}</pre>
            <p>Saved as a file it repeats the run: <code>mgsd-lite train --config FILE</code></p>`,
        )}
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
  return rows.length === 0 ? null : table('Stages', ['stage', 'updates', 'puzzles each', 'time of the updates'], rows);
}

/** Settings in which the runs differ. */
function differenceTable(runs: readonly ReportRun[]): Html {
  const flat = runs.map(({ config }) => new Map(flatten(config)));
  const names = [...new Set(flat.flatMap(values => [...values.keys()]))];
  const different = names.filter(name => new Set(flat.map(values => values.get(name))).size > 1);
  if (different.length === 0) return html`<p>All have the same configuration.</p>`;
  const rows = different.map((name): Row => [
    html`<code>${name}</code>`,
    ...flat.map(values => values.get(name) ?? '–'),
  ]);
  return table('Where the configurations differ', ['setting', ...runs.map(({ name }) => name)], rows, 'config');
}

/** `stage0.steps` and its value, for every setting. */
function flatten(value: unknown, at = ''): [name: string, value: string][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[at, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([key, inner]) => flatten(inner, at === '' ? key : `${at}.${key}`));
}
