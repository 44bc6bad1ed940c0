/** What the student wrote and plans, and what that is worth. */
import { DOUBT } from '../../evaluation/planner.js';
import type { SurePlan } from '../../evaluation/planner.js';
import { board } from '../../report/board.js';
import { outcomeOf } from './question.js';
import type { Question } from './question.js';

export function Answer({ question, plan }: { readonly question: Question; readonly plan: SurePlan }) {
  const { world, board: puzzle, input } = question;
  const { sentence, written } = outcomeOf(question, plan);
  const isImagined = written && (input === 'file' || world.instanceKey(written) !== world.instanceKey(puzzle));
  const label = 'The board that the student wrote down, with its plan';
  const options = { plan: plan.actions, optimal: false, label };
  return (
    <>
      <p>
        It wrote <code>{plan.recapText}</code> and plans <code>{plan.answer || 'nothing'}</code>. {sentence}
      </p>
      {plan.sureness < DOUBT && input !== 'symbolic' && (
        <p>Take this with doubt: it gave its least sure token {Math.round(100 * plan.sureness)} %.</p>
      )}
      {isImagined && (
        <figure class="imagined">
          <div dangerouslySetInnerHTML={{ __html: String(board({ world, instance: written }, options)) }} />
          <figcaption>
            {input === 'file' ? 'The board that it wrote down.' : 'The board that it wrote down: not the real one.'}
          </figcaption>
        </figure>
      )}
    </>
  );
}
