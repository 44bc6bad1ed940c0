/** Held-out puzzles one by one: what the student saw, wrote and planned, and how it got there. */
import { modelPresets } from '../../models/index.js';
import { boardText, boardUrl, readBoard } from '../pictures/draw.js';
import type { ItemResult } from '../evaluation/evaluate.js';
import { rowTitles } from '../evaluation/table.js';
import type { Puzzle } from '../method/puzzles.js';
import { parseResponse } from '../method/response.js';
import type { ParsedResponse } from '../method/response.js';
import { board, boardDefinition, countOptimalPlans } from './board.js';
import { puzzleKey, worstFailures } from './choose.js';
import type { Snapshot, PlacedDivergence } from './snapshots.js';
import { figure, html, table } from '../pictures/html.js';
import type { Html, Row } from '../pictures/html.js';
import { finalResult } from './run-data.js';
import type { ReportRun } from './run-data.js';
import { alignRecap, heatStrip, recapList } from './tokens.js';
import type { RecapDifference } from './tokens.js';

/** A run with the student at the moments that are shown. */
export interface ShownRun {
  readonly run: ReportRun;
  readonly snapshots: readonly Snapshot[];
}

/** A student's response to a puzzle at one moment of the training. */
interface Attempt {
  readonly puzzle: Puzzle;
  readonly item: ItemResult;
  readonly reading: ParsedResponse;
  /** The written recap aligned with the true one. */
  readonly recap: readonly RecapDifference[];
  /** Number of tokens at which they differ. */
  readonly wrong: number;
}

interface SnapshotAttempt extends Attempt {
  readonly stage: Snapshot['stage'];
  /** `after stage 1` */
  readonly moment: string;
  readonly divergences: readonly PlacedDivergence[];
}

function attemptAt(puzzle: Puzzle, item: ItemResult): Attempt {
  const { world, instance } = puzzle;
  const reading = parseResponse(world, instance, item.response);
  const recap = alignRecap(reading.recap, world.recap(instance));
  return { puzzle, item, reading, recap, wrong: recap.filter(({ written, truth }) => written !== truth).length };
}

const stageNames = { stage0: 'stage 0', stage1: 'stage 1', stage2: 'stage 2', direct: 'direct supervision' } as const;

function momentOf({ stage, step }: Snapshot, { config }: ReportRun): string {
  const isEnd = step === null || stage === 'direct' || step === config[stage].steps;
  return isEnd ? `after ${stageNames[stage]}` : `${stageNames[stage]}, update ${step}`;
}

const titleOf = ({ world, instance }: Puzzle) => `${world.title} ${instance.size} × ${instance.size}`;

/** `solved in 4 moves, as few as possible`, or why not. */
function outcome({ puzzle: { world, instance }, item, reading }: Attempt): string {
  const moves = reading.actions.length;
  if (item.optimal) return `solved in ${moves} moves, as few as possible`;
  return item.success
    ? `solved in ${moves} moves; ${world.shortestLength(instance)} would do`
    : `fails: ${item.reason}`;
}

function badge({ success, optimal, reason }: ItemResult): Html {
  if (!success) return html`<span class="badge bad">✗ ${reason}</span>`;
  return html`<span class="badge good">✓ ${optimal ? 'optimal' : 'solved'}</span>`;
}

/** The plan as text, cut off where it is too long. */
function answerOf({ puzzle: { world }, reading: { actions } }: Attempt): Html {
  const text = actions.length === 0 ? 'none' : world.formatAnswer(actions);
  return html`<code>${text.length > 24 ? `${text.slice(0, 24)}…` : text}</code>`;
}

/** One puzzle. @param number its place on the page, from 1 */
export function puzzleCard(puzzle: Puzzle, number: number, shown: readonly ShownRun[]): Html {
  const { world, instance } = puzzle;
  const key = puzzleKey({ world: world.name, key: world.instanceKey(instance) });
  const picture = `board-${number}`;
  const pixels = modelPresets[shown[0]!.run.config.preset].imageSize;
  const several = shown.length > 1;
  const students = shown.flatMap(({ run, snapshots }) => {
    const attempts = snapshots.flatMap((snapshot): SnapshotAttempt[] => {
      const item = snapshot.items.get(key);
      if (!item) return [];
      const divergences = snapshot.divergences.get(key) ?? [];
      return [{ ...attemptAt(puzzle, item), stage: snapshot.stage, moment: momentOf(snapshot, run), divergences }];
    });
    const last = attempts.findLast(({ stage }) => stage !== 'direct') ?? attempts.at(-1);
    return last ? [{ run, attempts, last, whose: several ? run.name : last.moment }] : [];
  });
  const seen = html`<img
    src="${boardUrl(world, instance, pixels)}"
    width="${pixels}"
    height="${pixels}"
    alt="${`${titleOf(puzzle)}, row by row: ${boardText(world, instance).join(' / ')}`}"
  />`;
  return html`<article class="puzzle panel" aria-labelledby="puzzle-${number}">
    <h3 id="puzzle-${number}">
      ${number}. ${titleOf(puzzle)} ${world.needsDetour(instance) && html`<span class="badge">needs a detour</span>`}
      ${several ? null : students.map(({ last }) => badge(last.item))}
    </h3>
    ${boardDefinition(picture, puzzle)}
    <div class="views">
      ${figure(seen, `What the student sees: ${pixels} × ${pixels} pixels`)}
      ${students.map(({ last, whose }) => planFigure(last, picture, whose))}
      ${students.map(({ last, whose }) => imaginedBoard(last, whose))}
    </div>
    ${students.map(
      ({ run, attempts, last }) =>
        html`${several && html`<h4>${run.name} ${badge(last.item)}</h4>`} ${recapBlock(last)} ${heatStrips(attempts)}
        ${filmStrip(attempts, picture)}`,
    )}
  </article>`;
}

function planFigure(attempt: Attempt, picture: string, whose: string): Html {
  const { puzzle, reading } = attempt;
  const { world, instance } = puzzle;
  const [shortest, plans] = [world.shortestLength(instance), countOptimalPlans(puzzle)];
  const example = world.formatAnswer(world.referencePlan(instance));
  const label =
    `Plan ${world.formatAnswer(reading.actions)}: ${outcome(attempt)}. ` +
    `The shortest plans have ${shortest} moves, as ${example}.`;
  const optimal = `${plans === 1 ? 'One plan is' : `${plans} plans are`} optimal (${shortest} moves).`;
  return figure(
    board(puzzle, { picture, plan: reading.actions, label }),
    html`Its plan, ${whose}: ${answerOf(attempt)}, ${outcome(attempt)}. ${optimal}`,
  );
}

/** The board that the student wrote down, if it is not the real one. */
function imaginedBoard({ puzzle: { world }, item, reading: { actions, recap } }: Attempt, whose: string): Html | null {
  const read = item.recapExact ? { problem: '' } : readBoard(world, recap);
  if ('problem' in read) return null;
  const { instance } = read;
  const { success } = world.judge(instance, actions);
  const label = `The board as the student wrote it down, row by row: ${boardText(world, instance).join(' / ')}`;
  return figure(
    board({ world, instance }, { plan: actions, optimal: false, label }),
    `The board as it wrote it down, ${whose}: not the real one. On it, its plan ${success ? 'would succeed' : 'fails too'}.`,
    'imagined',
  );
}

function recapBlock({ item: { recapExact }, reading: { grammar }, recap, wrong, moment }: SnapshotAttempt): Html {
  const differ = wrong === 1 ? 'one place differs' : `${wrong} places differ`;
  const verdict =
    wrong === 0 ? (recapExact ? 'all of it right' : 'right, but never closed') : `${differ} from the truth`;
  return html`<h4>What it wrote down, ${moment}: ${verdict}</h4>
    ${recapList(recap)}
    ${!grammar.ok && html`<p class="note">Ungrammatical at token ${grammar.position + 1}: ${grammar.reason}.</p>`}`;
}

function heatStrips(attempts: readonly SnapshotAttempt[]): Html | null {
  const measured = attempts.filter(({ divergences }) => divergences.length > 0);
  if (measured.length === 0) return null;
  return html`<h4>Where student and teacher disagree</h4>
    <div class="strips">
      ${measured.map(({ moment, divergences, item }) => {
        const mean = divergences.reduce((sum, { reverseKl }) => sum + reverseKl, 0) / divergences.length;
        const label = `Reverse KL of each token of the rollout ${moment}`;
        return html`<p class="note">${moment}, mean ${mean.toPrecision(2)} nats</p>
          ${heatStrip(divergences, label, item.response.length - divergences.length)}`;
      })}
    </div>`;
}

/** The same puzzle at one checkpoint after another. */
function filmStrip(attempts: readonly SnapshotAttempt[], picture: string): Html | null {
  if (attempts.length < 2) return null;
  const frames = attempts.map(attempt => {
    const { puzzle, item, reading, wrong, moment } = attempt;
    const recap = item.recapExact ? 'exact' : wrong === 0 ? 'not closed' : `${wrong} off`;
    const label = `${moment}: ${outcome(attempt)}; recap ${recap}`;
    return figure(
      board(puzzle, { picture, plan: reading.actions, optimal: false, label }),
      html`<b>${moment}</b> ${badge(item)} recap ${recap}, plan ${answerOf(attempt)}`,
    );
  });
  return html`<h4>How it got there</h4>
    <div class="film">${frames}</div>`;
}

/** Failures of the last stage by reason, with the worst ones drawn; null before the first evaluation. */
export function failureSection(run: ReportRun, puzzles: ReadonlyMap<string, Puzzle>): Html | null {
  const result = finalResult(run);
  if (!result) return null;
  const groups = worstFailures(result.items, puzzles);
  const failed = groups.reduce((sum, { count }) => sum + count, 0);
  if (failed === 0) return html`<p>${run.name}: no failure on ${result.items.length} puzzles.</p>`;
  const rows = groups.map(({ reason, count }): Row => {
    const width = ((100 * count) / failed).toFixed(1);
    return [reason, count, html`<div class="track"><div class="fill" style="width:${width}%"></div></div>`];
  });
  const caption = `${run.name}, ${rowTitles[result.row]}: ${failed} of ${result.items.length} puzzles fail`;
  return html`<p>The worst failures leave the optimal plans earliest, on the shortest puzzles.</p>
    <div class="panel">
      ${table(caption, ['reason', 'puzzles', 'share of the failures'], rows, 'failures')}
      ${groups.map(
        ({ reason, worst }) =>
          worst.length > 0 &&
          html`<h3>${reason}: the worst</h3>
            <div class="film large">
              ${worst.map(item => failure(attemptAt(puzzles.get(puzzleKey(item))!, item)))}
            </div>`,
      )}
    </div>`;
}

function failure(attempt: Attempt): Html {
  const { puzzle, item, reading } = attempt;
  const recap = item.recapExact ? 'exact: it saw the board and planned badly' : 'wrong';
  return figure(
    board(puzzle, { plan: reading.actions, label: `${titleOf(puzzle)}: ${outcome(attempt)}` }),
    html`${titleOf(puzzle)}, ${answerOf(attempt)}. The recap was ${recap}.`,
  );
}
