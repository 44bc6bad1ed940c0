/** `mgsd-lite experiment`: small questions for a class, each with an answer in under two minutes. */
import path from 'node:path';
import { experiments } from '../lessons/experiments/index.js';
import { makeFolder, writeFileAtomic, writeJson } from '../runs/files.js';
import { defineCommand } from './command.js';
import { withDevice } from './device.js';
import { InputError } from './errors.js';
import { deviceOptions, factor, jsonOption, option, seedOf, someText } from './options.js';
import { formatDuration } from './terminal.js';

const names = experiments.map(({ name }) => name).join(', ');

export const experimentCommand = defineCommand({
  name: 'experiment',
  summary: 'small experiments for a class, with a picture each',
  description:
    'Asks one question, answers it with figures, and draws a picture. Without a name it lists the questions. The answer is\n' +
    'whatever comes out: repeat it with another seed before you believe it. Picture and figures go to NAME.svg and\n' +
    'NAME.json in the folder.',
  argument: ['[name]', `which one: ${names}`],
  options: {
    seed: option('--seed <n>', 'decides boards, weights and samples', seedOf, 1),
    out: option('--out <folder>', 'where picture and figures go', someText, 'experiments'),
    effort: option(
      '--effort <share>',
      'share of the usual number of updates and samples; less shows less',
      factor(10),
      1,
    ),
    json: jsonOption,
    ...deviceOptions,
  },
  examples: [
    ['experiment', 'which questions there are'],
    ['experiment modes', 'reverse against forward KL, in a second'],
    ['experiment on-policy --seed 2', 'once more, with other boards and weights'],
  ],
  async run(flags, { terminal }, name: string | undefined) {
    if (name === undefined)
      return {
        data: experiments.map(({ name, question, lesson }) => ({ name, question, lesson })),
        lines: () => experiments.map(({ name, question }) => `${name.padEnd(12)} ${question}`),
      };
    const experiment = experiments.find(found => found.name === name);
    if (!experiment) throw new InputError(`there is no experiment "${name}": choose from ${names}`);
    const { bold } = terminal.colours;
    const { seed, effort, out, json } = flags;
    const start = performance.now();
    return await withDevice(flags, async (device, description) => {
      if (!json) terminal.out(bold(experiment.question));
      const onProgress = (line: string) => terminal.err(line);
      const { lines, data, svg } = await experiment.run({ device, seed, effort, onProgress });
      const seconds = (performance.now() - start) / 1000;
      const result = { experiment: name, seed, effort, device: description, seconds, ...data };
      makeFolder(out);
      const [picture, figures] = ['svg', 'json'].map(ending => path.join(out, `${name}.${ending}`)) as [string, string];
      writeFileAtomic(picture, svg);
      writeJson(figures, result);
      const end = `${picture} and ${figures}, after ${formatDuration(seconds)}; lesson: ${experiment.lesson}`;
      return { data: { ...result, picture }, lines: () => [...lines, '', end] };
    });
  },
});
