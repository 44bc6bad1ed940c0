/**
 * The perception questions as tokens: what the paper's cold-start set asks about an image, derived facts (legal moves,
 * neighbouring cells) included. All questions of a world are answered in one response under mode:perceive:
 *
 *     BOS Q1 size Q2 cell Q3 cell Q4 cell... | none EOS
 */
import { EOS, NONE, cellOf, questionToken, tokenKind } from '../../models/vocabulary.js';
import type { Question, World, WorldInstance } from '../worlds/world.js';

/** The tokens after BOS of the right response; an Error for a world without questions. */
export function questionResponse<I extends WorldInstance>(world: World<I>, instance: I): number[] {
  const questions = world.questions?.(instance);
  if (!questions)
    throw new Error(
      `${world.title} has no perception questions: give its rules "questions", or set stage1.questions to 0`,
    );
  return [
    ...questions.flatMap(({ answer }, k) => [questionToken(k + 1), ...(answer.length === 0 ? [NONE] : answer)]),
    EOS,
  ];
}

/**
 * No response to the questions about a puzzle of this level is longer: marks, size, two cells, and the longest lists
 * there are.
 */
export function maximumQuestionLength(level: number): number {
  return 7 + 3 + 2 * level * level + 6 + 1;
}

/**
 * Which questions a response answers rightly, in their order. What is not answered is wrong, an empty list included:
 * that takes a `none` (the published scorer counts a missing answer as an empty list).
 */
export function judgeAnswers<I extends WorldInstance>(
  world: World<I>,
  instance: I,
  tokens: readonly number[],
): boolean[] {
  const answers = readAnswers(tokens);
  return (world.questions?.(instance) ?? []).map((question, k) => {
    const given = answers.get(questionToken(k + 1));
    return given !== undefined && isRight(question, given);
  });
}

/**
 * What stands behind each question mark, up to the next one; a question that is answered twice keeps its first answer.
 */
function readAnswers(tokens: readonly number[]): Map<number, readonly number[]> {
  const answers = new Map<number, number[]>();
  let current: number[] | undefined;
  for (const token of tokens) {
    if (token === EOS) break;
    if (tokenKind(token) === 'question') {
      current = [];
      if (!answers.has(token)) answers.set(token, current);
    } else current?.push(token);
  }
  return answers;
}

function isRight({ kind, answer }: Question, given: readonly number[]): boolean {
  if (answer.length === 0) return given.length === 1 && given[0] === NONE;
  if (kind === 'one') return given.length === 1 && given[0] === answer[0];
  const [right, told] = [entries(kind, answer), entries(kind, given)];
  return told !== undefined && right?.size === told.size && [...told].every(entry => right.has(entry));
}

/** The entries of a list or table as a set; undefined if it is none: an entry twice, or a table without its cells. */
function entries(kind: 'list' | 'table', tokens: readonly number[]): Set<string> | undefined {
  const width = kind === 'table' ? 2 : 1;
  const found = new Set<string>();
  for (let i = 0; i < tokens.length; i += width) {
    const entry = tokens.slice(i, i + width);
    if (entry.length < width || (kind === 'table' && cellOf(entry[0]!) < 0)) return undefined;
    found.add(entry.join());
  }
  return found.size * width === tokens.length ? found : undefined;
}
