/** `--perturb` and `--curve` of `mgsd-lite eval`: pictures made worse by known amounts. */
import { InvalidArgumentError } from 'commander';
import { summarize } from '../evaluation/evaluate.js';
import type { EvaluateOptions, ItemResult, RowSummary } from '../evaluation/evaluate.js';
import { PERTURBATION_KINDS, perturbations, perturbPicture } from '../evaluation/perturbations.js';
import type { Perturbation, PerturbationKind } from '../evaluation/perturbations.js';
import { formatEstimate } from '../evaluation/table.js';
import type { Puzzle } from '../method/puzzles.js';
import { decimal, oneOf, repeated } from './options.js';
import { drawTable } from './results.js';
import type { Terminal } from './terminal.js';

/** Strengths that a curve walks. */
const STRENGTHS = [0, 0.1, 0.25, 0.5, 0.75, 1];

/** Reads `noise=0.1`. */
function perturbationOf(text: string): Perturbation {
  const [name, value = '', ...rest] = text.split('=');
  const kind = PERTURBATION_KINDS.find(known => known === name);
  const strength = decimal(value);
  if (kind && rest.length === 0 && strength >= 0 && strength <= 1) return { kind, strength };
  throw new InvalidArgumentError(
    `Give a kind (${PERTURBATION_KINDS.join(', ')}) and a strength from 0 to 1, as in noise=0.1.`,
  );
}

export const robustnessOptions = {
  perturb: repeated(
    '--perturb <kind=strength>',
    `make pictures worse: ${PERTURBATION_KINDS.join(', ')}, strength 0 to 1, as in noise=0.1`,
    perturbationOf,
  ),
  curve: repeated(
    '--curve <kind>',
    `success on images at strengths from 0 to 1 of one kind, or of all`,
    oneOf([...PERTURBATION_KINDS, 'all']),
  ),
};

type Shown = Pick<EvaluateOptions, 'style' | 'imageOf'>;

/** What is shown, made worse. @param pixels of the model's pictures */
export function perturbed(shown: Shown, list: readonly Perturbation[], pixels: number): Shown {
  if (list.length === 0) return shown;
  const { style, imageOf = ({ world, instance }: Puzzle) => world.render(instance, pixels, style) } = shown;
  return { ...shown, imageOf: puzzle => perturbPicture(puzzle, imageOf(puzzle), list) };
}

/** Results on images at one strength of a perturbation. */
interface CurvePoint {
  readonly perturbation: Perturbation;
  readonly items: readonly ItemResult[];
}

/** Evaluates at all strengths of the kinds that were asked for; the pictures as they are (strength 0) only once. */
export async function walkCurves(
  asked: readonly (PerturbationKind | 'all')[],
  evaluateAt: (list: readonly Perturbation[]) => Promise<readonly ItemResult[]>,
): Promise<CurvePoint[]> {
  const kinds = PERTURBATION_KINDS.filter(kind => asked.includes('all') || asked.includes(kind));
  if (kinds.length === 0) return [];
  const unchanged = await evaluateAt([]);
  const points: CurvePoint[] = [];
  for (const kind of kinds)
    for (const strength of STRENGTHS) {
      const perturbation = { kind, strength };
      points.push({ perturbation, items: strength === 0 ? unchanged : await evaluateAt([perturbation]) });
    }
  return points;
}

/** A perturbation's curve, for programs. */
interface Curve {
  readonly kind: PerturbationKind;
  /** What strength 1 is. */
  readonly unit: string;
  readonly points: readonly ({ readonly strength: number } & RowSummary)[];
}

export function curvesOf(points: readonly CurvePoint[]): Curve[] {
  return PERTURBATION_KINDS.map(kind => ({
    kind,
    unit: perturbations[kind].unit,
    points: points
      .filter(({ perturbation }) => perturbation.kind === kind)
      .map(({ perturbation, items }) => ({ strength: perturbation.strength, ...summarize(items) })),
  })).filter(curve => curve.points.length > 0);
}

/** A table of success and exact recaps by strength, and what strength 1 of each kind is. */
export function curveLines(curves: readonly Curve[], terminal: Terminal): string[] {
  if (curves.length === 0) return [];
  const cell = (estimate: Parameters<typeof formatEstimate>[0]) => formatEstimate(estimate).replace(' (', '\n(');
  const rows = curves.flatMap(({ kind, points }) => [
    [`${kind}\nsuccess %`, ...points.map(({ success }) => cell(success))],
    [`${kind}\nrecap exact %`, ...points.map(({ recapExact }) => cell(recapExact))],
  ]);
  return [
    ...drawTable(terminal, ['images,\nstrength', ...STRENGTHS.map(String)], rows),
    ...curves.map(({ kind, unit }) => `${kind} 1: ${unit}`),
  ];
}
