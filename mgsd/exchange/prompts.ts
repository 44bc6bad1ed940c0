/** Prompts in English, put together from the pieces that each world has (`WorldLanguage`). */

import type { World, WorldInstance } from '../worlds/world.js';
import { describe, formatsOf } from './formats.js';
import type { Look } from './formats.js';

/** Where a chat model's image stands in a text. */
export const IMAGE = '<image>';

const numbered = (lines: readonly string[]): string => lines.map((line, i) => `${i + 1}. ${line}`).join('\n');
const bullets = (lines: readonly string[]): string => lines.map(line => `- ${line}`).join('\n');

/** All perception questions about one image in this look, which comes first. */
export function perceptionPrompt<I extends WorldInstance>(world: World<I>, look: Look): string {
  const { legends, questions } = formatsOf(world).language;
  return [
    `${IMAGE}${legends[look]}`,
    'Cells are (row, column), both counted from 0 at the top left.',
    'Answer every question, each on a new line that begins with its number:',
    numbered(questions),
  ].join('\n');
}

/** The right answers to them. */
export function perceptionAnswer<I extends WorldInstance>(world: World<I>, instance: I): string {
  return numbered(formatsOf(world).language.answers(instance));
}

/** What student and teacher are asked to write: the same for both. */
function outputRules<I extends WorldInstance>(world: World<I>): string {
  const { restate, answerRule, example } = formatsOf(world).language;
  return [
    'Write exactly this, and nothing else:',
    numbered([
      `First restate the state: ${restate}.`,
      'Then one short sentence that gives the route and checks it. Do not narrate step by step.',
      `Then one block <answer>...</answer> with the shortest plan: ${answerRule}.`,
    ]),
    `Example of a whole response:\n${example}`,
  ].join('\n');
}

/** The student's user turn; the image, in this look, comes last. */
export function studentPrompt<I extends WorldInstance>(world: World<I>, look: Look): string {
  const { legends, rules } = formatsOf(world).language;
  return [`${legends[look]} Plan the actions.`, `Rules:\n${bullets(rules)}`, outputRules(world), IMAGE].join('\n\n');
}

/** The assistant turn: the answer block alone. */
export function answerText<I extends WorldInstance>(world: World<I>, instance: I): string {
  return `<answer>${world.formatAnswer(world.referencePlan(instance))}</answer>`;
}

/** The system prompt of the teacher, which never sees the image. A reference plan is the context's affair. */
export function teacherSystemPrompt<I extends WorldInstance>(world: World<I>): string {
  const { rules, contextFields } = formatsOf(world).language;
  return [
    `You plan for a ${world.title} puzzle from text alone; there is no image.`,
    `You are given ${contextFields}.`,
    `Rules:\n${bullets(rules)}`,
    outputRules(world),
  ].join('\n\n');
}

/** What the teacher is told of a puzzle. */
export function teacherContext<I extends WorldInstance>(world: World<I>, instance: I, withPlan: boolean): string {
  return describe(world, instance, 'context', withPlan ? world.referencePlan(instance) : undefined);
}
