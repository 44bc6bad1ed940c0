/** What a rehearsal of the GPU day has found, for people. */
import { number, table } from './format.js';
import type { Rehearsed } from './rehearsal.js';
import { parts as allParts, scales } from './scale.js';
import type { Part } from './scale.js';
import type { GpuDay } from './summary.js';

/** Parts and problems, and whether there is none. @param rehearsed what the processes of a part have seen */
export function rehearsalPage(
  { scale, took, parts, problems }: GpuDay,
  rehearsed: Partial<Record<Part, readonly Rehearsed[]>>,
): { readonly page: string; readonly isGood: boolean } {
  const { predicted, seconds } = scales[scale];
  const rows: string[][] = [];
  const lines: string[] = [];
  for (const part of allParts) {
    if (took[part] === undefined) continue;
    const seen = rehearsed[part] ?? [];
    const sum = (of: (one: Rehearsed) => number) => seen.reduce((total, one) => total + of(one), 0);
    const results = [parts[part] ?? []].flat() as readonly { readonly problems?: readonly string[] }[];
    const found = [
      ...(problems[part] === undefined ? [] : [problems[part]]),
      ...results.flatMap(result => result.problems ?? []),
      ...seen.flatMap(({ errors }) => errors),
      ...(seen.length === 0 ? ['nothing ran on the null device'] : []),
    ];
    lines.push(...found.map(line => `- ${part}: ${line}`));
    rows.push([
      part,
      found.length === 0 ? 'ran' : `${found.length} problems`,
      ...[sum(one => one.inTurn), sum(one => one.ahead), sum(one => one.shaders), sum(one => one.onlyShaders)].map(
        String,
      ),
      number(Math.max(0, ...seen.map(one => one.peakBytes)) / 1e9),
      number(predicted?.[part]),
      String(seconds[part]),
      number(sum(one => one.seconds)),
    ]);
  }
  const head = [
    'part',
    '',
    'pipelines in turn',
    'ahead',
    'shaders',
    'not made',
    'GB',
    'predicted s',
    'limit s',
    'processor s',
  ];
  const text =
    'On a null device that says it is an H100: all sizes are those of the scale, results are not compared. The real ' +
    'run has three steps per stage; PyTorch was left out. `shaders`: those that differ, for drivers keep what they have ' +
    'compiled. `not made`: pipelines that an H100 could make and the null device cannot; their shaders were checked. ' +
    '`GB`: most bytes of buffers at a time. `processor`: its time here, of all threads.';
  const page = [`# Rehearsal of the GPU day, scale ${scale}`, text, table(head, rows), lines.join('\n')];
  return { page: `${page.filter(Boolean).join('\n\n')}\n`, isGood: lines.length === 0 && rows.length > 0 };
}
