/** Line charts as SVG text: a file that any browser and any slide takes, light and dark. */
import { escapeHtml } from './html.js';

export interface ChartLine {
  readonly label: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly dashed?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly ChartLine[];
  /** Default linear. */
  readonly xScale?: 'linear' | 'log';
  readonly yScale?: 'linear' | 'log';
  /** Range of y; left out: what the points need. */
  readonly yRange?: readonly [number, number];
}

const [width, height] = [640, 360];
const plot = { left: 64, right: 16, top: 44, bottom: 46 } as const;

/** Distinct for people who do not tell all colours apart (Okabe & Ito 2008). */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

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
 * Round numbers that cover a range: 1, 2 or 5 times a power of ten apart; on a logarithmic axis at most seven powers of
 * ten.
 */
export function ticksOf(low: number, high: number, scale: 'linear' | 'log'): number[] {
  if (scale === 'log') {
    const powers: number[] = [];
    for (let p = Math.ceil(Math.log10(low) - 1e-9); p <= Math.log10(high) + 1e-9; p++) powers.push(10 ** p);
    const every = Math.ceil(powers.length / 7);
    return powers.filter((_, k) => k % every === 0);
  }
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (rough / power > 5 ? 10 : rough / power > 2 ? 5 : rough / power > 1 ? 2 : 1);
  const ticks: number[] = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(k * step + 0); // + 0: no -0
  return ticks;
}

function rangeOf(values: readonly number[], scale: 'linear' | 'log'): [number, number] {
  const finite = values.filter(value => Number.isFinite(value) && (scale === 'linear' || value > 0));
  if (finite.length === 0) return scale === 'log' ? [0.1, 10] : [0, 1];
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  if (low < high) return [low, high];
  return scale === 'log' ? [low / 10, low * 10] : [low - 0.5, low + 0.5];
}

/** A chart with axes and a legend. Points that are not finite, or not above 0 on a logarithmic axis, are left out. */
export function lineChart({ title, x, y, lines, xScale = 'linear', yScale = 'linear', yRange }: Chart): string {
  const all = lines.flatMap(({ points }) => points);
  const xs = all.map(([value]) => value);
  const ys = all.map(([, value]) => value);
  const [rangeX, rangeY] = [rangeOf(xs, xScale), yRange ?? rangeOf(ys, yScale)];
  const along = (value: number, [low, high]: readonly [number, number], scale: 'linear' | 'log') =>
    scale === 'log' ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  const atX = (value: number) => plot.left + along(value, rangeX, xScale) * (width - plot.left - plot.right);
  const atY = (value: number) =>
    height - plot.bottom - along(value, rangeY, yScale) * (height - plot.top - plot.bottom);
  const show = (value: number) => {
    const text = Number(value.toPrecision(3));
    return Math.abs(value) > 0 && Math.abs(value) < 0.001 ? text.toExponential() : String(text);
  };
  const bottom = height - plot.bottom;
  const drawn = (value: readonly [number, number]) =>
    value.every(Number.isFinite) && (xScale === 'linear' || value[0] > 0) && (yScale === 'linear' || value[1] > 0);
  const parts = [
    `<text x="${plot.left}" y="18" font-weight="600">${escapeHtml(title)}</text>`,
    ...ticksOf(...rangeX, xScale).map(
      tick =>
        `<text class="soft" x="${number(atX(tick))}" y="${bottom + 18}" text-anchor="middle">${show(tick)}</text>`,
    ),
    ...ticksOf(...rangeY, yScale).map(
      tick =>
        `<path class="rule" d="M${plot.left} ${number(atY(tick))}H${width - plot.right}"/><text class="soft" x="${plot.left - 8}" y="${number(atY(tick) + 4)}" text-anchor="end">${show(tick)}</text>`,
    ),
    `<path class="rule" d="M${plot.left} ${bottom}H${width - plot.right}"/>`,
    `<text class="soft" x="${(plot.left + width - plot.right) / 2}" y="${height - 10}" text-anchor="middle">${escapeHtml(x)}</text>`,
    `<text class="soft" transform="translate(14 ${(plot.top + bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeHtml(y)}</text>`,
    ...lines.map(({ points, dashed }, k) => {
      const corners = points.filter(drawn).map(([px, py]) => `${number(atX(px))} ${number(atY(py))}`);
      return `<path d="M${corners.join('L') || '0 0'}" fill="none" stroke="${colours[k % colours.length]!}" stroke-width="2.2" stroke-linejoin="round"${dashed ? ' stroke-dasharray="6 4"' : ''}/>`;
    }),
    ...legend(lines.map(({ label }) => label)),
  ];
  return svgDocument(title, [width, height], parts.join('\n'));
}

function legend(labels: readonly string[]): string[] {
  let left: number = plot.left;
  return labels.map((label, k) => {
    const at = left;
    left += 30 + 7 * label.length;
    return `<path d="M${at} 32h16" stroke="${colours[k % colours.length]!}" stroke-width="3"/><text x="${at + 21}" y="36" font-size="12">${escapeHtml(label)}</text>`;
  });
}
