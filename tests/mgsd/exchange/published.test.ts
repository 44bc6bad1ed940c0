import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { answerBlocks } from '../../../mgsd/exchange/answers.js';
import { readPublished } from '../../../mgsd/exchange/published.js';
import { ACTION_WORDS } from '../../../mgsd/exchange/puzzle-fields.js';
import { judgeAnswer } from '../../../mgsd/exchange/scoring.js';
import { actionName } from '../../../mgsd/worlds/grid.js';
import { createWorldByName } from '../../../mgsd/worlds/registry.js';
import { lakeOf } from '../boards.js';

/** An answer, and what the two readers made of it. Recorded by running the published code. */
interface Recorded {
  readonly task: string;
  readonly answer: string;
  readonly benchmark: { readonly actions: string[]; readonly foreign: string[] };
  readonly reward: { readonly actions: string[]; readonly format: boolean };
}
const file = fs.readFileSync(new URL('published-readings.jsonl', import.meta.url), 'utf8');
const recorded = file
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as Recorded);

const benchmark = (task: string, answer: string) => {
  const { actions, foreign } = readPublished(answer, createWorldByName(task).actions, 'benchmark');
  return { actions: actions.map(action => ACTION_WORDS[action] as string), foreign };
};
const reward = (task: string, answer: string) =>
  readPublished(answer, createWorldByName(task).actions, 'reward').actions.map(actionName);

describe('what the published code reads', () => {
  test.each(recorded.map(line => [line.task, line.answer, line] as const))('%s: %s', (task, answer, line) => {
    expect(benchmark(task, answer)).toEqual(line.benchmark);
    expect({ actions: reward(task, answer), format: answerBlocks(answer).length > 0 }).toEqual(line.reward);
  });

  // by the rules, where the recorded answers are silent
  test.each([
    ['frozenlake', '<answer>LLU,PICK,drop</answer>', '', 'PICK drop', ''],
    ['frozenlake', '<answer>014215</answer>', '', '', ''],
    ['frozenlake', '<answer>UR.</answer>', '', '', ''],
    ['frozenlake', '<answer>UR END</answer>', '', '', ''],
    ['frozenlake', '<answer>U/R</answer>', 'up right', '', 'U R'],
    ['frozenlake', '<answer>Step10: right</answer>', 'right', '', 'R'],
    ['frozenlake', '<answer>u\u00a0r\u3000d</answer>', 'up right down', '', 'U R D'],
    ['frozenlake', '<answer>\u00fcU, U\u00e9, R</answer>', 'right', '', 'R'],
    ['minibehaviour', '<answer>UUU</answer>', '', '', 'U U U'],
    ['minibehaviour', '<answer>PICK-UPS, Grab</answer>', 'pick pick', '', 'PICK PICK'],
    ['minibehaviour', 'PUT-DOWN <answer>L', 'down left', '', ''],
  ])('%s: %s', (task, answer, actions, foreign, rewarded) => {
    const words = (text: string) => text.split(' ').filter(word => word !== '');
    expect(benchmark(task, answer)).toEqual({ actions: words(actions), foreign: words(foreign) });
    expect(reward(task, answer)).toEqual(words(rewarded));
  });

  test('success goes by what was read; foreign actions make an answer unparsed by the benchmark alone', () => {
    const lake = createWorldByName('frozenlake');
    const verdict = (scoring: 'benchmark' | 'reward') =>
      judgeAnswer(lake, lakeOf(['SFG', 'FFF', 'FFF']), '<answer>R,PICK,R</answer>', scoring);
    expect(verdict('benchmark')).toMatchObject({ success: true, optimal: true, parsed: false });
    expect(verdict('reward')).toMatchObject({ success: true, parsed: true });
  });

  test('many opening tags are read in no time', () => {
    expect(answerBlocks('<answer>'.repeat(100_000))).toEqual([]);
  });
});
