/**
 * Pictures for the lessons: `npm run pictures` writes them beside the texts, from committed results or computed here.
 * Those of the experiments come from `mgsd-lite experiment NAME --out FOLDER`.
 */
import fs from 'node:fs';
import path from 'node:path';
import { gradcheck, openDevice, Random, sum, tanh } from '../core/index.js';
import type { RunConfig } from '../mgsd/method/config.js';
import { lineChart, svgDocument } from '../mgsd/pictures/chart.js';
import { boardUrl, sideBySide } from '../mgsd/pictures/draw.js';
import { escapeHtml } from '../mgsd/pictures/html.js';
import { encodePng } from '../mgsd/pictures/png.js';
import { createWorldByName } from '../mgsd/worlds/registry.js';
import type { RenderStyle } from '../mgsd/worlds/world.js';
import { actionName, boardCells, colOf, rowOf } from '../mgsd/worlds/grid.js';
import { createFrozenLake } from '../mgsd/worlds/frozenlake/frozenlake.js';
import { createInstance } from '../mgsd/worlds/frozenlake/rules.js';
import { modelPresets } from '../models/index.js';
import { toggle } from '../mgsd/cli/options.js';
import { benchCommand } from './command.js';
import { pagePictures } from './page-pictures.js';
import type { CurvePoint } from './seeds-text.js';

const { page } = benchCommand({
  command: 'npm run pictures --',
  about: 'Draws the pictures of the lessons, from committed results or computed here.',
  measures: ['nothing'],
  takes: 'a few seconds',
  options: { page: toggle('--page', 'those of the page for the README instead, with Chromium') },
  examples: [
    ['', 'all pictures of the lessons, each beside its text'],
    ['--page', 'the page in windows of 360 and 1600 pixels'],
  ],
});

const root = path.join(import.meta.dirname, import.meta.dirname.includes('/dist/') ? '../..' : '..');

const box = (x: number, y: number, w: number, h: number, text: string, note = '') =>
  `<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="6" fill="none" stroke="#0072b2" stroke-width="2"/><text x="${x + w / 2}" y="${y + h / 2 + (note === '' ? 5 : -2)}" text-anchor="middle">${escapeHtml(text)}</text>${note === '' ? '' : `<text class="soft" x="${x + w / 2}" y="${y + h / 2 + 15}" text-anchor="middle" font-size="11">${escapeHtml(note)}</text>`}`;
const arrow = (x1: number, y1: number, x2: number, y2: number, colour: string) =>
  `<path d="M${x1} ${y1}L${x2} ${y2}" stroke="${colour}" stroke-width="2" fill="none" marker-end="url(#${colour.slice(1)})"/>`;
const markers = ['#0072b2', '#d55e00']
  .map(
    colour =>
      `<marker id="${colour.slice(1)}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8Z" fill="${colour}"/></marker>`,
  )
  .join('');

/** The tape of loss = sum((x w - t)^2): forward in blue, gradients in orange. */
function tape(): string {
  const [blue, orange] = ['#0072b2', '#d55e00'];
  const parts = [
    `<defs>${markers}</defs>`,
    box(20, 30, 90, 44, 'x', 'leaf'),
    box(20, 130, 90, 44, 'w', 'trainable leaf'),
    box(20, 230, 90, 44, 't', 'leaf'),
    box(180, 80, 100, 44, 'y = x w', 'node 0: matmul'),
    box(340, 130, 110, 44, 'd = y − t', 'node 1: sub'),
    box(510, 130, 110, 44, 's = d²', 'node 2: square'),
    box(680, 130, 110, 44, 'loss = Σ s', 'node 3: sum'),
    arrow(110, 58, 178, 92, blue),
    arrow(110, 148, 178, 110, blue),
    arrow(110, 250, 338, 164, blue),
    arrow(280, 104, 338, 140, blue),
    arrow(450, 146, 508, 146, blue),
    arrow(620, 146, 678, 146, blue),
    arrow(678, 160, 622, 160, orange),
    arrow(508, 160, 452, 160, orange),
    arrow(338, 156, 282, 118, orange),
    arrow(178, 120, 112, 162, orange),
    `<text x="648" y="190" text-anchor="middle" style="fill:${orange}">1</text>`,
    `<text x="480" y="190" text-anchor="middle" style="fill:${orange}">2d</text>`,
    `<text x="300" y="156" text-anchor="middle" style="fill:${orange}">2d</text>`,
    `<text x="146" y="192" text-anchor="middle" style="fill:${orange}">xᵀ 2d</text>`,
    `<text class="soft" x="20" y="310">Blue: forward, a node per op. Orange: backward, latest node first; x and t want no gradient and get none.</text>`,
  ];
  return svgDocument('The tape of a squared error', [810, 330], parts.join('\n'));
}

/** Error of finite differences against the step size, central and one-sided, in f64. */
async function gradcheckPicture(): Promise<string> {
  const device = await openDevice('cpu');
  const x = device.tensor([0.3, -1.1, 0.8], [3], { dtype: 'f64' }).trainable();
  const steps = Array.from({ length: 25 }, (_, k) => 10 ** (-1 - k / 2));
  const central: [number, number][] = [];
  for (const step of steps) {
    const { worst } = await gradcheck(z => sum(tanh(z)), [x], { step });
    central.push([step, Math.max(1e-16, Math.abs(worst!.analytic - worst!.numeric))]);
  }
  await device.close();
  const at = 0.3;
  const exact = 1 - Math.tanh(at) ** 2;
  const oneSided = steps.map(
    h => [h, Math.max(1e-16, Math.abs((Math.tanh(at + h) - Math.tanh(at)) / h - exact))] as const,
  );
  return lineChart({
    title: 'Where a numeric gradient can be trusted (tanh, f64)',
    x: 'step',
    y: 'error of the slope',
    xScale: 'log',
    yScale: 'log',
    lines: [
      { label: 'central, gradcheck()', points: central },
      { label: 'one-sided', points: oneSided },
    ],
  });
}

interface LadderResult {
  readonly what: string;
  readonly machine: string;
  readonly rungs: readonly { readonly name: string; readonly gflops: number }[];
}

/** Bars from bench/results/ladder.json. */
function ladder(): string {
  const { what, machine, rungs } = JSON.parse(
    fs.readFileSync(path.join(root, 'bench/results/ladder.json'), 'utf8'),
  ) as LadderResult;
  const most = Math.max(...rungs.map(({ gflops }) => gflops));
  const rows = rungs.map(({ name, gflops }, k) => {
    const y = 48 + 34 * k;
    const w = (430 * gflops) / most;
    return `<text x="160" y="${y + 16}" text-anchor="end">${escapeHtml(name)}</text><rect x="170" y="${y}" width="${w.toFixed(1)}" height="22" fill="#0072b2"/><text x="${(176 + w).toFixed(1)}" y="${y + 16}">${gflops.toFixed(1)}</text>`;
  });
  const head = `<text x="16" y="20" font-weight="600">GFLOP/s: ${escapeHtml(what)}</text><text class="soft" x="16" y="38" font-size="11">${escapeHtml(machine)}</text>`;
  return svgDocument('Matrix multiplication, rung by rung', [680, 64 + 34 * rungs.length], head + rows.join('\n'));
}

/** Plain gradient descent and AdamW in a narrow valley, f(x, y) = x²/2 + 25 y². */
function optimizer(): string {
  const gradient = ([x, y]: readonly number[]) => [x!, 50 * y!];
  const loss = ([x, y]: readonly number[]) => 0.5 * x! ** 2 + 25 * y! ** 2;
  const run = (update: (g: readonly number[], t: number) => readonly number[]) => {
    let at: readonly number[] = [-4, 1];
    return Array.from({ length: 120 }, (_, t) => {
      const before = loss(at);
      const step = update(gradient(at), t + 1);
      at = at.map((value, i) => value - step[i]!);
      return [t, before] as const;
    });
  };
  const [m, v] = [
    [0, 0],
    [0, 0],
  ];
  const adam = run((g, t) =>
    g.map((value, i) => {
      m[i] = 0.9 * m[i]! + 0.1 * value;
      v[i] = 0.98 * v[i]! + 0.02 * value * value;
      return (0.15 * m[i]) / (1 - 0.9 ** t) / (Math.sqrt(v[i] / (1 - 0.98 ** t)) + 1e-8);
    }),
  );
  return lineChart({
    title: 'A valley 50 times steeper across than along',
    x: 'update',
    y: 'loss',
    yScale: 'log',
    lines: [
      { label: 'gradient descent, 0.02', points: run(g => g.map(value => 0.02 * value)) },
      { label: 'gradient descent, 0.039', points: run(g => g.map(value => 0.039 * value)), dashed: true },
      { label: 'AdamW, 0.15', points: adam },
    ],
  });
}

/** Five Newton-Schulz steps, by what they make of a singular value. */
function newtonSchulz(): string {
  const after = (steps: number, [a, b, c]: readonly [number, number, number]) =>
    Array.from({ length: 300 }, (_, k) => {
      const s = 10 ** ((3 * k) / 299 - 3);
      let y = s;
      for (let i = 0; i < steps; i++) y = a * y + b * y ** 3 + c * y ** 5;
      return [s, y] as const;
    });
  const muon = [3.4445, -4.775, 2.0315] as const;
  return lineChart({
    title: 'What Newton-Schulz steps make of a singular value',
    x: 'singular value, as a share of the norm',
    y: 'afterwards',
    xScale: 'log',
    lines: [
      { label: 'Muon, five steps', points: after(5, muon) },
      { label: 'Muon, one step', points: after(1, muon), dashed: true },
      { label: 'Newton-Schulz, five steps', points: after(5, [15 / 8, -10 / 8, 3 / 8]) },
    ],
  });
}

/** Which token attends to which: a prompt of five, a response of six. */
function mask(): string {
  const [prompt, response, side] = [5, 6, 26];
  const rows = prompt + response;
  const cells = Array.from({ length: rows * rows }, (_, k) => {
    const [i, j] = [Math.floor(k / rows), k % rows];
    const sees = i < prompt ? j < prompt : j < prompt || j <= i;
    const fill = !sees ? 'none' : i === rows - 1 ? '#d55e00' : i < prompt ? '#009e73' : '#0072b2';
    return `<rect x="${90 + j * side}" y="${60 + i * side}" width="${side - 3}" height="${side - 3}" style="fill:${fill};fill-opacity:.75;stroke:var(--rule)"/>`;
  });
  const text = [
    `<text x="90" y="24" font-weight="600">Row i sees column j</text>`,
    `<text class="soft" x="90" y="48">prompt</text><text class="soft" x="${90 + prompt * side}" y="48">response</text>`,
    `<text class="soft" x="80" y="${60 + 2.5 * side}" text-anchor="end">prompt</text><text class="soft" x="80" y="${60 + 8 * side}" text-anchor="end">response</text>`,
    `<text x="${120 + rows * side}" y="100" style="fill:#009e73">the prompt sees itself, both ways</text>`,
    `<text x="${120 + rows * side}" y="130" style="fill:#0072b2">a response sees the prompt and its past</text>`,
    `<text x="${120 + rows * side}" y="160" style="fill:#d55e00">a decode step computes this row alone:</text>`,
    `<text x="${120 + rows * side}" y="180" style="fill:#d55e00">the keys and values left of it are in the cache</text>`,
  ];
  return svgDocument('The prefix mask and the cache', [720, 70 + rows * side], [...cells, ...text].join('\n'));
}

interface SeedsResult {
  readonly results: readonly {
    readonly rows: readonly { readonly name: string; readonly success: { readonly value: number } }[];
  }[];
}

/** Success from symbols and from images after each stage: means of the seeds in bench/results/tiny-seeds.json. */
function gap(): string {
  const { results } = JSON.parse(
    fs.readFileSync(path.join(root, 'bench/results/tiny-seeds.json'), 'utf8'),
  ) as SeedsResult;
  const mean = (row: string) => {
    const values = results.map(({ rows }) => rows.find(({ name }) => name === row)!.success.value);
    return values.reduce((a, b) => a + b, 0) / values.length;
  };
  const [image, symbols] = ['#d55e00', '#0072b2'];
  const groups = [
    [
      'stage 0: a planner, no eyes',
      [
        ['symbols', mean('symbolic'), symbols],
        ['image', mean('base'), image],
      ],
    ],
    ['stage 1: it writes down what it sees', [['image', mean('stage1'), image]]],
    ['stage 2: it plans from what it sees', [['image', mean('mgsd'), image]]],
  ] as const;
  const width = 420;
  const bound = mean('symbolic') * width;
  let y = 40;
  const parts = [`<text x="16" y="22" font-weight="600">Held-out boards solved, %</text>`];
  for (const [title, bars] of groups) {
    parts.push(`<text x="16" y="${y + 16}">${escapeHtml(title)}</text>`);
    for (const [label, value, colour] of bars) {
      const w = value * width;
      parts.push(
        `<text class="soft" x="336" y="${y + 16}" text-anchor="end">${label}</text><rect x="344" y="${y}" width="${Math.max(1, w).toFixed(1)}" height="22" fill="${colour}"/>`,
      );
      if (colour === image && bound - w > 30)
        parts.push(
          `<path d="M${(386 + w).toFixed(1)} ${y + 11}H${(340 + bound).toFixed(1)}" stroke="${image}" stroke-width="1.5" stroke-dasharray="4 3"/><text x="${(344 + (w + bound) / 2).toFixed(1)}" y="${y + 8}" text-anchor="middle" font-size="11">the gap</text>`,
        );
      parts.push(
        `<text x="${(w > 60 ? 338 + w : 350 + w).toFixed(1)}" y="${y + 16}" text-anchor="${w > 60 ? 'end' : 'start'}" style="fill:${w > 60 ? '#fff' : 'var(--ink)'}">${(100 * value).toFixed(1)}</text>`,
      );
      y += 28;
    }
    y += 10;
  }
  return svgDocument('The modality gap, before and after each stage', [800, y + 6], parts.join('\n'));
}

interface CurveResult {
  readonly config: Pick<RunConfig, 'stage0' | 'stage1'>;
  readonly results: readonly { readonly curve: readonly CurvePoint[] }[];
}

/** Learning curves of `small`, seed 1 (bench/results/small-seeds.json): means over worlds, stage by stage. */
function twelveBoards(): string {
  const { config, results } = JSON.parse(
    fs.readFileSync(path.join(root, 'bench/results/small-seeds.json'), 'utf8'),
  ) as CurveResult;
  const before: Record<string, number> = {
    stage0: 0,
    stage1: config.stage0.steps,
    stage2: config.stage0.steps + config.stage1.steps,
  };
  const macro = (rates: Readonly<Record<string, number>>) => {
    const values = Object.values(rates);
    return (100 * values.reduce((a, b) => a + b, 0)) / values.length;
  };
  const points = (stages: readonly string[], rate: 'success' | 'recapExact') =>
    results[0]!.curve
      .filter(({ stage }) => stages.includes(stage))
      .map(point => [before[point.stage]! + point.step, macro(point[rate])] as const);
  return lineChart({
    title: 'All twelve boards: held-out puzzles, %, the mean of the worlds',
    x: 'updates: stage 0, then stage 1, then stage 2',
    y: '%',
    yRange: [0, 100],
    lines: [
      { label: 'solved from symbols (stage 0)', points: points(['stage0'], 'success') },
      { label: 'solved from images', points: points(['stage1', 'stage2'], 'success') },
      { label: 'recap exact, images', points: points(['stage1', 'stage2'], 'recapExact'), dashed: true },
    ],
  });
}

const world = createFrozenLake();
/** A 4 x 4 board with two ways around a hole. Cells are 8 * row + col. */
const board = createInstance(4, 24, 11, [10, 17]);

/** Input of the vision encoder: 48 x 48 pixels in 36 patches, whose borders differ from those of the cells. */
function vision(): string {
  const { imageSize, patchSize } = modelPresets.tiny;
  const per = imageSize / patchSize;
  const side = 288;
  const lines = Array.from({ length: per + 1 }, (_, k) => {
    const at = (k * side) / per;
    return `<path d="M${20 + at} 40V${40 + side}M20 ${40 + at}H${20 + side}" stroke="#d4006a" stroke-width="1.4"/>`;
  });
  const row = Array.from(
    { length: 8 },
    (_, k) =>
      `<rect x="${360 + k * 36}" y="120" width="30" height="30" fill="none" stroke="#d4006a"/><text x="${375 + k * 36}" y="140" text-anchor="middle" font-size="11">${k < 7 ? k : '…'}</text>`,
  );
  const text = [
    `<text x="20" y="24" font-weight="600">${imageSize} × ${imageSize} pixels, ${per * per} patches of ${patchSize} × ${patchSize}</text>`,
    `<text x="360" y="104">patches in raster order: the sequence</text>`,
    `<text x="360" y="186">${3 * patchSize ** 2} numbers each, through one linear layer, plus a position</text>`,
    `<text class="soft" x="360" y="214">Red lines are patches. The board's own 4 × 4 grid does not fall on them:</text>`,
    `<text class="soft" x="360" y="232">a patch sees parts of up to four cells, and attention has to sort that out.</text>`,
  ];
  const image = `<image href="${boardUrl(world, board, imageSize)}" x="20" y="40" width="${side}" height="${side}" style="image-rendering:pixelated"/>`;
  return svgDocument('An image as a sequence of patches', [880, 350], [image, ...lines, ...row, ...text].join('\n'));
}

/** Distances to the goal and all optimal actions of every cell: the targets of stage 0. */
function targets(): string {
  const side = 288;
  const unit = side / board.size;
  const steps = { L: [-1, 0], D: [0, 1], R: [1, 0], U: [0, -1] } as const;
  const cells = boardCells(board.size).map(cell => {
    if (board.holes.includes(cell)) return '';
    const from = { ...board, start: cell };
    const distance = cell === board.goal ? 0 : world.shortestLength(from);
    const [x, y] = [20 + (colOf(cell) + 0.5) * unit, 40 + (rowOf(cell) + 0.5) * unit];
    const arrows = (cell === board.goal ? [] : world.optimalActions(from, world.start(from))).map(action => {
      const [dx, dy] = steps[actionName(action) as keyof typeof steps];
      return arrow(x + 8 * dx, y + 8 * dy, x + 30 * dx, y + 30 * dy, '#d55e00');
    });
    return `${arrows.join('')}<circle cx="${x}" cy="${y}" r="11" fill="var(--page)" stroke="#d55e00"/><text x="${x}" y="${y + 4}" text-anchor="middle" font-size="12">${distance < 0 ? '–' : distance}</text>`;
  });
  const text = [
    `<defs>${markers}</defs><text x="20" y="24" font-weight="600">Distance to the goal, and every optimal action</text>`,
    `<text x="340" y="90">Two arrows at a cell: the target gives both 1/2.</text>`,
    `<text x="340" y="118">A plan that went astray is answered from the cell</text><text x="340" y="138">where it stands, not from where it should be.</text>`,
  ];
  const image = `<image href="${boardUrl(world, board, side)}" x="20" y="40" width="${side}" height="${side}" opacity="0.55"/>`;
  return svgDocument('What the planner is taught', [700, 350], [image, ...text, ...cells].join('\n'));
}

/** Rows of pictures, a row for each world: the training look, random looks by their seeds, the held-out look. */
function looks(): Uint8Array {
  const random = new Random(2, 5);
  const rows = [
    { name: 'frozenlake', level: 5, seeds: [3, 24, 26, 31, 45] },
    { name: 'maze', level: 4, seeds: [1, 9, 15, 25, 30] },
    { name: 'minibehaviour', level: 5, seeds: [3, 8, 13, 18, 26] },
  ].map(({ name, level, seeds }) => {
    const world = createWorldByName(name);
    const instance = world.generate(random, level);
    const draw = (style: RenderStyle) => ({ width: 48, height: 51, data: world.render(instance, 48, style) });
    const gap = new Uint8Array(3 * 48 * 3).fill(255); // below each picture
    const pictures = (['training', ...seeds, 'held-out'] as const).map(draw);
    return sideBySide(
      pictures.map(picture => ({ ...picture, data: Uint8Array.of(...picture.data, ...gap) })),
      3,
    );
  });
  const data = Uint8Array.from(rows.flatMap(row => [...row.data]));
  return encodePng({ width: rows[0]!.width, height: 3 * 51, data });
}

/** All pictures that are drawn here, by their path. */
export async function lessonPictures(): Promise<Record<string, string | Uint8Array>> {
  return {
    'mgsd/pictures/gap.svg': gap(),
    'mgsd/pictures/twelve-boards.svg': twelveBoards(),
    'core/lessons/tape.svg': tape(),
    'core/lessons/gradcheck.svg': await gradcheckPicture(),
    'kernels/matmul/lesson.svg': ladder(),
    'kernels/optimizer/lesson.svg': optimizer(),
    'kernels/optimizer/muon.svg': newtonSchulz(),
    'models/lessons/cache.svg': mask(),
    'models/lessons/vision.svg': vision(),
    'mgsd/lessons/stage0.svg': targets(),
    'mgsd/worlds/looks.png': looks(),
  };
}

for (const [file, picture] of Object.entries(await (page ? pagePictures() : lessonPictures()))) {
  fs.writeFileSync(path.join(root, file), picture);
  console.log(file);
}
