/**
 * The response token by token: where the student looked, how sure it was, what else was likely, and what the teacher
 * says.
 */
import { useEffect, useState } from 'preact/hooks';
import type { TokenDivergence } from '../../evaluation/divergence.js';
import type { Guess, TokenGuesses } from '../../evaluation/guesses.js';
import type { SurePlan } from '../../evaluation/planner.js';
import { nameOf, nats, percent } from '../../report/tokens.js';
import { Choice } from '../choice.js';
import type { Engine } from '../engine.js';
import { messageOf } from '../protocol.js';
import { Attended } from './attended.js';
import type { Question } from './question.js';

export interface TokensProps {
  readonly engine: Engine;
  readonly question: Question;
  readonly plan: SurePlan;
}

export function Tokens({ engine, question, plan }: TokensProps) {
  const [guesses, setGuesses] = useState<readonly TokenGuesses[]>([]);
  const [attended, setAttended] = useState<readonly (readonly number[])[]>([]);
  const [failure, setFailure] = useState('');
  const [at, setAt] = useState(0);
  const [told, setTold] = useState<{ readonly of: SurePlan; readonly all: readonly TokenDivergence[] }>();
  const { shown, picture, board, input } = question;
  const { tokens } = plan;
  useEffect(() => {
    const left = new AbortController();
    const { signal } = left;
    const fail = (error: unknown) => {
      if (!signal.aborted) setFailure(messageOf(error));
    };
    setGuesses([]);
    setAttended([]);
    setFailure('');
    setAt(0);
    engine.call('guesses', { shown, tokens }, { signal }).then(setGuesses, fail);
    if (picture) engine.call('attendedPatches', { shown, tokens }, { signal }).then(setAttended, fail);
    return () => left.abort();
  }, [engine, shown, picture, tokens]);
  const ask = async () => {
    try {
      setFailure('');
      setTold({ of: plan, all: await engine.call('askTeacher', { shown, tokens, board }) });
    } catch (error) {
      setFailure(messageOf(error));
    }
  };
  const guess = guesses[at];
  if (!guess) return failure ? <p role="alert">{failure}</p> : null;
  const name = nameOf(guess.token);
  const divergences = told?.of === plan ? told.all : undefined; // a late one is of the plan before
  const taught = divergences?.[at];
  const patches = attended[at];
  return (
    <div class="tokens">
      <Choice
        legend="The response, token by token"
        options={guesses.map(({ token }, t) => [t, tokenLabel(token, divergences?.[t])] as const)}
        value={at}
        onChoose={setAt}
      />
      <div aria-live="polite">
        {picture && patches && <Attended picture={picture} patches={patches} name={name} />}
        <Shares
          caption={`Token ${at + 1}: the student was this sure of ${name}, and of the likeliest others`}
          shares={[[guess.token, guess.probability], ...guess.others]}
        />
        {taught && (
          <>
            <Shares
              caption={`The teacher, who sees the symbols, gave ${name} ${percent(taught.teacher)}. It would have said`}
              shares={taught.teacherGuesses}
            />
            <p>
              The student's reverse KL from the teacher here:{' '}
              <data value={String(taught.reverseKl)}>{nats(taught.reverseKl)}</data>.
            </p>
          </>
        )}
      </div>
      {failure && <p role="alert">{failure}</p>}
      {input === 'file' ? (
        <p>The teacher reads the symbols of a board, which nobody has for the picture of a file.</p>
      ) : (
        !divergences && (
          <button type="button" onClick={() => void ask()}>
            Ask the teacher
          </button>
        )
      )}
    </div>
  );
}

/** A token; and, once the teacher was asked, how far the student is from it. */
function tokenLabel(token: number, divergence: TokenDivergence | undefined) {
  if (!divergence) return nameOf(token);
  return (
    <>
      {nameOf(token)} <small>{nats(divergence.reverseKl)}</small>
    </>
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
