/** Line charts as SVG text: a file that any browser and any slide takes, light and dark. */
import { escapeHtml } from './html.js';

type Scale = 'linear' | 'log';
type Range = readonly [low: number, high: number];
type ChartPoint = readonly [x: number, y: number];

export interface ChartLine {
  readonly label: string;
  readonly points: readonly ChartPoint[];
  /** The same before smoothing, drawn faintly behind it. */
  readonly raw?: readonly ChartPoint[];
  readonly dashed?: boolean;
}

export interface Plot {
  readonly lines: readonly ChartLine[];
  /** Default linear. */
  readonly xScale?: Scale;
  readonly yScale?: Scale;
  /** Default: what the points need. */
  readonly xRange?: Range;
  readonly yRange?: Range;
  /** Labels the ticks of y. Default: three digits. */
  readonly yTick?: (value: number) => string;
}

export interface Chart extends Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
}

/** Colours of lines, with a contrast of at least 3.6 on the light and on the dark page. */
const colours = ['#2b7fd0', '#d5640f', '#0f8f6a', '#b45bb0', '#8a8210', '#7a8699'];

/** The colour of a chart's line, from 0. */
export const lineColour = (line: number): string => colours[line % colours.length]!;

const number = (value: number) => Number(value.toFixed(1)).toString();

/** Frame of every picture: size, colours for light and dark, a title for people who do not see it. */
export function svgDocument(title: string, [w, h]: readonly [number, number], body: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" role="img" font-family="system-ui, sans-serif" font-size="13">
<title>${escapeHtml(title)}</title>
<style>svg{--ink:#1b2330;--soft:#5a6678;--rule:#d5dbe4;--page:#ffffff}@media(prefers-color-scheme:dark){svg{--ink:#e8ecf2;--soft:#a8b2c2;--rule:#343d4b;--page:#12161d}}text{fill:var(--ink)}.soft{fill:var(--soft)}.rule{stroke:var(--rule);fill:none}</style>
<rect width="${w}" height="${h}" fill="var(--page)"/>
${body}
</svg>
`;
}

/**
 * Round numbers in a range: 1, 2 or 5 times a power of ten apart; on a logarithmic axis up to seven powers of ten, if
 * it has at least two.
 */
export function ticksOf(low: number, high: number, scale: Scale): number[] {
  if (scale === 'log') {
    const powers: number[] = [];
    for (let p = Math.ceil(Math.log10(low) - 1e-9); p <= Math.log10(high) + 1e-9; p++) powers.push(10 ** p);
    const every = Math.ceil(powers.length / 7);
    if (powers.length > 1) return powers.filter((_, k) => k % every === 0);
  }
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (rough / power > 5 ? 10 : rough / power > 2 ? 5 : rough / power > 1 ? 2 : 1);
  const ticks: number[] = [];
  const [first, last] = [Math.ceil(low / step - 1e-9), high / step + 1e-9];
  for (let k = first; k <= last; k++) ticks.push(k * step + 0); // + 0: no -0
  return ticks;
}

function rangeOf(points: readonly ChartPoint[], axis: 0 | 1, scale: Scale): Range {
  const values = points.map(point => point[axis]);
  const finite = values.filter(value => Number.isFinite(value) && (scale === 'linear' || value > 0));
  if (finite.length === 0) return scale === 'log' ? [0.1, 10] : [0, 1];
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  if (low < high) return [low, high];
  return scale === 'log' ? [low / 10, low * 10] : [low - 0.5, low + 0.5];
}

/** A number in three digits, very small and very large ones with an exponent. */
export function threeDigits(value: number): string {
  const [rounded, size] = [Number(value.toPrecision(3)), Math.abs(value)];
  return size === 0 || (size >= 0.001 && size < 1e6) ? String(rounded) : rounded.toExponential();
}

/**
 * Ticks and lines, as the inside of an SVG element. The plot's area is at (0, 0), its ticks stand left of it and below.
 * Points that are not finite, or not above 0 on a logarithmic axis, are left out.
 */
export function plotMarkup(plot: Plot, [width, height]: readonly [number, number]): string {
  const { lines, xScale = 'linear', yScale = 'linear', yTick = threeDigits } = plot;
  const all = lines.flatMap(({ points, raw = [] }) => [...points, ...raw]);
  const { xRange = rangeOf(all, 0, xScale), yRange = rangeOf(all, 1, yScale) } = plot;
  const along = (value: number, [low, high]: Range, scale: Scale) =>
    scale === 'log' ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  const atX = (x: number) => number(width * along(x, xRange, xScale));
  const atY = (y: number, down = 0) => number(height * (1 - along(y, yRange, yScale)) + down);
  const isDrawn = ([x, y]: ChartPoint) =>
    Number.isFinite(x) && Number.isFinite(y) && (xScale === 'linear' || x > 0) && (yScale === 'linear' || y > 0);
  const path = (points: readonly ChartPoint[], style: string) => {
    const places = points.filter(isDrawn).map(([x, y]) => `${atX(x)} ${atY(y)}`);
    // The first point twice: one alone is a dot.
    return places.length === 0 ? '' : `<path d="M${[places[0], ...places].join('L')}" fill="none" ${style}/>`;
  };
  return [
    ...ticksOf(...xRange, xScale).map(
      tick => `<text class="soft" x="${atX(tick)}" y="${height + 18}" text-anchor="middle">${threeDigits(tick)}</text>`,
    ),
    ...ticksOf(...yRange, yScale).map(
      tick =>
        `<path class="rule" d="M0 ${atY(tick)}H${width}"/>` +
        `<text class="soft" x="-8" y="${atY(tick, 4)}" text-anchor="end">${yTick(tick)}</text>`,
    ),
    `<path class="rule" d="M0 ${height}H${width}"/>`,
    ...lines.map(({ points, raw = [], dashed }, k) => {
      const stroke = `stroke="${lineColour(k)}" stroke-linejoin="round" stroke-linecap="round"`;
      const dash = dashed ? ' stroke-dasharray="6 4"' : '';
      return (
        path(raw, `${stroke} stroke-width="0.7" opacity="0.4"`) + path(points, `${stroke} stroke-width="2.2"${dash}`)
      );
    }),
  ].join('\n');
}

/** A chart with axes and a legend, as an SVG document; see `plotMarkup`. */
export function lineChart({ title, x, y, ...plot }: Chart): string {
  let end = 0;
  const legend = plot.lines.map(({ label }, k) => {
    const start = end;
    end += 30 + 7 * label.length;
    return (
      `<path d="M${start} -12h16" stroke="${lineColour(k)}" stroke-width="3"/>` +
      `<text x="${start + 21}" y="-8" font-size="12">${escapeHtml(label)}</text>`
    );
  });
  const parts = [
    '<g transform="translate(64 44)">',
    `<text y="-26" font-weight="600">${escapeHtml(title)}</text>`,
    ...legend,
    plotMarkup(plot, [560, 270]),
    `<text class="soft" x="280" y="306" text-anchor="middle">${escapeHtml(x)}</text>`,
    `<text class="soft" transform="translate(-50 135) rotate(-90)" text-anchor="middle">${escapeHtml(y)}</text>`,
    '</g>',
  ];
  return svgDocument(title, [640, 360], parts.join('\n'));
}
