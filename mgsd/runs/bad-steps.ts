/**
 * Steps whose numbers were not finite. The device has left their update out (core/optimizer.ts), so nothing is lost; here the step
 * is done once more on a copy of the weights it began with, launch by launch, to say where the first NaN or infinity came from.
 */
import { AdamW, allFinite, firstNonFinite, formatShape, stateFields, Tensor } from '../../core/index.js';
import type { NonFinite } from '../../core/index.js';
import { assign } from '../../core/primitives.js';
import { encodeSafetensors, VisionLanguageModel } from '../../models/index.js';
import type { SafeTensor } from '../../models/index.js';
import type { RunConfig } from '../method/config.js';
import { writeFileAtomic } from './files.js';
import type { RunFolder } from './run-folder.js';
import type { Metrics, Stage } from '../method/stages/stage.js';

/** Bad steps in a row, and in all of a stage, after which a run is stopped. */
export const badStepsInARow = 3;
const badStepsInAll = 20;

/** Too many steps were bad: the run cannot go on like this. */
export class TooManyBadSteps extends Error {
  override name = 'TooManyBadSteps';
}

export interface GuardOptions {
  readonly config: RunConfig;
  readonly stage: Stage;
  readonly model: VisionLanguageModel;
  /** The teacher of stage 2. */
  readonly teacher: VisionLanguageModel | undefined;
  readonly optimizer: AdamW;
  readonly folder: RunFolder;
  /** Steps that may be under way when the metrics of one arrive, that one included. */
  readonly window: number;
  /** The same stage with other models. */
  readonly rebuild: (model: VisionLanguageModel, teacher: VisionLanguageModel | undefined, optimizer: AdamW) => Stage;
  readonly lastGood: () => string;
  readonly onNote: (note: string) => void;
}

/** The weights before a step. */
interface Kept {
  step: number;
  readonly student: Tensor;
  /** Only of a teacher that follows the student. */
  readonly teacher: Tensor | undefined;
}

export class StepGuard {
  readonly #options: GuardOptions;
  readonly #kept: readonly Kept[];
  #skipped = 0;
  #lossScale = 1;
  #inARow = 0;
  #inAll = 0;
  /** Updates that were left out because the loss scale was too large: no fault, it finds its size that way. */
  scaleSkips = 0;

  private constructor(options: GuardOptions) {
    const { model, window } = options;
    const { device } = model;
    const like = ({ parameters: { flat } }: VisionLanguageModel) =>
      device.keep(device.empty(flat.shape, flat.dtype, 'weights before a step'));
    this.#options = options;
    this.#kept = Array.from({ length: window }, () => ({
      step: -1,
      student: like(model),
      teacher: undefined,
    }));
  }

  /** Begins to watch a stage, which may go on in the middle. */
  static async start(options: GuardOptions): Promise<StepGuard> {
    const guard = new StepGuard(options);
    const state = await options.optimizer.state.read();
    guard.#skipped = state[stateFields.indexOf('skipped')]!;
    guard.#lossScale = state[stateFields.indexOf('lossScale')] ?? 1;
    return guard;
  }

  /** Keeps the weights that step `step` (from 0) begins with. Call it before every step. */
  before(step: number): void {
    const { model, teacher } = this.#options;
    const kept = this.#kept[step % this.#kept.length]!;
    kept.step = step;
    model.device.scope(() => {
      assign(kept.student, model.parameters.flat);
      if (kept.teacher && teacher) assign(kept.teacher, teacher.parameters.flat);
    });
  }

  /**
   * Looks at the metrics of step `step` (from 0), at most `window - 1` steps later. A bad step is examined and noted.
   * @throws TooManyBadSteps
   */
  async after(step: number, metrics: Metrics): Promise<void> {
    const { loss = NaN, skipped = 0, lossScale = 1 } = metrics;
    const wasSkipped = skipped > this.#skipped;
    const scale = this.#lossScale;
    this.#skipped = skipped;
    this.#lossScale = lossScale;
    const { stage, onNote } = this.#options;
    const where = `${stage.name}, update ${step + 1}`;
    if (wasSkipped && scale > 1 && Number.isFinite(loss)) {
      this.scaleSkips++;
      onNote(`${where}: left out, since gradients overflowed at loss scale ${scale} (${this.scaleSkips} so far)`);
      return;
    }
    if (!wasSkipped && Number.isFinite(loss)) {
      this.#inARow = 0;
      return;
    }
    this.#inARow++;
    this.#inAll++;
    const what = Number.isFinite(loss) ? 'the gradient is not finite' : 'the loss is not finite';
    const finding = `${where}: ${what}; the update was left out. ${await this.#examineSafely(step)}`;
    if (this.#inARow >= badStepsInARow || this.#inAll >= badStepsInAll)
      throw new TooManyBadSteps(
        `${finding} This was ${this.#inARow >= badStepsInARow ? `bad update number ${this.#inARow} in a row` : `bad update number ${this.#inAll}`}: ` +
          'try a smaller learning rate or clip harder (optimizer.maxNorm)',
      );
    onNote(`${finding} ${this.#options.lastGood()}`);
  }

  async #examineSafely(step: number): Promise<string> {
    try {
      return await this.#examine(step);
    } catch (error) {
      return `It could not be examined: ${error instanceof Error ? error.message : String(error)}.`;
    }
  }

  async #examine(step: number): Promise<string> {
    const { config, stage, model, teacher, rebuild, folder } = this.#options;
    const kept = this.#kept.find(each => each.step === step);
    if (!kept) return 'Its weights are gone, so it cannot be done again.';
    const student = await this.#copyOf(model, kept.student);
    const judge = kept.teacher && teacher ? await this.#copyOf(teacher, kept.teacher) : teacher;
    const optimizer = new AdamW(student.parameters, this.#options.optimizer.options);
    const batches = recordBatches(student);
    let again: Stage | undefined;
    try {
      const stageAgain = (again = rebuild(student, judge, optimizer));
      if (kept.teacher && judge) {
        stageAgain.loadState?.((await stage.saveState?.()) ?? new Map<string, Float32Array>()); // that it is in its midst
        judge.parameters.flat.device.scope(() => assign(judge.parameters.flat, kept.teacher!));
        judge.parameters.refresh();
      }
      const { found } = await firstNonFinite(model.device, async () => {
        const { metrics } = await stageAgain.step(step);
        await metrics;
      });
      const finite = allFinite(await kept.student.read());
      const origin = describe(found, student, judge, finite);
      const file = folder.file(`bad-step-${stage.name}-${step + 1}.safetensors`);
      const metadata = { stage: stage.name, update: String(step + 1), seed: String(config.seed), run: JSON.stringify(config), origin }; // prettier-ignore
      writeFileAtomic(file, encodeSafetensors(await badStepTensors(student, batches), metadata));
      return `${origin} Its batch and weights are in ${file}.`;
    } finally {
      again?.dispose();
      for (const done of [optimizer, student, ...(judge === teacher ? [] : [judge])]) done?.dispose();
    }
  }

  /** A model like another one, with the weights that were kept. */
  async #copyOf(model: VisionLanguageModel, flat: Tensor): Promise<VisionLanguageModel> {
    const trainable = model === this.#options.model;
    const copy = new VisionLanguageModel(model.device, model.config, {
      dtype: model.dtype,
      precision: model.precision,
      trainable,
    });
    const all = await flat.read();
    const ranges = [...model.parameters.ranges];
    await copy.parameters.load(
      new Map(ranges.map(([name, { offset, length }]) => [name, all.subarray(offset, offset + length)])),
    );
    return copy;
  }

  dispose(): void {
    const { device } = this.#options.model;
    for (const { student, teacher } of this.#kept)
      for (const tensor of [student, teacher]) if (tensor) device.free(tensor);
  }
}

/** A sentence about the first number that was not finite. */
function describe(
  found: NonFinite | undefined,
  student: VisionLanguageModel,
  teacher: VisionLanguageModel | undefined,
  finiteWeights: boolean,
): string {
  if (!finiteWeights) return 'The weights themselves are not finite.';
  if (!found) return 'Done again, all of it was finite: the device may be unreliable.';
  const namesIn = (model: VisionLanguageModel | undefined, whose: string) =>
    found.inputs.flatMap(({ tensor }) =>
      [...(model?.parameters.ranges ?? [])].flatMap(([name, { offset, length }]) =>
        tensor.storage === model?.parameters.flat.storage && tensor.offset === offset && tensor.size === length
          ? [whose + name]
          : [],
      ),
    );
  const names = [...namesIn(student, ''), ...(teacher === student ? [] : namesIn(teacher, "the teacher's "))];
  const using = names.length > 0 ? `, which used ${names.join(' and ')}` : '';
  return `The first tensor that is not finite is ${found.buffer} ${formatShape(found.shape)} of ${found.op} (kernel ${found.kernel})${using}.`;
}

/** Tensors by name, as a forward pass was given them; their values are on the way. */
type RecordedBatch = ReadonlyMap<string, { readonly tensor: Tensor; readonly values: Promise<ArrayLike<number>> }>;

/** Collects what a model is given in its forward passes. */
function recordBatches(model: VisionLanguageModel): RecordedBatch[] {
  const seen: RecordedBatch[] = [];
  const forward = model.forward.bind(model);
  model.forward = inputs => {
    const given = Object.entries<unknown>({ ...inputs }).flatMap(([name, tensor]) =>
      tensor instanceof Tensor ? [[name, { tensor, values: tensor.read() }] as const] : [],
    );
    seen.push(new Map(given));
    return forward(inputs);
  };
  return seen;
}

/** The weights by name, and of the last forward pass `batch.*`: what `VisionLanguageModel.forward` was given. */
async function badStepTensors(
  model: VisionLanguageModel,
  batches: readonly RecordedBatch[],
): Promise<Map<string, SafeTensor>> {
  const tensors = new Map<string, SafeTensor>();
  for (const [name, data] of await model.parameters.save())
    tensors.set(name, { dtype: 'F32', shape: model.parameters.get(name).shape, data });
  for (const [name, { tensor, values }] of batches.at(-1) ?? []) {
    const { shape, dtype } = tensor;
    const data = await values;
    if (dtype === 'i32') tensors.set(`batch.${name}`, { dtype: 'I32', shape, data: Int32Array.from(data) });
    else tensors.set(`batch.${name}`, { dtype: 'F32', shape, data: Float32Array.from(data) });
  }
  return tensors;
}
