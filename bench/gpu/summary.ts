/** Results of a GPU day as one Markdown page. */
import type { RowName } from '../../mgsd/evaluation/table.js';
import type { CapabilityReport } from './capabilities.js';
import type { CorrectnessReport } from './correctness.js';
import { number, table } from './format.js';
import type { Limits } from './limits.js';
import type { Ladder } from './rungs.js';
import { parts as allParts, scales } from './scale.js';
import type { GpuScale, Part } from './scale.js';
import type { Sweep } from './sweep.js';
import type { Training } from './training.js';

interface TorchRow {
  readonly name: string;
  readonly mode?: 'eager' | 'compiled' | 'graphs';
  readonly milliseconds: number;
}

interface PartResults {
  capabilities: CapabilityReport;
  correctness: readonly CorrectnessReport[];
  limits: Limits;
  ladder: Ladder;
  kernels: Sweep;
  training: Training;
  run: {
    readonly seconds: number;
    /** Of a run that has not ended: the last update. */
    readonly last?: { readonly stage?: string; readonly step?: number; readonly steps?: number };
    readonly table?: readonly { readonly row: RowName }[];
    readonly story?: readonly string[];
  };
  pytorch: {
    readonly torch: string;
    readonly device: string;
    readonly rows: readonly TorchRow[];
    readonly problems: readonly string[];
  };
}

export interface GpuDay {
  readonly date: string;
  readonly node: string;
  readonly scale: GpuScale['name'];
  /** Seconds that each part took. */
  readonly took: Partial<Record<Part, number>>;
  readonly parts: Partial<PartResults>;
  /** What went wrong, by part. */
  readonly problems: Partial<Record<Part, string>>;
}

/** All that is known so far. */
export function summary({ date, node, scale, took, parts, problems }: GpuDay): string {
  const sections = [
    `# GPU day of ${date.slice(0, 10)}\n\nNode ${node}, scale ${scale}. Times are medians; TFLOP/s count a multiply-add as two.`,
    parts.capabilities && capabilities(parts.capabilities),
    Object.keys(problems).length > 0 &&
      `## Parts that did not end well\n\n${Object.entries(problems)
        .map(([part, problem]) => `- ${part}: ${problem}`)
        .join('\n')}`,
    parts.correctness && correctness(parts.correctness),
    parts.limits && limits(parts.limits),
    parts.ladder && ladderTable(parts.ladder),
    parts.kernels && sweepTable(parts.kernels, parts),
    parts.training && trainingTable(parts.training, parts),
    parts.training && decodeTable(parts.training, parts),
    parts.run && run(parts.run),
    Object.keys(took).length > 0 && timesTable(scale, took),
  ];
  return `${sections.filter(section => typeof section === 'string').join('\n\n')}\n`;
}

/** Lines about what could not be measured, behind a table. */
const notMeasured = (problems: readonly string[]) =>
  problems.length === 0 ? '' : `\n\nNot measured:\n\n${problems.map(line => `- ${line}`).join('\n')}`;

function timesTable(scale: GpuScale['name'], took: GpuDay['took']): string {
  const { predicted, seconds } = scales[scale];
  const cells = allParts
    .filter(part => took[part] !== undefined)
    .map(part => [part, number(predicted?.[part]), number(took[part]), String(seconds[part])]);
  return `## Time of each part\n\n${table(['part', 'predicted, s', 'took, s', 'stopped after, s'], cells)}`;
}

function run({ seconds, last, story }: PartResults['run']): string {
  const state = story
    ? story.map(line => `- ${line}`).join('\n')
    : `Not ended: ${last?.stage ?? 'no stage'}, update ${last?.step ?? 0} of ${last?.steps ?? '?'}.`;
  return `## \`mgsd-lite train\`, whole\n\n${number(seconds)} s.\n\n${state}`;
}

function capabilities({ device, added }: CapabilityReport): string {
  const facts = Object.entries(device.features).map(([name, value]) => [name, String(value)]);
  return `## ${device.name}\n\n${device.driver}${device.software ? ". **Emulated on the processor: no figure here is a GPU's.**" : ''}\n\n${table(
    ['fact', 'value'],
    [['features that toggles bring', added.join(' ') || 'none'], ...facts],
  )}`;
}

function correctness(reports: readonly CorrectnessReport[]): string {
  const result = ({ planned, checked, problems }: CorrectnessReport) => {
    if (problems.length > 0) return `${problems.length} do not agree`;
    if (checked === 0) return 'nothing was checked';
    return checked < planned ? 'those agree' : 'all agree';
  };
  const rows = reports.map(report => [
    report.mode,
    report.what,
    `${report.checked} of ${report.planned}`,
    result(report),
  ]);
  const ways = reports.flatMap(({ mode, what, ways: ran }) =>
    Object.entries(ran).map(([way, launches]) => [mode, what, way, String(launches)]),
  );
  const problems = reports.flatMap(({ mode, problems: list }) => list.map(line => `- ${mode}: ${line}`));
  return `## Against the references\n\n${table(['mode', 'what', 'checked', 'result'], rows)}\n\n${problems.join('\n')}\n\n${table(['mode', 'what', 'way', 'launches'], ways)}`.trim();
}

function limits({ problems, matrix, ...measured }: Limits): string {
  const { dependentLaunch, independentLaunch, hostPerLaunch, copy, f32, readBack } = measured;
  return `## What the machine can do\n\n${table(
    ['what', 'measured'],
    [
      ['launch that waits for the one before', `${number(dependentLaunch)} µs`],
      ['launch that waits for none', `${number(independentLaunch)} µs`],
      ['host time per launch', `${number(hostPerLaunch)} µs`],
      ['result back on the host', `${number(readBack)} µs`],
      ['copy, read and written', `${number(copy)} GB/s`],
      ['f32 on registers', `${number(f32)} TFLOP/s`],
      ...Object.entries(matrix).map(([name, value]) => [
        `matrix unit on registers, ${name} f16 to f32`,
        `${number(value)} TFLOP/s`,
      ]),
    ],
  )}${notMeasured(problems)}`;
}

function ladderTable({ rows, problems }: Ladder): string {
  const cells = rows.map(({ rung, dtype, n, milliseconds, gflops, roof }) => [
    rung,
    dtype,
    String(n),
    number(milliseconds),
    number(gflops),
    `${number((100 * gflops) / roof)} %`,
  ]);
  return `## From naive to fast\n\n${table(['rung', 'dtype', 'side', 'ms', 'GFLOP/s', 'of its roof'], cells)}${notMeasured(problems)}`;
}

function sweepTable({ rows, problems }: Sweep, { limits: ceilings, pytorch }: Partial<PartResults>): string {
  const matrixCeiling = Math.max(0, ...Object.values(ceilings?.matrix ?? {}));
  const ceiling = (dtype: string) => (dtype === 'f16' && matrixCeiling > 0 ? matrixCeiling : ceilings?.f32);
  const torch = new Map(pytorch?.rows.map(row => [row.name, row.milliseconds]));
  const cells = rows.map(({ name, dtype, ways, milliseconds, teraflops }) => {
    const theirs = dtype === 'f16' ? torch.get(name) : undefined;
    const most = ceiling(dtype);
    return [
      name,
      dtype,
      Object.keys(ways).join(' + '),
      number(milliseconds),
      number(teraflops),
      most ? `${number((100 * teraflops) / most)} %` : '-',
      theirs === undefined ? '-' : number((teraflops * milliseconds) / theirs),
      theirs === undefined ? '-' : number(theirs / milliseconds),
    ];
  });
  const head = [
    'work',
    'dtype',
    'ran as',
    'ms',
    'TFLOP/s',
    'of the ceiling',
    'PyTorch bf16, TFLOP/s',
    'its time / ours',
  ];
  return `## Products and attention\n\n${table(head, cells)}${notMeasured(problems)}`;
}

/** PyTorch's time for a piece of work. */
const torchTime = ({ pytorch }: Partial<PartResults>, name: string, mode: TorchRow['mode']) =>
  pytorch?.rows.find(row => row.name === name && row.mode === mode)?.milliseconds;

function trainingTable({ rows, problems }: Training, results: Partial<PartResults>): string {
  const cells = rows.map(({ preset, precision, batch, step, host, launches, teraflops, bytes }) => {
    const name = `${preset} x ${batch}`;
    const theirs = (['eager', 'compiled', 'graphs'] as const).map(mode =>
      precision === 'f16' ? torchTime(results, `step ${name}`, mode) : undefined,
    );
    return [
      `${name} ${precision}`,
      number(step),
      number(host),
      String(launches),
      number((1000 * batch) / step),
      number(teraflops),
      number(bytes / 2 ** 20),
      ...theirs.map(number),
    ];
  });
  const head = [
    ...['model x batch', 'step ms', 'of it the host, ms', 'launches', 'samples/s', 'TFLOP/s', 'MiB'],
    ...['PyTorch bf16 eager ms', 'compiled ms', 'compiled with CUDA graphs ms'],
  ];
  const text =
    'Recorded steps, many in a row with one wait at the end, PyTorch the same way. Its attention gets the prefix mask as a matrix, ' +
    'which FlashAttention does not take.';
  const all = [...problems, ...(results.pytorch?.problems ?? []).map(line => `PyTorch: ${line}`)];
  return `## Training steps\n\n${text}\n\n${table(head, cells)}${notMeasured(all)}`;
}

function decodeTable({ rows }: Training, results: Partial<PartResults>): string {
  const cells = rows.map(({ preset, precision, batch, decode, responseLength }) => {
    const ways = Object.entries(decode).toSorted(([, a], [, b]) => a - b);
    const [fastest, least] = ways[0] ?? ['-', undefined];
    const each = (['fused', 'steps', 'rollout'] as const).map(path => number(decode[path]));
    const theirs = precision === 'f16' ? torchTime(results, `rollout ${preset} x ${batch}`, 'eager') : undefined;
    const perToken = least && (1000 * least) / responseLength;
    return [`${preset} x ${batch} ${precision}`, ...each, fastest, number(perToken), number(theirs)];
  });
  const head = ['model x batch', 'fused ms', 'steps ms', 'rollout ms', 'fastest', 'µs per token', 'PyTorch eager ms'];
  const text =
    'Responses of one length, none ends early. The fastest way belongs into `decodeTable` of models/decode-path.ts.';
  return `## Decoding\n\n${text}\n\n${table(head, cells)}`;
}
