/** Results of a GPU day as one Markdown page. */
import type { RowName } from '../../mgsd/evaluation/table.js';
import type { CapabilityReport } from './capabilities.js';
import type { CorrectnessReport } from './correctness.js';
import { number, table } from './format.js';
import type { Limits } from './limits.js';
import type { Ladder } from './rungs.js';
import type { Part } from './scale.js';
import type { SweepRow } from './sweep.js';
import type { TrainingRow } from './training.js';

interface TorchRow {
  readonly name: string;
  readonly mode?: 'eager' | 'compiled';
  readonly milliseconds: number;
}

interface PartResults {
  capabilities: CapabilityReport;
  correctness: readonly CorrectnessReport[];
  limits: Limits;
  ladder: Ladder;
  kernels: readonly SweepRow[];
  training: readonly TrainingRow[];
  run: {
    readonly seconds: number;
    readonly table: readonly { readonly row: RowName }[];
    readonly story: readonly string[];
  };
  pytorch: { readonly torch: string; readonly device: string; readonly rows: readonly TorchRow[] };
}

export interface GpuDay {
  readonly date: string;
  readonly node: string;
  readonly scale: string;
  readonly parts: Partial<PartResults>;
  /** What went wrong, by part. */
  readonly problems: Partial<Record<Part, string>>;
}

/** All that is known so far. */
export function summary({ date, node, scale, parts, problems }: GpuDay): string {
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
    parts.run &&
      `## \`mgsd-lite train\`, whole\n\n${number(parts.run.seconds)} s.\n\n${parts.run.story.map(line => `- ${line}`).join('\n')}`,
  ];
  return `${sections.filter(section => typeof section === 'string').join('\n\n')}\n`;
}

function capabilities({ device, added }: CapabilityReport): string {
  const facts = Object.entries(device.features).map(([name, value]) => [name, String(value)]);
  return `## ${device.name}\n\n${device.driver}${device.software ? ". **Emulated on the processor: no figure here is a GPU's.**" : ''}\n\n${table(
    ['fact', 'value'],
    [['features that toggles bring', added.join(' ') || 'none'], ...facts],
  )}`;
}

function correctness(reports: readonly CorrectnessReport[]): string {
  const rows = reports.map(({ mode, what, checked, problems }) => [
    mode,
    what,
    String(checked),
    problems.length === 0 ? 'all agree' : `${problems.length} do not`,
  ]);
  const problems = reports.flatMap(({ mode, problems: list }) => list.map(line => `- ${mode}: ${line}`));
  return `## Against the references\n\n${table(['mode', 'what', 'checked', 'result'], rows)}\n\n${problems.join('\n')}`.trim();
}

function limits({ dependentLaunch, independentLaunch, hostPerLaunch, copy, f32, matrix, readBack }: Limits): string {
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
  )}`;
}

function ladderTable({ rows }: Ladder): string {
  const cells = rows.map(({ rung, dtype, n, milliseconds, gflops, roof }) => [
    rung,
    dtype,
    String(n),
    number(milliseconds),
    number(gflops),
    `${number((100 * gflops) / roof)} %`,
  ]);
  return `## From naive to fast\n\n${table(['rung', 'dtype', 'side', 'ms', 'GFLOP/s', 'of its roof'], cells)}`;
}

function sweepTable(rows: readonly SweepRow[], { limits: ceilings, pytorch }: Partial<PartResults>): string {
  const matrixCeiling = Math.max(0, ...Object.values(ceilings?.matrix ?? {}));
  const ceiling = (dtype: string) => (dtype === 'f16' && matrixCeiling > 0 ? matrixCeiling : ceilings?.f32);
  const torch = new Map(pytorch?.rows.map(row => [row.name, row.milliseconds]));
  const cells = rows.map(({ name, dtype, milliseconds, teraflops }) => {
    const theirs = dtype === 'f16' ? torch.get(name) : undefined;
    const most = ceiling(dtype);
    return [
      name,
      dtype,
      number(milliseconds),
      number(teraflops),
      most ? `${number((100 * teraflops) / most)} %` : '-',
      theirs === undefined ? '-' : number((teraflops * milliseconds) / theirs),
      theirs === undefined ? '-' : number(theirs / milliseconds),
    ];
  });
  const head = ['work', 'dtype', 'ms', 'TFLOP/s', 'of the ceiling', 'PyTorch bf16, TFLOP/s', 'PyTorch time / ours'];
  return `## Products and attention\n\n${table(head, cells)}`;
}

function trainingTable(rows: readonly TrainingRow[], { pytorch }: Partial<PartResults>): string {
  const torch = (name: string, mode: string) =>
    pytorch?.rows.find(row => row.name === name && row.mode === mode)?.milliseconds;
  const cells = rows.map(({ preset, precision, batch, step, teraflops, bytes, rollout, perToken }) => {
    const name = `${preset} x ${batch}`;
    return [
      `${name} ${precision}`,
      number(step),
      number((1000 * batch) / step),
      number(teraflops),
      number(bytes / 2 ** 20),
      number(torch(`step ${name}`, 'eager')),
      number(torch(`step ${name}`, 'compiled')),
      number(rollout),
      number(1000 * perToken),
      number(torch(`rollout ${name}`, 'eager')),
    ];
  });
  const head = [
    'model x batch',
    'step ms',
    'samples/s',
    'TFLOP/s',
    'MiB',
    'PyTorch eager ms',
    'compiled ms',
    'rollout ms',
    'µs per token',
    'PyTorch rollout ms',
  ];
  return `## Training steps and rollouts\n\n${table(head, cells)}`;
}
