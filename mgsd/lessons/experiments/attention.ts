/** What the attention heads of the trained planner look at on the board while it writes. */
import { attention as attend, noGrad, Random } from '../../../core/index.js';
import type { NumberArray } from '../../../core/index.js';
import { decodeCheckpoint, loadModel, patchCount } from '../../../models/index.js';
import type { ModelConfig, VisionLanguageModel } from '../../../models/index.js';
import { cellOf, sizeOf, tokenName } from '../../../models/vocabulary.js';
import { readFile } from '../../runs/files.js';
import { pretrainedPath } from '../../runs/package.js';
import type { Puzzle } from '../../method/puzzles.js';
import { packTraces, renderPuzzles } from '../../method/packing.js';
import { respond } from '../../method/respond.js';
import { instancePool } from '../../method/split.js';
import { maximumResponseLength, SPAN_RECAP } from '../../method/response.js';
import { relabelledTrace } from '../../method/targets.js';
import { colOf, rowOf } from '../../worlds/grid.js';
import { createWorldByName } from '../../worlds/registry.js';
import type { World } from '../../worlds/world.js';
import { svgDocument } from '../../pictures/chart.js';
import { boardUrl } from '../../pictures/draw.js';
import { escapeHtml } from '../../pictures/html.js';
import { percent, scaled, textTable } from './experiment.js';
import type { Experiment, ExperimentOptions, ExperimentResult } from './experiment.js';

const level = 4;

/** Attention of one row of the decoder on the patches of its image, per layer and head. */
interface Look {
  readonly puzzle: number;
  /** What the row is about to write. */
  readonly token: number;
  readonly isRecap: boolean;
  /** [layer][head]: a share for each patch; what is missing to 1 lies on other tokens. */
  readonly patches: readonly (readonly Float64Array[])[];
}

/**
 * Probabilities softmax(q k / sqrt(D)) of one query over the first `keys` rows of its sequence.
 * @param qkv (R, 3C) of a layer @param first the sequence's first row @param row the query's, in the packed batch
 */
function probabilities(
  qkv: NumberArray,
  { width, heads }: ModelConfig,
  head: number,
  first: number,
  row: number,
  keys: number,
): Float64Array {
  const D = width / heads;
  const score = (key: number) => {
    let total = 0;
    for (let d = 0; d < D; d++)
      total += qkv[row * 3 * width + head * D + d]! * qkv[(first + key) * 3 * width + width + head * D + d]!;
    return total / Math.sqrt(D);
  };
  const scores = Float64Array.from({ length: keys }, (_, key) => score(key));
  const maximum = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const e = scores.map(value => Math.exp(value - maximum));
  const total = e.reduce((a, b) => a + b, 0);
  return e.map(value => value / total);
}

/** One forward pass over greedy responses, with queries and keys of every layer kept. */
async function looksOf(model: VisionLanguageModel, puzzles: readonly Puzzle[], world: World): Promise<Look[]> {
  const { config, device } = model;
  const images = renderPuzzles(puzzles, config);
  const responses = await respond(model, puzzles, 'image', { maxTokens: maximumResponseLength(world, level), images });
  const traces = puzzles.map((puzzle, i) => relabelledTrace(puzzle, responses[i]!));
  const packed = packTraces(traces, 'image', model, images);
  const layers = await device.scope(() =>
    noGrad(() => {
      const { table, maxLength, patches, ...rows } = device.fromHost(packed);
      const sequences = { heads: config.heads, table, maxLength };
      const x = model.embed(rows, model.encodeImages(patches!)); // (R, C)
      const reads: Promise<NumberArray>[] = [];
      model.decode(x, qkv => {
        reads.push(qkv.read()); // (R, 3C)
        return attend(qkv, sequences);
      });
      return Promise.all(reads);
    }),
  );
  const P = patchCount(config);
  const firstPatch = 2; // task and mode stand before the image
  const prefix = firstPatch + P;
  let next = 0;
  return puzzles.flatMap((_, s) => {
    const first = next; // row of the sequence's first token
    next += prefix + traces[s]!.inputs.length;
    return responses[s]!.map((token, t) => ({
      puzzle: s,
      token,
      isRecap: traces[s]!.spans[t] === SPAN_RECAP,
      patches: layers.map(qkv =>
        Array.from({ length: config.heads }, (_, head) =>
          probabilities(qkv, config, head, first, first + prefix + t, prefix + t + 1).subarray(firstPatch, firstPatch + P),
        ),
      ),
    }));
  }); // prettier-ignore
}

/** Share of a patch's area that lies in a cell. */
function overlap(patch: number, cell: number, { imageSize, patchSize }: ModelConfig): number {
  const side = imageSize / patchSize;
  const along = (at: number, cellAt: number) => {
    const [from, to] = [at / side, (at + 1) / side];
    return Math.max(0, Math.min(to, (cellAt + 1) / level) - Math.max(from, cellAt / level)) * side;
  };
  return along(patch % side, colOf(cell)) * along(Math.floor(patch / side), rowOf(cell));
}

interface HeadScore {
  readonly layer: number;
  readonly head: number;
  /** Attention on the image, as a share of all. */
  readonly onImage: number;
  /** Of that, on the cell that is about to be written. */
  readonly onCell: number;
}

function scoreHeads(looks: readonly Look[], config: ModelConfig): HeadScore[] {
  const naming = looks.filter(({ token, isRecap }) => isRecap && cellOf(token) >= 0);
  return Array.from({ length: config.layers * config.heads }, (_, k) => {
    const [layer, head] = [Math.floor(k / config.heads), k % config.heads];
    let onImage = 0;
    let onCell = 0;
    for (const { token, patches } of naming)
      patches[layer]![head]!.forEach((share, patch) => {
        onImage += share;
        onCell += share * overlap(patch, cellOf(token), config);
      });
    return { layer: layer + 1, head: head + 1, onImage: onImage / naming.length, onCell: onCell / onImage };
  });
}

/** A board with the attention of one head over it, at a place of the picture. */
function boardSvg(look: Look, { layer, head }: HeadScore, config: ModelConfig, x: number, y: number, side: number): string {
  const patches = look.patches[layer - 1]![head - 1]!;
  const most = patches.reduce((a, b) => Math.max(a, b), 1e-9);
  const per = config.imageSize / config.patchSize;
  const unit = side / per;
  const squares = Array.from(patches, (share, patch) =>
    share < 0.02 * most
      ? ''
      : `<rect x="${(x + (patch % per) * unit).toFixed(1)}" y="${(y + Math.floor(patch / per) * unit).toFixed(1)}" width="${unit.toFixed(1)}" height="${unit.toFixed(1)}" fill="#d4006a" fill-opacity="${(0.85 * (share / most)).toFixed(2)}"/>`,
  );
  return `<use href="#board" x="${x}" y="${y}" transform="translate(0 0)"/>${squares.join('')}`;
} // prettier-ignore

function picture(puzzle: Puzzle, looks: readonly Look[], scores: readonly HeadScore[], config: ModelConfig): string {
  const side = 96;
  const href = boardUrl(puzzle.world, puzzle.instance, 2 * side);
  const own = looks.filter(({ puzzle: of }) => of === 0);
  const goal = own.filter(({ token }) => cellOf(token) >= 0)[1] ?? own[0]!;
  const sharpest = scores.reduce((a, b) => (b.onCell * b.onImage > a.onCell * a.onImage ? b : a));
  const named = own.filter(({ token }) => sizeOf(token) < 0).slice(0, 2 * config.heads);
  const step = side + 14;
  const parts = [
    `<defs><image id="board" href="${href}" width="${side}" height="${side}"/></defs>`,
    `<text x="16" y="22" font-weight="600">All heads while it is about to write the goal, ${escapeHtml(tokenName(goal.token))}</text>`,
  ];
  for (const score of scores) {
    const [x, y] = [16 + (score.head - 1) * step, 36 + (score.layer - 1) * (step + 16)];
    parts.push(boardSvg(goal, score, config, x, y, side));
    parts.push(`<text class="soft" font-size="11" x="${x}" y="${y + side + 12}">layer ${score.layer}, head ${score.head}</text>`); // prettier-ignore
  }
  const left = 16 + config.heads * step + 24;
  parts.push(`<text x="${left}" y="22" font-weight="600">Layer ${sharpest.layer}, head ${sharpest.head} from token to token</text>`); // prettier-ignore
  named.forEach((look, k) => {
    const [x, y] = [left + (k % 4) * step, 36 + Math.floor(k / 4) * (step + 16)];
    parts.push(boardSvg(look, sharpest, config, x, y, side));
    parts.push(`<text class="soft" font-size="11" x="${x}" y="${y + side + 12}">before ${escapeHtml(tokenName(look.token))}</text>`); // prettier-ignore
  });
  const size = [left + 4 * step + 2, 36 + config.layers * (step + 16)] as const;
  return svgDocument('What the attention heads look at', size, parts.join('\n'));
}

async function run({ device, seed, effort, onProgress }: ExperimentOptions): Promise<ExperimentResult> {
  const model = await loadModel(device, decodeCheckpoint(readFile(pretrainedPath())), { trainable: false });
  const world: World = createWorldByName('frozenlake');
  const count = scaled(40, effort, 3);
  const instances = instancePool(world, level, new Random(seed, 43, level), { split: 'test', count });
  const holes = ({ instance }: Puzzle) => world.recap(instance).length;
  const puzzles = instances.map<Puzzle>(instance => ({ world, instance })).sort((a, b) => holes(b) - holes(a));
  onProgress(`${count} held-out boards, greedy responses, one pass that keeps queries and keys`);
  const looks = await looksOf(model, puzzles, world);
  const scores = scoreHeads(looks, model.config);
  const ranked = scores.toSorted((a, b) => b.onCell * b.onImage - a.onCell * a.onImage);
  const chance = 1 / level ** 2;
  const { config } = model;
  model.dispose();
  const best = ranked[0]!;
  return {
    lines: [
      `While it writes a cell of the recap, on ${count} boards (${level} x ${level}; a cell is ${percent(chance)} of the picture):`,
      ...textTable([
        ['head', 'attention on the image', 'of that on the cell it writes'],
        ...ranked
          .slice(0, 6)
          .map(({ layer, head, onImage, onCell }) => [
            `layer ${layer}, head ${head}`,
            percent(onImage),
            percent(onCell),
          ]),
      ]),
      best.onCell > 2 * chance
        ? `Layer ${best.layer}, head ${best.head} looks where the pen is: ${(best.onCell / chance).toFixed(1)} times as much as chance.`
        : 'No head looks at the cell that is written much more than chance would.',
    ],
    data: { boards: count, chance, heads: scores },
    svg: picture(puzzles[0]!, looks, scores, config),
  };
}

export const attention: Experiment = {
  name: 'attention',
  question: 'What do the attention heads of the trained planner look at?',
  lesson: 'kernels/attention/lesson.md',
  run,
};
