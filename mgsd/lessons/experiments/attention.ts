/** What the attention heads of the trained planner look at on the board while it writes. */
import { imageAttention } from '../../../models/index.js';
import type { ImageAttention, ModelConfig } from '../../../models/index.js';
import { cellOf, sizeOf, tokenName } from '../../../models/vocabulary.js';
import { packExamples } from '../../method/packing.js';
import type { Puzzle } from '../../method/puzzles.js';
import { imagePrompt, SPAN_RECAP } from '../../method/response.js';
import { svgDocument } from '../../pictures/chart.js';
import { boardUrl } from '../../pictures/draw.js';
import { escapeHtml } from '../../pictures/html.js';
import { colOf, rowOf } from '../../worlds/grid.js';
import { pretrainedRollouts } from './classroom.js';
import type { Rollouts } from './classroom.js';
import { percent, scaled, textTable } from './experiment.js';
import type { Experiment, ExperimentOptions, ExperimentResult } from './experiment.js';

const level = 4;

/** What one row of the decoder looks at. */
interface Look {
  readonly puzzle: number;
  /** What the row is about to write. */
  readonly token: number;
  readonly isRecap: boolean;
  readonly patches: ImageAttention;
}

/** One forward pass over greedy responses. */
async function looksOf({ model, images, examples, responses, puzzles }: Rollouts): Promise<Look[]> {
  const packed = packExamples(examples, 'image', model, images);
  const before = imagePrompt(puzzles[0]!.world, 0).length;
  const lengths = examples.map(({ inputs }) => inputs.length);
  const attended = await imageAttention(model, packed, before, lengths);
  return examples.flatMap(({ spans }, puzzle) =>
    responses[puzzle]!.map((token, t) => ({
      puzzle,
      token,
      isRecap: spans[t] === SPAN_RECAP,
      patches: attended[puzzle]![t]!,
    })),
  );
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

/** Pixels of a board in the picture, and from one board to the next. */
const side = 96;
const [across, down] = [side + 14, side + 30];

type Place = readonly [x: number, y: number];

/** A board with the attention of one head over it. */
function boardSvg(look: Look, { layer, head }: HeadScore, perSide: number, [x, y]: Place, text: string): string {
  const patches = look.patches[layer - 1]![head - 1]!;
  const most = patches.reduce((a, b) => Math.max(a, b), 1e-9);
  const unit = side / perSide;
  const squares = Array.from(patches, (share, patch) => {
    const [left, top] = [x + (patch % perSide) * unit, y + Math.floor(patch / perSide) * unit];
    const square = `M${left.toFixed(1)} ${top.toFixed(1)}h${unit}v${unit}h${-unit}z`;
    return `<path d="${square}" fill="#d4006a" fill-opacity="${(0.85 * (share / most)).toFixed(2)}"/>`;
  });
  const caption = `<text class="soft" font-size="11" x="${x}" y="${y + side + 12}">${escapeHtml(text)}</text>`;
  return `<use href="#board" x="${x}" y="${y}"/>${squares.join('')}${caption}`;
}

function picture(
  puzzles: readonly Puzzle[],
  looks: readonly Look[],
  scores: readonly HeadScore[],
  sharpest: HeadScore,
  { heads, layers, imageSize, patchSize }: ModelConfig,
): string {
  const lengths = puzzles.map(({ world, instance }) => world.recap(instance).length);
  const longest = lengths.indexOf(Math.max(...lengths));
  const { world, instance } = puzzles[longest]!;
  const shown = looks.filter(({ puzzle }) => puzzle === longest);
  const goal = shown.filter(({ token }) => cellOf(token) >= 0)[1] ?? shown[0]!;
  const named = shown.filter(({ token }) => sizeOf(token) < 0).slice(0, 2 * heads);
  const left = 40 + heads * across;
  const place = (from: number, column: number, row: number): Place => [from + column * across, 36 + row * down];
  const title = (x: number, text: string) => `<text x="${x}" y="22" font-weight="600">${escapeHtml(text)}</text>`;
  const board = (look: Look, score: HeadScore, at: Place, text: string) =>
    boardSvg(look, score, imageSize / patchSize, at, text);
  const parts = [
    `<defs><image id="board" href="${boardUrl(world, instance, 2 * side)}" width="${side}" height="${side}"/></defs>`,
    title(16, `All heads while it is about to write the goal, ${tokenName(goal.token)}`),
    ...scores.map(score =>
      board(goal, score, place(16, score.head - 1, score.layer - 1), `layer ${score.layer}, head ${score.head}`),
    ),
    title(left, `Layer ${sharpest.layer}, head ${sharpest.head} from token to token`),
    ...named.map((look, k) =>
      board(look, sharpest, place(left, k % 4, Math.floor(k / 4)), `before ${tokenName(look.token)}`),
    ),
  ];
  return svgDocument('What the attention heads look at', [left + 4 * across + 2, 36 + layers * down], parts.join('\n'));
}

async function run(options: ExperimentOptions): Promise<ExperimentResult> {
  const count = scaled(40, options.effort, 3);
  options.onProgress(`${count} held-out boards, greedy responses, one pass that keeps queries and keys`);
  const rollouts = await pretrainedRollouts(options, count, 43);
  const { config } = rollouts.model;
  const looks = await looksOf(rollouts);
  rollouts.model.dispose();
  const scores = scoreHeads(looks, config);
  const ranked = scores.toSorted((a, b) => b.onCell * b.onImage - a.onCell * a.onImage);
  const [best] = ranked as [HeadScore];
  const chance = 1 / level ** 2;
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
        ? `Layer ${best.layer}, head ${best.head} looks at the cell being written: ${(best.onCell / chance).toFixed(1)} times as much as chance.`
        : 'No head looks at the cell being written much more than chance would.',
    ],
    data: { boards: count, chance, heads: scores },
    svg: picture(rollouts.puzzles, looks, scores, best, config),
  };
}

export const attention: Experiment = {
  name: 'attention',
  question: 'What do the attention heads of the trained planner look at?',
  lesson: 'kernels/attention/lesson.md',
  run,
};
