/**
 * A student's response token by token: its recap aligned with the truth, and its divergence from the teacher as a heat
 * strip.
 */
import { tokenName, VOCABULARY_SIZE } from '../../models/vocabulary.js';
import { SPAN_RECAP } from '../method/response.js';
import type { PlacedDivergence } from './snapshots.js';
import { html } from '../pictures/html.js';
import type { Html } from '../pictures/html.js';

/** One position of aligned recaps; null where one of the two has no token. */
export interface RecapDifference {
  readonly written: number | null;
  readonly truth: number | null;
}

/**
 * Aligns a recap with the truth by the least number of changed, surplus and missing tokens (Levenshtein distance), so
 * that one forgotten hole does not make all that follows look wrong.
 */
export function alignRecap(written: readonly number[], truth: readonly number[]): RecapDifference[] {
  const width = truth.length + 1;
  const cost = new Int32Array((written.length + 1) * width);
  const at = (i: number, j: number) => cost[i * width + j]!;
  for (let i = 0; i <= written.length; i++)
    for (let j = 0; j <= truth.length; j++)
      cost[i * width + j] =
        i === 0 || j === 0
          ? i + j
          : Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + Number(written[i - 1] !== truth[j - 1]));
  const out: RecapDifference[] = [];
  for (let [i, j] = [written.length, truth.length]; i > 0 || j > 0;) {
    const different = Number(written[i - 1] !== truth[j - 1]);
    if (i > 0 && j > 0 && at(i, j) === at(i - 1, j - 1) + different)
      out.push({ written: written[--i]!, truth: truth[--j]! });
    else if (i > 0 && at(i, j) === at(i - 1, j) + 1) out.push({ written: written[--i]!, truth: null });
    else out.push({ written: null, truth: truth[--j]! });
  }
  return out.reverse();
}

/** A token's name, also of a number that is none. */
export function nameOf(token: number): string {
  return Number.isInteger(token) && token >= 0 && token < VOCABULARY_SIZE ? tokenName(token) : `token ${token}`;
}

/** The recap as chips; what differs is marked by shape and word, not by colour alone. */
export function recapList(differences: readonly RecapDifference[]): Html {
  const chip = ({ written, truth }: RecapDifference) => {
    if (written === truth) return html`<li>${nameOf(written!)}</li>`;
    return html`<li class="differs">
      ${written === null ? null : html`<del>${nameOf(written)}</del>`}${truth === null ? null : html`<ins>${nameOf(truth)}</ins>`}
    </li>`;
  };
  return html`<ol class="chips">
    ${differences.map(chip)}
  </ol>`;
}

/** Divergence at which the strip has its full colour, in nats. */
export const hottest = 4;

/** 0 for no divergence, 1 from `hottest` on; logarithmic, so that small ones show too. */
export function heat(reverseKl: number): number {
  return Math.min(1, Math.log1p(10 * reverseKl) / Math.log1p(10 * hottest));
}

/** A probability as people read it: `below 0.1 %`, `2.5 %`, `98 %`. */
export const percent = (share: number): string =>
  share > 0 && share < 0.001 ? 'below 0.1 %' : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

/** A divergence as people read it: `0.012 nats`. */
export const nats = (divergence: number): string => `${divergence.toFixed(divergence < 0.0995 ? 3 : 2)} nats`;

/** A rollout, one token after another, coloured by the reverse KL; each says what the teacher would have said. */
export function heatStrip(tokens: readonly PlacedDivergence[], label: string, cut: number): Html {
  const item = (entry: PlacedDivergence, k: number) => {
    const { token, span, reverseKl, student, teacher, teacherGuesses, oracle } = entry;
    const boundary = k > 0 && span !== SPAN_RECAP && tokens[k - 1]!.span === SPAN_RECAP;
    const guesses = teacherGuesses.map(([guess, q]) => `${nameOf(guess)} ${percent(q)}`).join(', ');
    return html`<li${boundary ? html` class="plan-begins"` : null}><button type="button" style="--heat-share:${heat(reverseKl).toFixed(3)}">${nameOf(token)}<span class="tip"><b>${nats(reverseKl)}.</b> The student wrote <b>${nameOf(token)}</b>, to which it gives ${percent(student)} and the teacher ${percent(teacher)}. The teacher, who sees the symbols: ${guesses === '' ? 'no token above 1 %' : guesses}. Right would be: ${oracle.map(nameOf).join(' or ')}.</span></button></li>`;
  };
  const rest = cut > 0 ? html`<li class="more">and ${cut} more</li>` : null;
  return html`<ol class="strip" aria-label="${label}">
    ${tokens.map(item)}${rest}
  </ol>`;
}
