/** How stored samples relate to what a run was trained on: for `eval --data`, whose puzzles come from anywhere. */
import { grouped, ratesOf } from '../evaluation/breakdown.js';
import type { Rates } from '../evaluation/breakdown.js';
import { clusterOf } from '../evaluation/evaluate.js';
import type { EvaluationInput, ItemResult } from '../evaluation/evaluate.js';
import { formatEstimate } from '../evaluation/table.js';
import type { RunConfig } from '../method/config.js';
import { trainingGroups } from '../method/puzzles.js';
import type { Puzzle } from '../method/puzzles.js';
import { createWorldByName } from '../worlds/registry.js';
import { drawTable } from './results.js';
import type { Terminal } from './terminal.js';

/** What training had to do with a sample. */
interface Trained {
  readonly layout: 'trained on' | 'not trained on';
  /** What it has that the run's options rule out in training: `frozenlake 8`, `more than 13 holes`. */
  readonly never: string | undefined;
}

/** As `clusterOf` names the layout of an item. */
const layoutOf = ({ world, instance }: Puzzle) =>
  clusterOf({ world: world.name, level: instance.size, layout: world.layoutKey(instance) });

/** Looks the samples up in the training pools of a run, which are drawn anew. */
export function trainedOn(samples: readonly Puzzle[], config: RunConfig): Trained[] {
  const sizes = new Set(samples.map(({ world, instance }) => `${world.name} ${instance.size}`));
  const tasks = config.tasks.map(task => ({
    ...task,
    levels: task.levels.filter(level => sizes.has(`${task.world} ${level}`)),
  }));
  const layouts = new Set(trainingGroups({ ...config, tasks }).flatMap(({ puzzles }) => puzzles.map(layoutOf)));
  const worlds = tasks.map(({ world, options, levels }) => ({ world: createWorldByName(world, options), levels }));
  return samples.map(sample => {
    const { name } = sample.world;
    const { instance } = sample;
    const own = worlds.filter(({ world, levels }) => world.name === name && levels.includes(instance.size));
    const reasons = own.map(({ world }) => world.neverDrawn?.(instance));
    return {
      layout: layouts.has(layoutOf(sample)) ? 'trained on' : 'not trained on',
      never: own.length === 0 ? `${name} ${instance.size}` : reasons.includes(undefined) ? undefined : reasons[0],
    };
  });
}

/** Rates by what training had to do with the samples. */
export interface TrainedRates {
  readonly input: EvaluationInput;
  /** By whether training drew their layouts. */
  readonly byLayout: Readonly<Record<string, Rates>>;
  /** By what training could not draw; these samples are in `byLayout` too. */
  readonly neverDrawn: Readonly<Record<string, Rates>>;
}

/** @param trained of the items, in their order */
export function trainedRates(
  input: EvaluationInput,
  items: readonly ItemResult[],
  trained: readonly Trained[],
): TrainedRates {
  const all = items.map((item, i) => ({ item, ...trained[i]! }));
  const rates = (chosen: typeof all, nameOf: (entry: (typeof all)[number]) => string) =>
    Object.fromEntries(
      Array.from(grouped(chosen, nameOf), ([name, own]) => [name, ratesOf(own.map(({ item }) => item))]),
    );
  return {
    input,
    byLayout: rates(all, ({ layout }) => layout),
    neverDrawn: rates(
      all.filter(({ never }) => never !== undefined),
      ({ never }) => never!,
    ),
  };
}

/** Layouts that training drew and others side by side, then what it never drew. */
export function trainedLines(all: readonly TrainedRates[], terminal: Terminal): string[] {
  const rows = all.flatMap(({ input, byLayout, neverDrawn }) =>
    [
      ...Object.entries(byLayout).map(([name, rates]) => ({ name: `layouts ${name}`, rates })),
      ...Object.entries(neverDrawn).map(([name, rates]) => ({ name: `never drawn: ${name}`, rates })),
    ].map(({ name, rates: { items, layouts, success, optimal, recapExact } }) => [
      `${name}\n${input}`,
      ...[items, layouts].map(String),
      ...[success, optimal, recapExact].map(rate => formatEstimate(rate).replace(' (', '\n(')),
    ]),
  );
  const never = Object.entries(all[0]?.neverDrawn ?? {}).map(([name, { items }]) => `${items} with ${name}`);
  return [
    ...drawTable(terminal, ['samples', 'samples', 'layouts', 'success %', 'optimal %', 'recap exact %'], rows),
    ...(never.length > 0 ? [`training never drew the like of: ${never.join(', ')}`] : []),
  ];
}
