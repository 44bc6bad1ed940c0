/**
 * The response token by token, as it is written; then where the student looked, how sure it was, what else was likely,
 * and what the teacher says.
 */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
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
  readonly announce: (text: string) => void;
  readonly question: Question;
  /** As far as they are written. */
  readonly tokens: readonly number[];
  /** Undefined until all are. */
  readonly plan: SurePlan | undefined;
  /** What stands between the tokens and what belongs to one of them. */
  readonly children: ComponentChildren;
}

const legend = 'The response, token by token';

export function Tokens({ engine, announce, question, tokens, plan, children }: TokensProps) {
  const [guesses, setGuesses] = useState<readonly TokenGuesses[]>([]);
  const [attended, setAttended] = useState<readonly (readonly number[])[]>([]);
  const [failure, setFailure] = useState('');
  const [chosen, setChosen] = useState<number>();
  const [told, setTold] = useState<{ readonly of: SurePlan; readonly all: readonly TokenDivergence[] }>();
  const [isAsking, setAsking] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  const { shown, picture, board, input } = question;
  useEffect(() => place.current!.scrollIntoView({ block: 'nearest' }), []); // on a phone it is below the board
  useEffect(() => {
    setGuesses([]);
    setAttended([]);
    setFailure('');
    setChosen(undefined);
    if (!plan) return undefined;
    const left = new AbortController();
    const { signal } = left;
    const fail = (error: unknown) => {
      if (!signal.aborted) setFailure(messageOf(error));
    };
    engine.call('guesses', { shown, tokens }, { signal }).then(setGuesses, fail);
    if (picture) engine.call('attendedPatches', { shown, tokens }, { signal }).then(setAttended, fail);
    return () => left.abort();
  }, [engine, shown, picture, plan]);
  const ask = async (of: SurePlan) => {
    setFailure('');
    setAsking(true);
    announce(asking);
    try {
      setTold({ of, all: await engine.call('askTeacher', { shown, tokens, board }) });
      // the button is gone, and the keyboard's place with it
      if (document.activeElement === document.body || place.current?.contains(document.activeElement))
        place.current?.querySelector<HTMLElement>('input:checked')?.focus();
    } catch (error) {
      setFailure(messageOf(error));
    } finally {
      setAsking(false);
    }
  };
  const at = chosen ?? 0;
  const guess = plan && guesses[at];
  if (!guess)
    return (
      <div ref={place} class="tokens">
        <fieldset class="choice" aria-busy={!plan}>
          <legend>{legend}</legend>
          {tokens.map((token, t) => (
            <span key={t}>{nameOf(token)}</span>
          ))}
        </fieldset>
        {children}
        {failure && <p role="alert">{failure}</p>}
      </div>
    );
  const name = nameOf(guess.token);
  const divergences = told?.of === plan ? told.all : undefined; // a late one is of the plan before
  const taught = divergences?.[at];
  const patches = attended[at];
  return (
    <div ref={place} class="tokens">
      <Choice
        legend={legend}
        options={guesses.map(({ token }, t) => [t, tokenLabel(token, divergences?.[t])] as const)}
        value={at}
        onChoose={setChosen}
      />
      {children}
      <div aria-live={chosen === undefined ? 'off' : 'polite'}>
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
          <div class="row">
            <button type="button" disabled={isAsking} onClick={() => void ask(plan)}>
              Ask the teacher
            </button>
            {isAsking && <span>{asking}</span>}
          </div>
        )
      )}
    </div>
  );
}

const asking = 'Asking the teacher; its weights are loaded when it is first asked ...';

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
