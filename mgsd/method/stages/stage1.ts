/**
 * Stage 1, cold-start grounding (L_perc): from the image alone the student learns to write down the symbolic state it sees.
 * No plan for an image is in the targets: the response ends where the answer would begin. On request it also answers the
 * perception questions, and replays symbolic samples of stage 0.
 */
import { cosineLearningRate, Random } from '../../../core/index.js';
import type { AdamW } from '../../../core/index.js';
import type { VisionLanguageModel } from '../../../models/index.js';
import type { RunConfig } from '../config.js';
import { drawPuzzles, gateGroups, groupShares, streams } from '../puzzles.js';
import type { Puzzle, PuzzleGroup } from '../puzzles.js';
import { questionTrace, recapTrace } from '../targets.js';
import type { TrainingTrace } from '../targets.js';
import { Gate, gateTensor } from './gate.js';
import { withReplay } from './rehearsal.js';
import { packTraces, renderPuzzles } from '../packing.js';
import type { Mode } from '../response.js';
import { addTerm, supervisedTerm } from './loss-term.js';
import { groupRates } from './stage.js';
import type { Stage } from './stage.js';
import { Updates } from './update.js';

/** Peak rate of an extension, as a share of the stage's: enough to go on learning, gentler on what has been learnt. */
const extensionPeak = 0.5;

/** What a checkpoint calls the updates that the gate has led to: (1). */
const endTensor = 'gate.steps';

/** Where update `step` lies in the schedule: in the stage itself, or in an extension with a warm-up and a cosine of its own. */
export function groundingSchedule({ steps, warmup, gate }: RunConfig['stage1'], step: number) {
  if (step < steps) return { step, steps, warmup, peak: 1 };
  const within = (step - steps) % gate.steps;
  return { step: within, steps: gate.steps, warmup: Math.min(warmup, gate.steps / 4), peak: extensionPeak };
}

export function groundingStage(
  config: RunConfig,
  model: VisionLanguageModel,
  optimizer: AdamW,
  groups: readonly PuzzleGroup[],
): Stage {
  const { stage1, seed } = config;
  const { batch, visionRate, decoderRate, floor, questions, lossAverage: average } = stage1;
  const gate = stage1.gate.recapExact > 0 && stage1.steps > 0 ? new Gate(config, gateGroups(config)) : undefined;
  const updates = new Updates(optimizer);
  let end = stage1.steps;
  const last = end + stage1.gate.extensions * stage1.gate.steps;

  /** Asks at the end of the stage and of its extensions. */
  async function atTheEnd(): Promise<string[]> {
    if (!gate) return [];
    await gate.measure(model);
    const { failed } = gate;
    const wanted = `${Math.round(100 * stage1.gate.recapExact)} % exact recaps`;
    if (failed.length === 0) return [`gate: every board size has ${wanted} (${gate.describe()})`];
    if (end < last) {
      end += stage1.gate.steps;
      return [`gate: ${gate.describe(failed)} of ${wanted}; stage 1 goes on to update ${end}, half of it on these`];
    }
    return [
      `gate: failed by ${gate.describe(failed)} of ${wanted}. ${consequences[stage1.gate.failed]} Better: a new run with ` +
        `stage1.steps=${2 * end} or more stage1.images, and if that does not help, more stage1.decoderRate`,
    ];
  }

  return {
    name: 'stage1',
    title: 'cold-start grounding',
    get steps() {
      return end;
    },
    async step(step) {
      const random = new Random(seed, streams.stage1, step);
      const shares = step < stage1.steps || !gate ? groupShares(groups) : gate.shares(groups);
      const puzzles = drawPuzzles(groups, random, batch, stage1.balance, shares);
      const traces = puzzles.map(({ world, instance }) => recapTrace(world, instance));
      const asked = new Random(seed, streams.questions, step);
      const questioned = drawPuzzles(groups, asked, Math.round(questions * batch), stage1.balance, shares);
      const { inBuckets } = updates;
      const pack = (of: readonly Puzzle[], given: readonly TrainingTrace[], mode: Mode) => {
        const packed = packTraces(of, given, 'image', model.config, mode);
        return supervisedTerm(model, of, given, packed, {
          average,
          images: renderPuzzles(of, model.config),
          inBuckets,
        });
      };
      let term = pack(puzzles, traces, 'plan');
      if (questioned.length > 0) {
        const answers = questioned.map(({ world, instance }) => questionTrace(world, instance));
        term = addTerm(term, pack(questioned, answers, 'perceive'), questions);
      }
      term = withReplay(term, config, stage1, model, groups, 1, step, inBuckets);
      const { peak, ...at } = groundingSchedule(stage1, step);
      const vision = cosineLearningRate(at.step, { ...at, floor, peak: peak * visionRate });
      const decoder = cosineLearningRate(at.step, { ...at, floor, peak: peak * decoderRate });
      const metrics = updates.stepMetrics(term, groupRates(vision, decoder));
      if (step + 1 < end || !gate) return { metrics };
      const notes = await atTheEnd();
      return { metrics: metrics.then(values => ({ ...values, ...gate.metrics() })), notes };
    },
    saveState() {
      const state = new Map<string, Float32Array>();
      const measured = gate?.save();
      if (measured) state.set(gateTensor, measured).set(endTensor, Float32Array.of(end));
      return Promise.resolve(state);
    },
    loadState(tensors) {
      gate?.load(tensors.get(gateTensor));
      end = tensors.get(endTensor)?.[0] ?? end;
    },
    dispose() {
      updates.dispose();
    },
  };
}

const consequences = {
  ground: 'Stage 2 begins without them: they go on being grounded there, and join when they pass.',
  join: 'Stage 2 begins with them all the same; wrong recaps mask most of what their rollouts could teach.',
} as const;
