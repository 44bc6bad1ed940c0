/** The newest look at held-out puzzles: a dozen of them with the plans that the model makes now, and how they fared. */
import { useMemo } from 'preact/hooks';
import type { RunConfig } from '../../method/config.js';
import { parseResponse } from '../../method/response.js';
import { figure, html } from '../../pictures/html.js';
import { board } from '../../report/board.js';
import { evenly, heldOutPuzzles, puzzleKey } from '../../report/choose.js';
import type { Look } from '../../runs/looks.js';
import { Markup } from '../markup.js';

const shown = 12;

export function Looks({ config, looks }: { readonly config: RunConfig; readonly looks: readonly Look[] }) {
  const puzzles = useMemo(() => heldOutPuzzles([config]), [config]);
  const last = looks.at(-1);
  const markup = useMemo(() => {
    const earlier = looks.filter(({ input }) => input === last?.input);
    const boards = evenly(last?.items ?? [], shown).flatMap(item => {
      const key = puzzleKey(item);
      const puzzle = puzzles.get(key);
      if (!puzzle) return [];
      const { actions } = parseResponse(puzzle.world, puzzle.instance, item.response);
      const marks = earlier.map(({ items }) => items.find(other => puzzleKey(other) === key)?.success === true);
      const label = `${puzzle.world.title}: ${item.success ? 'solved' : item.reason}`;
      const times = `solved at ${marks.filter(Boolean).length} of ${marks.length} looks`;
      const verdict = html`<span class="${item.success ? 'good' : 'bad'}"
        >${item.success ? '✓ solved' : `✗ ${item.reason}`}</span
      >`;
      const drawing = board(puzzle, { plan: actions, optimal: false, label });
      return [figure(drawing, html`${verdict}<br />${times}`)];
    });
    return html`${boards}`;
  }, [looks.length, last?.step, puzzles]);
  if (!last) return null;
  const solved = last.items.filter(({ success }) => success).length;
  const by = last.input === 'image' ? 'from pictures' : 'from symbols';
  return (
    <>
      <h2>Held-out puzzles</h2>
      <p>
        After update {last.step} of stage {last.stage.replace('stage', '')} it solves {solved} of {last.items.length}{' '}
        {by}; here are some of them, with its plans.
      </p>
      <Markup class="film" of={markup} />
    </>
  );
}
