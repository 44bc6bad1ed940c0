/** What student and teacher say at each token of a response that the student wrote. */
import { divergenceFields, divergenceStats, noGrad, softmax } from '../../core/index.js';
import type { HostArray, NumberArray } from '../../core/index.js';
import type { ModelInputs, VisionLanguageModel } from '../../models/index.js';
import type { Guess } from './guesses.js';

/** One token of a student's own response. */
export interface TokenDivergence {
  readonly token: number;
  /** Reverse KL(student || teacher) over the whole vocabulary at this position, in nats. */
  readonly reverseKl: number;
  /** Probability of the written token. */
  readonly student: number;
  readonly teacher: number;
  /** What the teacher, who sees the symbols, would most likely have written here. */
  readonly teacherGuesses: readonly Guess[];
}

/**
 * One forward pass each of student and teacher over responses of the student.
 * @param seen the student's inputs: what it was shown and the responses; R outputs, of which the first N are tokens
 * @param known the teacher's inputs: what it is shown and the same responses
 * @param written the tokens of the responses, one response after another: (N)
 * @param teacherFloor least log-probability of the teacher, as in `stage2.teacherFloor`
 * @returns one entry per token: (N)
 */
export async function divergencesOf(
  student: VisionLanguageModel,
  teacher: VisionLanguageModel,
  seen: ModelInputs<HostArray>,
  known: ModelInputs<HostArray>,
  written: readonly number[],
  teacherFloor: number,
): Promise<TokenDivergence[]> {
  const { device } = student;
  const [studentShares, teacherShares, stats] = await device.scope(() => {
    const measured = noGrad(() => {
      const p = student.forward(device.fromHost(seen)); // (R, V)
      const q = teacher.forward(device.fromHost(known)); // (R, V)
      const tokens = new Int32Array(p.shape[0]!); // (R), zeros for the padding
      tokens.set(written);
      const floor = device.tensor([teacherFloor], [1]);
      return [softmax(p), softmax(q), divergenceStats(p, q, student.indices(tokens), floor)] as const; // (R, fields)
    });
    return Promise.all([measured[0].read(), measured[1].read(), measured[2].read()]);
  });
  const V = student.config.vocabulary;
  const kl = divergenceFields.indexOf('reverseKl');
  return written.map((token, row) => ({
    token,
    reverseKl: Math.max(0, stats[row * divergenceFields.length + kl]!), // rounding
    student: studentShares[row * V + token]!,
    teacher: teacherShares[row * V + token]!,
    teacherGuesses: likeliest(teacherShares.subarray(row * V, (row + 1) * V)),
  }));
}

/** The likeliest tokens, at most three, and only those of at least one percent. @param probabilities (V) */
function likeliest(probabilities: NumberArray): Guess[] {
  return Array.from(probabilities, (probability, token): Guess => [token, probability])
    .filter(([, probability]) => probability >= 0.01)
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3);
}
