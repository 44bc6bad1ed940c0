/** Held-out puzzles one by one: what the student saw, wrote and planned, and how it got there. */
import { modelPresets } from '../../models/index.js';
import { boardText, boardUrl, readBoard } from '../pictures/draw.js';
import type { ItemResult } from '../evaluation/evaluate.js';
import type { Puzzle } from '../method/puzzles.js';
import { parseResponse } from '../method/response.js';
import { board, boardDefinition, countOptimalPlans } from './board.js';
import type { FailureGroup } from './choose.js';
import { puzzleKey } from './choose.js';
import type { Snapshot } from './divergence.js';
import { html, table } from '../pictures/html.js';
import type { Html, Row } from '../pictures/html.js';
import type { ReportRun } from './run-data.js';
import { alignRecap, heatStrip, recapList } from './tokens.js';

/** A run with the student at the moments that are shown. */
export interface ShownRun {
  readonly run: ReportRun;
  readonly snapshots: readonly Snapshot[];
}

const moments = { stage0: 'stage 0', stage1: 'stage 1', stage2: 'stage 2', direct: 'direct supervision' } as const;

function momentOf({ stage, step }: Snapshot, { config }: ReportRun): string {
  const steps = stage === 'direct' ? null : config[stage].steps;
  if (step === null || step === steps) return `after ${moments[stage]}`;
  return `${moments[stage]}, update ${step}`;
}

const sizeOf = ({ world, instance }: Puzzle) => `${world.title} ${instance.size} × ${instance.size}`;

/** `solved in 4 moves, as few as possible`, or why not. */
function outcome({ world, instance }: Puzzle, item: ItemResult): string {
  const moves = parseResponse(world, instance, item.response).actions.length;
  const shortest = world.shortestLength(instance);
  if (item.optimal) return `solved in ${moves} moves, as few as possible`;
  if (item.success) return `solved in ${moves} moves; ${shortest} would do`;
  return `fails: ${item.reason}`;
}

function badge(item: ItemResult): Html {
  if (!item.success) return html`<span class="badge bad">✗ ${item.reason}</span>`;
  return html`<span class="badge good">✓ ${item.optimal ? 'optimal' : 'solved'}</span>`;
}

function answerOf({ world, instance }: Puzzle, item: ItemResult): Html {
  const { actions } = parseResponse(world, instance, item.response);
  return html`<code class="answer">${actions.length === 0 ? 'none' : shorten(world.formatAnswer(actions))}</code>`;
}

/** A plan that never ends is shown by its beginning. */
const shorten = (text: string) => (text.length > 24 ? `${text.slice(0, 24)}…` : text);

/** One puzzle. @param number its place on the page, from 1 */
export function puzzleCard(puzzle: Puzzle, number: number, shown: readonly ShownRun[]): Html {
  const { world, instance } = puzzle;
  const key = puzzleKey({ world: world.name, key: world.instanceKey(instance) });
  const picture = `board-${number}`;
  const pixels = modelPresets[shown[0]!.run.config.preset].imageSize;
  const plans = countOptimalPlans(puzzle);
  const several = shown.length > 1;
  const blocks = shown.flatMap(({ run, snapshots }) => {
    const seen = snapshots.flatMap(snapshot => {
      const item = snapshot.items.get(key);
      return item ? [{ snapshot, item }] : [];
    });
    const last = seen.findLast(({ snapshot }) => snapshot.stage !== 'direct') ?? seen.at(-1);
    return last ? [{ run, seen, item: last.item, moment: momentOf(last.snapshot, run) }] : [];
  });
  return html`<article class="puzzle" aria-labelledby="puzzle-${number}">
    <h3 id="puzzle-${number}">
      ${number}. ${sizeOf(puzzle)}
      ${world.needsDetour(instance) ? html`<span class="badge">needs a detour</span>` : null}
      ${several ? null : blocks.map(({ item }) => badge(item))}
    </h3>
    ${boardDefinition(picture, puzzle)}
    <div class="views">
      <figure>
        <img
          class="seen"
          src="${boardUrl(world, instance, pixels)}"
          width="${pixels}"
          height="${pixels}"
          alt="${`${sizeOf(puzzle)}, row by row: ${boardText(world, instance).join(' / ')}`}"
        />
        <figcaption>What the student sees: ${pixels} × ${pixels} pixels</figcaption>
      </figure>
      ${blocks.map(({ run, item, moment }) => planFigure(puzzle, item, picture, several ? run.name : moment, plans))}
      ${blocks.map(({ run, item }) => imaginedBoard(puzzle, item, several ? run.name : null))}
    </div>
    ${blocks.map(
      ({ run, seen, item, moment }) =>
        html`${several ? html`<h4 class="run-name">${run.name} ${badge(item)}</h4>` : null}
        ${recapBlock(puzzle, item, moment)} ${strips(seen, run)} ${filmStrip(puzzle, seen, run, picture)}`,
    )}
  </article>`;
}

function planFigure(puzzle: Puzzle, item: ItemResult, picture: string, whose: string, plans: number): Html {
  const { world, instance } = puzzle;
  const { actions } = parseResponse(world, instance, item.response);
  const shortest = world.shortestLength(instance);
  const label = `Plan ${world.formatAnswer(actions)}: ${outcome(puzzle, item)}. The shortest plans have ${shortest} moves, as ${world.formatAnswer(world.referencePlan(instance))}.`;
  return html`<figure>
    ${board(puzzle, { picture, plan: actions, label })}
    <figcaption>
      Its plan, ${whose}: ${answerOf(puzzle, item)}, ${outcome(puzzle, item)}.
      ${plans === 1 ? 'One plan is' : `${plans} plans are`} optimal (${shortest} moves).
    </figcaption>
  </figure>`;
}

/** The board that the student wrote down, where it is another one than the truth. */
function imaginedBoard(puzzle: Puzzle, item: ItemResult, whose: string | null): Html | null {
  const { world, instance } = puzzle;
  if (item.recapExact) return null;
  const { actions, recap } = parseResponse(world, instance, item.response);
  const read = readBoard(world, recap);
  if ('problem' in read) return null;
  const imagined = { world, instance: read.instance };
  const { success } = world.judge(read.instance, actions);
  const label = `The board as the student wrote it down, row by row: ${boardText(world, read.instance).join(' / ')}`;
  return html`<figure class="imagined">
    ${board(imagined, { plan: actions, optimal: false, label })}
    <figcaption>
      The board as it wrote it down${whose === null ? null : `, ${whose}`}: not the real one. On this one its plan
      ${success ? 'would succeed' : 'fails too'}.
    </figcaption>
  </figure>`;
}

function recapBlock({ world, instance }: Puzzle, item: ItemResult, moment: string): Html {
  const { recap, recapExact, grammar } = parseResponse(world, instance, item.response);
  const differences = alignRecap(recap, world.recap(instance));
  const wrong = differences.filter(({ written, truth }) => written !== truth).length;
  const verdict = recapExact
    ? 'all of it right'
    : wrong === 0
      ? 'right, but never closed'
      : `${wrong === 1 ? 'one place differs' : `${wrong} places differ`} from the truth`;
  return html`<h4>What it wrote down, ${moment}: ${verdict}</h4>
    ${recapList(differences)}
    ${grammar.ok ? null : html`<p class="note">The grammar breaks at token ${grammar.position + 1}: ${grammar.reason}.</p>`}`;
}

interface Seen {
  readonly snapshot: Snapshot;
  readonly item: ItemResult;
}

function strips(seen: readonly Seen[], run: ReportRun): Html | null {
  const measured = seen.flatMap(({ snapshot, item }) => {
    const tokens = snapshot.divergences.get(puzzleKey(item));
    return tokens && tokens.length > 0 ? [{ snapshot, item, tokens }] : [];
  });
  if (measured.length === 0) return null;
  return html`<h4>Where student and teacher disagree</h4>
    <div class="strips">
      ${measured.map(({ snapshot, item, tokens }) => {
        const mean = tokens.reduce((sum, { reverseKl }) => sum + reverseKl, 0) / tokens.length;
        const moment = momentOf(snapshot, run);
        const label = `Reverse KL of each token of the rollout ${moment}`;
        return html`<p class="strip-title">${moment}, mean ${mean.toPrecision(2)} nats</p>
          ${heatStrip(tokens, label, item.response.length - tokens.length)}`;
      })}
    </div>`;
}

/** The same puzzle at one checkpoint after another. */
function filmStrip(puzzle: Puzzle, seen: readonly Seen[], run: ReportRun, picture: string): Html | null {
  if (seen.length < 2) return null;
  const { world, instance } = puzzle;
  const frame = ({ snapshot, item }: Seen) => {
    const { recap, actions } = parseResponse(world, instance, item.response);
    const truth = world.recap(instance);
    const wrong = alignRecap(recap, truth).filter(({ written, truth: there }) => written !== there).length;
    const moment = momentOf(snapshot, run);
    const said = `${outcome(puzzle, item)}; recap ${item.recapExact ? 'exact' : `with ${wrong} differences`}`;
    return html`<li>
      <figure>
        ${board(puzzle, { picture, plan: actions, optimal: false, label: `${moment}: ${said}` })}
        <figcaption>
          <b>${moment}</b> ${badge(item)} recap
          ${item.recapExact ? 'exact' : wrong === 0 ? 'not closed' : `${wrong} off`}, plan ${answerOf(puzzle, item)}
        </figcaption>
      </figure>
    </li>`;
  };
  return html`<h4>How it got there</h4>
    <ol class="film">
      ${seen.map(frame)}
    </ol>`;
}

/** Failures of the last stage by reason, with the worst ones drawn. */
export function failureSection(
  run: ReportRun,
  groups: readonly FailureGroup[],
  total: number,
  puzzles: ReadonlyMap<string, Puzzle>,
): Html {
  const failed = groups.reduce((sum, { count }) => sum + count, 0);
  const drawn = groups.filter(({ worst }) => worst.length > 0);
  if (failed === 0) return html`<p>${run.name}: no failure on ${total} puzzles.</p>`;
  const rows = groups.map(({ reason, count }): Row => {
    const width = ((100 * count) / failed).toFixed(1);
    return [reason, count, html`<div class="track"><div class="fill" style="width:${width}%"></div></div>`];
  });
  const caption = `${run.name}: ${failed} of ${total} puzzles fail`;
  return html`${table('Failures by reason', ['reason', 'puzzles', 'share of the failures'], rows, 'failures', caption)}
  ${drawn.map(
    ({ reason, worst }) =>
      html`<h3>${reason}: the worst</h3>
        <ol class="film large">
          ${worst.map(item => {
            const puzzle = puzzles.get(puzzleKey(item))!;
            const { world, instance } = puzzle;
            const { actions, recapExact } = parseResponse(world, instance, item.response);
            return html`<li>
              <figure>
                ${board(puzzle, { plan: actions, label: `${sizeOf(puzzle)}: ${outcome(puzzle, item)}` })}
                <figcaption>
                  ${sizeOf(puzzle)}, ${answerOf(puzzle, item)}. The recap was
                  ${recapExact ? 'exact: it saw the board and planned badly' : 'not what is there'}.
                </figcaption>
              </figure>
            </li>`;
          })}
        </ol>`,
  )}`;
}
