/** The response token by token: how sure the student was of each, and what else it found likely. */
import { useEffect, useState } from 'preact/hooks';
import type { Guess, TokenGuesses } from '../../evaluation/guesses.js';
import type { SurePlan } from '../../evaluation/planner.js';
import { nameOf, percent } from '../../report/tokens.js';
import { Choice } from '../choice.js';
import type { Engine } from '../engine.js';
import { messageOf } from '../protocol.js';
import type { Question } from './question.js';

export interface TokensProps {
  readonly engine: Engine;
  readonly question: Question;
  readonly plan: SurePlan;
}

export function Tokens({ engine, question, plan }: TokensProps) {
  const [guesses, setGuesses] = useState<readonly TokenGuesses[]>([]);
  const [failure, setFailure] = useState('');
  const [at, setAt] = useState(0);
  const { shown } = question;
  const { tokens } = plan;
  useEffect(() => {
    const left = new AbortController();
    const { signal } = left;
    setGuesses([]);
    setFailure('');
    setAt(0);
    engine.call('guesses', { shown, tokens }, { signal }).then(setGuesses, (error: unknown) => {
      if (!signal.aborted) setFailure(messageOf(error));
    });
    return () => left.abort();
  }, [engine, shown, tokens]);
  const guess = guesses[at];
  if (failure) return <p role="alert">{failure}</p>;
  if (!guess) return null;
  const name = nameOf(guess.token);
  return (
    <div class="tokens">
      <Choice
        legend="The response, token by token"
        options={guesses.map(({ token }, t) => [t, nameOf(token)] as const)}
        value={at}
        onChoose={setAt}
      />
      <div aria-live="polite">
        <Shares
          caption={`Token ${at + 1}: the student was this sure of ${name}, and of the likeliest others`}
          shares={[[guess.token, guess.probability], ...guess.others]}
        />
      </div>
    </div>
  );
}

/** Tokens with their probabilities. */
function Shares({ caption, shares }: { readonly caption: string; readonly shares: readonly Guess[] }) {
  return (
    <table>
      <caption>{caption}</caption>
      <tbody>
        {shares.map(([token, share]) => (
          <tr key={token}>
            <th scope="row">{nameOf(token)}</th>
            <td>
              <meter value={share} aria-hidden="true" /> <data value={String(share)}>{percent(share)}</data>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
