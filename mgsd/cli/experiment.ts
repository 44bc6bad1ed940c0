/** `mgsd-lite experiment`: small questions for a class, each with an answer in under two minutes. */
import fs from 'node:fs';
import path from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { experiments } from '../lessons/experiments/index.js';
import { writeFileAtomic, writeJson } from '../runs/files.js';
import { InputError } from './errors.js';
import { addDeviceOptions, addExamples, seedOf, withDevice } from './options.js';
import type { CommandContext, DeviceFlags } from './options.js';
import { formatDuration } from './terminal.js';

interface ExperimentFlags extends DeviceFlags {
  readonly seed: number;
  readonly effort: number;
  readonly out?: string;
  readonly json?: boolean;
}

const names = experiments.map(({ name }) => name).join(', ');

export function addExperimentCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('experiment')
    .summary('small experiments for a class, with a picture each')
    .description(
      'Asks one question, answers it with figures, and draws a picture. Without a name it lists the questions. The answer is\n' +
        "whatever comes out: repeat it with another seed before you believe it. Picture and figures go to the folder's NAME.svg\n" +
        'and NAME.json.',
    )
    .argument('[name]', `which one: ${names}`)
    .option('--seed <n>', 'decides boards, weights and samples', seedOf, 1)
    .option('--out <folder>', 'where picture and figures go', 'experiments')
    .option('--effort <share>', 'share of the usual number of updates and samples; less shows less', effortOf, 1)
    .option('--json', 'the result as JSON on standard output');
  addDeviceOptions(command).action((name: string | undefined, flags: ExperimentFlags) =>
    runExperiment(name, flags, context),
  );
  addExamples(command, [
    ['experiment', 'the questions that there are'],
    ['experiment modes', 'reverse against forward KL, in a second'],
    ['experiment on-policy --seed 2', 'once more, with other boards and weights'],
  ]);
}

function effortOf(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 10)) throw new InvalidArgumentError('Give a share above 0, as 0.1; at most 10.');
  return value;
}

async function runExperiment(
  name: string | undefined,
  { seed, effort, out = 'experiments', json, ...flags }: ExperimentFlags,
  { terminal }: CommandContext,
): Promise<void> {
  if (name === undefined) {
    if (json)
      terminal.out(JSON.stringify(experiments.map(({ name: of, question, lesson }) => ({ name: of, question, lesson })))); // prettier-ignore
    else for (const { name: of, question } of experiments) terminal.out(`${of.padEnd(12)} ${question}`);
    return;
  }
  const experiment = experiments.find(found => found.name === name);
  if (!experiment) throw new InputError(`there is no experiment "${name}": choose from ${names}`);
  const { dim, bold } = terminal.colours;
  const start = performance.now();
  await withDevice(
    flags,
    () => {},
    async (device, description) => {
      if (!json) terminal.out(bold(experiment.question));
      const onProgress = (line: string) => terminal.err(dim(line));
      const { lines, data, svg } = await experiment.run({ device, seed, effort, onProgress });
      const seconds = (performance.now() - start) / 1000;
      fs.mkdirSync(out, { recursive: true });
      const picture = path.join(out, `${name}.svg`);
      const result = { experiment: name, seed, effort, device: description, seconds, ...data };
      writeFileAtomic(picture, svg);
      writeJson(path.join(out, `${name}.json`), result);
      if (json) terminal.out(JSON.stringify({ ...result, picture }));
      else {
        for (const line of lines) terminal.out(line);
        terminal.out(`\n${picture} and ${path.join(out, `${name}.json`)}, after ${formatDuration(seconds)}; lesson: ${experiment.lesson}`); // prettier-ignore
      }
    },
  );
}
