/** What a model thinks at each token of a response: how likely that token was, and what else was. */
import { noGrad, softmax } from '../../core/index.js';
import type { Planner, Seen } from './planner.js';

/** A token and the probability that a model gives it. */
export type Guess = readonly [token: number, probability: number];

/** One token of a response. */
export interface TokenGuesses {
  readonly token: number;
  /** The model's probability of it after all tokens before, 0..1. */
  readonly probability: number;
  /** The other tokens that the model finds likeliest in its place, the likeliest first. */
  readonly others: readonly Guess[];
}

/**
 * What a model thinks at each token of a finished response, in one forward pass.
 * @param tokens the response as in `Plan.tokens`, of this model or another one
 * @param count how many other tokens are named
 * @throws Error if the response does not fit the model
 */
export async function tokenGuesses(
  planner: Planner,
  shown: Seen,
  tokens: readonly number[],
  count = 4,
): Promise<TokenGuesses[]> {
  if (tokens.length === 0) return [];
  const { device } = planner.model;
  const inputs = planner.responseInputs(shown, tokens);
  const shares = await device.scope(
    () => noGrad(() => softmax(planner.model.forward(device.fromHost(inputs)))).read(), // (tokens, V)
  );
  const V = planner.config.vocabulary;
  return tokens.map((token, t) => {
    const row = Array.from(shares.subarray(t * V, (t + 1) * V), (share, other): Guess => [other, share]);
    const others = row.filter(([other]) => other !== token).sort((a, b) => b[1] - a[1]);
    return { token, probability: row[token]![1], others: others.slice(0, count) };
  });
}
