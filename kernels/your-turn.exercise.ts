/** The gap in an exercise. `npm run exercise -- NAME` says whether it is filled. */

/** @throws Error with the hint: always, until it is replaced by code of yours */
export function yourTurn(hint: string, ...given: readonly unknown[]): never {
  const shown = given.map(value => (JSON.stringify(value) as string | undefined)?.slice(0, 60) ?? typeof value);
  throw new Error(`Your turn: ${hint}${shown.length > 0 ? ` (it was called with ${shown.join(', ')})` : ''}`);
}
