/** `mgsd-lite eval`: a model on held-out puzzles. */
import type { Device } from '../../core/index.js';
import { encodeSafetensors, loadModel } from '../../models/index.js';
import { breakDown } from '../evaluation/breakdown.js';
import { evaluate, summarize } from '../evaluation/evaluate.js';
import type { EvaluationInput, ItemResult } from '../evaluation/evaluate.js';
import type { Perturbation } from '../evaluation/perturbations.js';
import { evaluatePerception, isAskable, summarizePerception } from '../evaluation/perception.js';
import type { RunConfig } from '../method/config.js';
import { heldOutGroups } from '../method/puzzles.js';
import { drawsName, splitName } from '../method/split.js';
import { writeFileAtomic } from '../runs/files.js';
import { defineCommand } from './command.js';
import type { Result } from './command.js';
import { withDevice } from './device.js';
import { checkInput, InputError, oneLine, requireOtherFile } from './errors.js';
import { breakdownLines, perceptionLines, summaryLines } from './eval-lines.js';
import { recordForwardPass } from './forward-pass.js';
import { chooseModel } from './model-choice.js';
import { checkpointStageOption, deviceOptions, jsonOption, scoringOption, styleOption } from './options.js';
import { levelOf, oneOf, option, repeated, toggle, wholeNumber, worldOf } from './options.js';
import type { Flags } from './options.js';
import { Progress } from './progress.js';
import { Reporter } from './reporter.js';
import { curveLines, curvesOf, perturbed, robustnessOptions, walkCurves } from './robustness.js';
import { itemLine, rescored, storedPuzzles } from './stored-puzzles.js';
import type { StoredPuzzles } from './stored-puzzles.js';
import { trainedLines, trainedOn, trainedRates } from './trained-on.js';

const inputOf = oneOf(['image', 'symbolic', 'blank', 'shuffled'] satisfies readonly EvaluationInput[]);

const options = {
  input: repeated('--input <what>', 'what the model is shown (default: image)', inputOf),
  puzzles: option(
    '--puzzles <n>',
    "puzzles per board size (default: the run's; all of --data)",
    wholeNumber(1, 100_000),
  ),
  level: repeated('--level <size>', "board size (default: the run's; all of --data)", levelOf),
  world: repeated('--world <name>', 'only this world', worldOf),
  style: styleOption,
  ...robustnessOptions,
  data: option('--data <folder>', 'evaluate the samples of this folder'),
  images: option(
    '--images <which>',
    'of --data: rendered from the text, or stored: the PNG beside it, resized for the model',
    oneOf(['rendered', 'stored']),
    'rendered',
  ),
  skipMalformed: toggle('--skip-malformed', 'of --data: name the files that are no samples and leave them out'),
  scoring: scoringOption,
  stage: checkpointStageOption,
  items: option('--items <file>', 'write every puzzle, response and verdict as JSON lines'),
  dump: option('--dump <file>', 'write images, tokens and logits of a small batch as safetensors, for comparison'),
  json: jsonOption,
  ...deviceOptions,
};

export const evalCommand = defineCommand({
  name: 'eval',
  summary: 'evaluate a trained model on puzzles that it has never seen',
  description:
    'Greedy plans for held-out puzzles, judged by the rules, with 95 % intervals over layouts. No layout of these\n' +
    'puzzles occurs in training, and all runs are judged on the same ones.\n' +
    'With --data it evaluates the samples of a folder instead, in the stored format of `data generate`. Every file must be a\n' +
    'sample that the model can be shown, or nothing is evaluated and the exit code is 2; see --skip-malformed.',
  argument: ['<checkpoint|run>', 'a checkpoint, or the folder of a run (its newest checkpoint)'],
  options,
  examples: [
    ['eval runs/mine', 'success on held-out images'],
    ['eval runs/mine --input image --input shuffled --items items.jsonl', 'does it look? and every single answer'],
    ['eval checkpoint.safetensors --level 5 --puzzles 500 --json', 'one board size, for a program'],
    ['eval runs/mine --data public-test --images stored --items items.jsonl', "somebody else's puzzles and pictures"],
    ['eval runs/mine --style held-out --perturb noise=0.1 --perturb tilt=0.25', 'worse pictures in another look'],
    ['eval runs/mine --puzzles 50 --curve all', 'how fast success falls as pictures get worse'],
    ['eval checkpoint.safetensors --dump forward.safetensors', 'what an independent implementation should reproduce'],
  ],
  async run(flags, { terminal }, file: string) {
    const { data, images, scoring, style, items: itemsFile, dump, perturb = [], curve = [] } = flags;
    const note = flags.json ? () => {} : (text: string) => terminal.out(terminal.colours.dim(oneLine(text)));
    const { path: checkpointFile, checkpoint, config } = chooseModel(file, flags.stage, note);
    requireOtherFile([itemsFile, dump], checkpointFile);
    const inputs = [...new Set(flags.input ?? (['image'] as const))];
    if (perturb.length > 0 && dump !== undefined)
      throw new InputError('--dump writes pictures as they are: leave --perturb out');
    const needed = curve.length > 0 ? [...inputs, 'image' as const] : inputs;
    const noPictures = !needed.some(input => input === 'image' || input === 'shuffled');
    if (perturb.length > 0 && noPictures)
      throw new InputError(
        `--perturb changes pictures, and --input ${inputs.join(', ')} shows none: add --input image`,
      );
    if (images === 'stored' && data === undefined)
      throw new InputError('--images stored takes the pictures of a folder: name it with --data');
    if (images === 'stored' && style !== 'training')
      throw new InputError(
        '--images stored shows pictures as they are: leave --style out, or draw them (--images rendered)',
      );
    if (style !== 'training' && noPictures && !isAskable(config))
      throw new InputError(`--style is about pictures, and --input ${inputs.join(', ')} shows none: add --input image`);
    const stored = data === undefined ? undefined : storedPuzzles(data, flags, checkpoint.config, needed, terminal);
    const { run, split, draws } = checkpoint.metadata;
    if (split !== splitName)
      terminal.err(
        'Trained under an earlier split: these puzzles or their mirror images may have been training puzzles. Train anew to compare.',
      );
    const drawing = flags.json ? undefined : new Reporter(terminal).drawing;
    const groups = stored?.groups ?? checkInput(() => heldOutGroups(narrowed(config, flags), drawing));
    if (inputs.includes('shuffled') && groups.some(({ puzzles }) => puzzles.length < 2))
      throw new InputError('--input shuffled shows each puzzle the picture of another of its size: take two or more');
    // Pools can be drawn anew only from a run's own configuration, in the way in which they were drawn for it.
    const isDrawable = run !== undefined && split === splitName && draws === drawsName;
    if (stored && isDrawable) note('drawing the training pools anew, to look the samples up in them');
    const known = stored && isDrawable ? trainedOn(stored.samples, config) : undefined;
    const body = async (device: Device, description: string): Promise<Result> => {
      note(description);
      const model = await loadModel(device, checkpoint, { trainable: false });
      const shown = perturbed({ style, imageOf: stored?.imageOf }, perturb, checkpoint.config.imageSize);
      const puzzles = groups.flatMap(group => group.puzzles);
      const progress = flags.json ? undefined : new Progress(terminal);
      const onProgress = (done: number) => progress?.update(done);
      const evaluateOn = async (input: EvaluationInput, list: readonly Perturbation[]): Promise<ItemResult[]> => {
        const names = list.map(({ kind, strength }) => `, ${kind} ${strength}`);
        progress?.begin(`evaluating ${input}${names.join('')}`, puzzles.length);
        const pictures = perturbed(shown, list, checkpoint.config.imageSize);
        const items = await evaluate(model, groups, { ...pictures, input, onProgress });
        return items.map((item, i) => rescored(puzzles[i]!, item, scoring));
      };
      const results: { input: EvaluationInput; perturb: readonly Perturbation[]; items: readonly ItemResult[] }[] = [];
      for (const input of inputs) results.push({ input, perturb, items: await evaluateOn(input, []) });
      const unchanged = results.find(({ input }) => input === 'image')?.items;
      const walked = await walkCurves(curve, async list =>
        list.length === 0 && unchanged ? unchanged : await evaluateOn('image', list),
      );
      progress?.end();
      if (itemsFile !== undefined) {
        const line = (item: ItemResult, i: number) => (stored ? itemLine(stored.samples[i]!, item) : item);
        const points = walked.filter(({ perturbation }) => perturbation.strength > 0);
        const all = [
          ...results,
          ...points.map(point => ({ input: 'image', perturb: [...perturb, point.perturbation], items: point.items })),
        ];
        const lines = all.flatMap(({ items, ...what }) => items.map((item, i) => ({ ...what, ...line(item, i) })));
        writeFileAtomic(itemsFile, lines.map(fields => `${JSON.stringify(fields)}\n`).join(''));
      }
      if (dump !== undefined)
        writeFileAtomic(dump, encodeSafetensors(...(await recordForwardPass(model, groups, inputs, shown))));
      const rows = results.map(({ input, items }) => ({ input, ...summarize(items), ...breakDown(items) }));
      const trained = results.flatMap(({ input, items }) => (known ? trainedRates(input, items, known) : []));
      const perception = isAskable(config)
        ? summarizePerception(await evaluatePerception(model, groups, shown))
        : undefined;
      const { stage = null, step = null } = checkpoint.metadata;
      return {
        data: {
          checkpoint: checkpointFile,
          stage,
          step: step === null ? null : Number(step),
          model: checkpoint.config,
          seed: config.seed,
          device: device.capabilities,
          rows,
          scoring,
          style,
          perturb,
          curves: curvesOf(walked),
          perception,
          data: stored && {
            folder: data,
            images,
            onTrainingSide: stored.onTrainingSide,
            skipped: stored.problems,
            trained,
          },
        },
        lines: () => [
          ...summaryLines(rows, terminal),
          ...countLines(rows[0]?.items ?? 0, checkpointFile, stored, known !== undefined),
          ...(known ? trainedLines(trained, terminal) : []),
          ...breakdownLines(rows, terminal),
          ...(perception ? perceptionLines(perception) : []),
          ...curveLines(curvesOf(walked), terminal),
        ],
      };
    };
    return await withDevice(flags, body, note);
  },
});

/** The run's configuration with the worlds, board sizes and number of puzzles that the options name. */
function narrowed(config: RunConfig, { puzzles, level, world }: Flags<typeof options>): RunConfig {
  const chosen = config.tasks.filter(task => world === undefined || world.some(name => name === task.world));
  if (chosen.length === 0)
    throw new InputError(
      `the model was not trained on ${(world ?? []).join(', ')}: leave --world out, or name one of its worlds`,
    );
  const pool = Object.fromEntries((level ?? []).map(size => [size, 1])); // held-out puzzles have their own number
  const tasks = chosen.map(task => (level === undefined ? task : { ...task, levels: [...new Set(level)], pool }));
  return { ...config, tasks, evaluation: { puzzles: puzzles ?? config.evaluation.puzzles } };
}

function countLines(count: number, file: string, stored: StoredPuzzles | undefined, isKnown: boolean): string[] {
  if (!stored) return [`${count} held-out puzzles each; ${file}`];
  const { problems, onTrainingSide } = stored;
  const lines = [`${count} stored samples each; ${file}`];
  if (problems.length > 0) lines.push(`${problems.length} files were left out (see above)`);
  if (!isKnown)
    lines.push(
      'which of them training drew cannot be told, since the model does not say that this version drew its puzzles; ' +
        `${onTrainingSide} have layouts on the side of the split that training draws from`,
    );
  return lines;
}
