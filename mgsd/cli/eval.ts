/** `mgsd-lite eval`: a model on held-out puzzles. */
import path from 'node:path';
import type { Command } from 'commander';
import type { Device } from '../../core/index.js';
import { encodeSafetensors, loadModel } from '../../models/index.js';
import type { VisionLanguageModel } from '../../models/index.js';
import type { RunConfig } from '../method/config.js';
import { breakDown } from '../evaluation/breakdown.js';
import type { Breakdown } from '../evaluation/breakdown.js';
import { evaluate, summarize } from '../evaluation/evaluate.js';
import type { EvaluateOptions, EvaluationInput, ItemResult, RowSummary } from '../evaluation/evaluate.js';
import { writeFileAtomic } from '../runs/files.js';
import { evaluatePerception, isAskable, summarizePerception } from '../evaluation/perception.js';
import { heldOutGroups } from '../method/puzzles.js';
import type { PuzzleGroup } from '../method/puzzles.js';
import type { StoredPuzzle } from '../exchange/puzzle-files.js';
import type { StageName } from '../method/stages/stage.js';
import { formatEstimate, tableHeader } from '../evaluation/table.js';
import { stageNames } from '../runs/order.js';
import { SCORINGS } from '../exchange/scoring.js';
import type { Scoring } from '../exchange/scoring.js';
import { WORLD_NAMES } from '../worlds/registry.js';
import type { WorldName } from '../worlds/registry.js';
import { RENDER_STYLES } from '../worlds/world.js';
import type { RenderStyle } from '../worlds/world.js';
import { dumpForward } from './dump.js';
import { showBreakdown, showPerception } from './eval-details.js';
import { checkInput, InputError } from './errors.js';
import { chooseModel } from './model-choice.js';
import type { ModelChoice } from './model-choice.js';
import { addDeviceOptions, addExamples, levelOf, oneOf, several, wholeNumber, withDevice } from './options.js';
import type { CommandContext, DeviceFlags } from './options.js';
import { Progress } from './progress.js';
import { drawTable } from './results.js';
import { imageSources, itemLine, rescored, storedPuzzles } from './stored-puzzles.js';
import type { StoredPuzzles } from './stored-puzzles.js';

const inputs = ['image', 'symbolic', 'blank', 'shuffled'] as const satisfies readonly EvaluationInput[];

interface EvalFlags extends DeviceFlags {
  readonly input?: readonly EvaluationInput[];
  readonly puzzles?: number;
  readonly level?: readonly number[];
  readonly stage?: StageName;
  readonly json?: boolean;
  readonly items?: string;
  readonly dump?: string;
  readonly data?: string;
  readonly images: (typeof imageSources)[number];
  readonly skipMalformed?: boolean;
  readonly world?: readonly WorldName[];
  readonly style: RenderStyle;
  readonly scoring: Scoring;
}

export function addEvalCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('eval')
    .summary('evaluate a trained model on puzzles that it has never seen')
    .description(
      'Greedy plans for held-out puzzles, judged by the rules, with 95 % intervals drawn over layouts. No layout of these\n' +
        'puzzles occurs in training, and all runs are judged on the same ones.\n' +
        'With --data it is the samples of a folder instead, in the stored format of `data generate`. Every file must be a sample\n' +
        'that the model can be shown, or nothing is evaluated and the exit code is 2; see --skip-malformed.',
    )
    .argument('<checkpoint|run>', 'a checkpoint, or the folder of a run (its newest checkpoint)')
    .option(
      '--input <what>',
      `what the model is shown (may be repeated; default image): ${inputs.join(', ')}`,
      several(oneOf(inputs)),
    )
    .option('--puzzles <n>', "puzzles per board size (default: the run's; all of --data)", wholeNumber(1, 100_000))
    .option('--level <size>', "board size (may be repeated; default: the run's; all of --data)", several(levelOf))
    .option('--world <name>', 'only this world (may be repeated)', several(oneOf(WORLD_NAMES)))
    .option('--style <look>', 'how puzzles are drawn: training, or the held-out look', oneOf(RENDER_STYLES), 'training')
    .option('--data <folder>', 'evaluate the samples of this folder')
    .option(
      '--images <which>',
      'of --data: rendered from the text, or stored: the PNG beside it, resized to what the model sees',
      oneOf(imageSources),
      'rendered',
    )
    .option('--skip-malformed', 'of --data: name the files that are no samples and leave them out')
    .option(
      '--scoring <name>',
      "strict, or as the published code scores: benchmark, reward (see 'data judge')",
      oneOf(SCORINGS),
      'strict',
    )
    .option('--stage <name>', `of a run: take this stage's checkpoint (${stageNames.join(', ')})`, oneOf(stageNames))
    .option('--items <file>', 'write every puzzle, response and verdict as JSON lines')
    .option(
      '--dump <file>',
      'write images, tokens and logits of a small batch as safetensors, to compare with another program',
    )
    .option('--json', 'the result as JSON on standard output');
  addDeviceOptions(command).action((file: string, flags: EvalFlags) => runEval(file, flags, context));
  addExamples(command, [
    ['eval runs/mine', 'success on held-out images'],
    ['eval runs/mine --input image --input shuffled --items items.jsonl', 'does it look? and every single answer'],
    ['eval checkpoint.safetensors --level 5 --puzzles 500 --json', 'one board size, for a program'],
    ['eval runs/mine --data public-test --images stored --items items.jsonl', 'puzzles and pictures of somebody else'],
    ['eval checkpoint.safetensors --dump forward.safetensors', 'what an independent implementation should reproduce'],
  ]);
}

async function runEval(file: string, flags: EvalFlags, { terminal }: CommandContext): Promise<void> {
  const say = flags.json ? () => {} : (text: string) => terminal.out(terminal.colours.dim(text));
  const choice = chooseModel(file, flags.stage, say);
  for (const output of [flags.items, flags.dump])
    if (output !== undefined && path.resolve(output) === path.resolve(choice.path))
      throw new InputError(`${output} is the checkpoint itself: choose another file`);
  const shown: EvaluationInput[] = [...new Set(flags.input ?? ['image' as const])];
  const stored =
    flags.data === undefined
      ? undefined
      : storedPuzzles({ ...flags, data: flags.data }, choice.checkpoint.config, shown, { terminal });
  const groups = stored?.groups ?? checkInput(() => heldOutGroups(changed(choice.config, flags)));
  await withDevice(flags, say, async (device, description) => {
    say(description);
    const model = await loadModel(device, choice.checkpoint, { trainable: false });
    const options = { style: flags.style, imageOf: stored?.imageOf };
    const judged = await evaluateAll(model, groups, shown, options, flags.json ? undefined : new Progress(terminal));
    const puzzles = groups.flatMap(group => group.puzzles);
    const rows = judged.map(({ input, items }) => ({
      input,
      items: items.map((item, i) => rescored(puzzles[i]!, item, flags.scoring)),
    }));
    if (flags.items !== undefined) writeItems(flags.items, rows, stored?.samples);
    if (flags.dump !== undefined)
      writeFileAtomic(flags.dump, encodeSafetensors(...(await dumpForward(model, groups, shown))));
    const summaries = rows.map(({ input, items }) => ({ input, ...summarize(items), ...breakDown(items) }));
    const perception = isAskable(choice.config)
      ? summarizePerception(await evaluatePerception(model, groups, options))
      : undefined;
    const about = stored && { folder: flags.data, images: flags.images, onTrainingSide: stored.onTrainingSide };
    const scoring = { scoring: flags.scoring, style: flags.style };
    if (flags.json) {
      const data = stored && { ...about, skipped: stored.problems };
      terminal.out(
        JSON.stringify(
          {
            ...resultOf(choice, device, summaries),
            ...scoring,
            ...(perception && { perception }),
            ...(data && { data }),
          },
          null,
          2,
        ),
      );
    } else {
      showRows(summaries, choice, stored, terminal);
      showBreakdown(summaries, terminal);
      if (perception) showPerception(perception, terminal);
    }
  });
}

/** The run's configuration with the puzzles that were asked for: its worlds, or some of them, at its board sizes or others. */
function changed(config: RunConfig, { puzzles, level, world }: EvalFlags): RunConfig {
  const wanted = config.tasks.filter(task => world === undefined || (world as readonly string[]).includes(task.world));
  if (wanted.length === 0)
    throw new InputError(
      `the model was not trained on ${(world ?? []).join(', ')}: leave --world out, or name one of its worlds`,
    );
  const pool = Object.fromEntries((level ?? []).map(size => [size, 1])); // held-out puzzles have their own number
  const tasks = wanted.map(task => (level === undefined ? task : { ...task, levels: [...new Set(level)], pool }));
  return { ...config, tasks, evaluation: { ...config.evaluation, ...(puzzles !== undefined && { puzzles }) } };
}

interface EvaluatedRow {
  readonly input: EvaluationInput;
  readonly items: readonly ItemResult[];
}

async function evaluateAll(
  model: VisionLanguageModel,
  groups: readonly PuzzleGroup[],
  shown: readonly EvaluationInput[],
  options: Pick<EvaluateOptions, 'imageOf' | 'style'>,
  progress: Progress | undefined,
): Promise<EvaluatedRow[]> {
  const rows: EvaluatedRow[] = [];
  const total = groups.reduce((sum, { puzzles }) => sum + puzzles.length, 0);
  for (const input of shown) {
    progress?.begin(`evaluating ${input}`, total);
    rows.push({
      input,
      items: await evaluate(model, groups, { ...options, input, onProgress: done => progress?.update(done, '') }),
    });
  }
  progress?.end();
  return rows;
}

function writeItems(file: string, rows: readonly EvaluatedRow[], samples?: readonly StoredPuzzle[]): void {
  const lines = rows.flatMap(({ input, items }) =>
    items.map((item, i) => JSON.stringify({ input, ...(samples ? itemLine(samples[i]!, item) : item) })),
  );
  writeFileAtomic(file, lines.map(line => `${line}\n`).join(''));
}

type Summary = RowSummary & Breakdown & { readonly input: EvaluationInput };

function resultOf({ path: file, checkpoint, config }: ModelChoice, device: Device, rows: readonly Summary[]): object {
  const { stage = null, step = null } = checkpoint.metadata;
  return {
    checkpoint: file,
    stage,
    step: step === null ? null : Number(step),
    model: checkpoint.config,
    seed: config.seed,
    device: device.capabilities,
    rows,
  };
}

function showRows(
  rows: readonly Summary[],
  { path: file }: ModelChoice,
  stored: StoredPuzzles | undefined,
  terminal: CommandContext['terminal'],
): void {
  const levels = Object.keys(rows[0]?.byLevel ?? {});
  const head = ['input', ...tableHeader.slice(1, 5), ...levels.map(level => `${level} %`)];
  const cells = rows.map(row => [
    row.input,
    ...[row.success, row.optimal, row.detourSuccess, row.recapExact].map(formatEstimate),
    ...levels.map(level => (100 * (row.byLevel[level] ?? NaN)).toFixed(1)),
  ]);
  terminal.out(
    drawTable(
      terminal,
      head.map(text => text.replaceAll(' ', '\n')),
      cells.map(row => row.map(cell => cell.replace(' (', '\n('))),
    ),
  );
  for (const { input, failures } of rows) {
    const list = Object.entries(failures).sort(([, a], [, b]) => b - a);
    if (list.length > 0)
      terminal.out(`failures, ${input}: ${list.map(([reason, count]) => `${reason} ${count}`).join(', ')}`);
  }
  const count = rows[0]?.items ?? 0;
  terminal.out(stored ? `${count} stored samples each; ${file}` : `${count} held-out puzzles each; ${file}`);
  if (stored && stored.problems.length > 0) terminal.out(`${stored.problems.length} files were left out (see above)`);
  if (stored && stored.onTrainingSide > 0)
    terminal.out(
      `${stored.onTrainingSide} of them have layouts on the side of the split that training draws from: the model may have seen these`,
    );
}
