/**
 * Amount of work in each part of the GPU day: enough for a data-centre GPU, or little enough for a software adapter.
 */
import type { PresetName } from '../../models/index.js';

export interface GpuScale {
  readonly name: 'full' | 'small';
  /** Launches of the latency measurement, and bytes of the copy. */
  readonly launches: number;
  readonly copyBytes: number;
  /** A few per multiprocessor. */
  readonly workgroups: number;
  /** Rounds of the loops on registers. */
  readonly rounds: number;
  /** Random calls per kernel and dtype in the check of correctness. */
  readonly calls: number;
  /** Sides of the products of the ladder. */
  readonly ladder: readonly number[];
  /** Sides of square products, and rows of the products of our models. */
  readonly squares: readonly number[];
  readonly rows: readonly number[];
  /** Widths of our models whose products are measured. */
  readonly widths: readonly number[];
  /** Sequences and length of the attention sweep. */
  readonly attention: readonly { readonly sequences: number; readonly length: number }[];
  /** Models trained and sampled, with their batch sizes. */
  readonly training: readonly { readonly preset: PresetName; readonly batch: number }[];
  /** Tokens per response in training and rollouts. */
  readonly responseLength: number;
  /** Settings of the real run. */
  readonly run: readonly string[];
  /** True for a rehearsal, see rehearsal.ts: nothing is computed, so results are not compared. */
  readonly isRehearsal?: boolean;
  /** Seconds that each part is reckoned to take, and those after which it is stopped. */
  readonly predicted?: Readonly<Record<Part, number>>;
  readonly seconds: Readonly<Record<Part, number>>;
}

export const parts = [
  'capabilities',
  'correctness',
  'limits',
  'ladder',
  'kernels',
  'training',
  'run',
  'pytorch',
] as const;
export type Part = (typeof parts)[number];

/** The same settings in every stage. */
const inStages = (settings: readonly string[]) =>
  ['stage0', 'stage1', 'stage2'].flatMap(stage => settings.flatMap(text => ['--set', `${stage}.${text}`]));

/** The sizes of a scale, for a device that computes nothing: few steps of the real run, and time enough. */
export function rehearsalOf(scale: GpuScale): GpuScale {
  const run = [...scale.run, ...inStages(['steps=3', 'warmup=1'])];
  const seconds = Object.fromEntries(parts.map(part => [part, 900])) as Record<Part, number>;
  return { ...scale, run, seconds, isRehearsal: true };
}

export const scales: Readonly<Record<GpuScale['name'], GpuScale>> = {
  full: {
    name: 'full',
    launches: 2000,
    copyBytes: 2 ** 30,
    workgroups: 528,
    rounds: 4096,
    calls: 12,
    ladder: [512, 2048],
    squares: [512, 1024, 2048, 4096, 8192],
    rows: [11_136, 89_088],
    widths: [128, 256, 512],
    attention: [
      { sequences: 64, length: 174 },
      { sequences: 512, length: 174 },
    ],
    training: [
      { preset: 'small', batch: 64 },
      { preset: 'small', batch: 512 },
      { preset: 'base', batch: 64 },
      { preset: 'base', batch: 512 },
      { preset: 'large', batch: 64 },
      { preset: 'large', batch: 512 },
    ],
    responseLength: 110,
    run: ['--preset', 'tiny', '--precision', 'f16', '--set', 'evaluation.puzzles=50'],
    // An H100, by counts of pipelines (0.05 to 1 s each, 16 at once; `--rehearse` counts them), bytes and operations,
    // and starts of processes. Correctness: 4030 pipelines at 0.2 s are 50 s, references of the kernels 30 s.
    predicted: {
      capabilities: 5,
      correctness: 80,
      limits: 8,
      ladder: 25,
      kernels: 40,
      training: 70,
      run: 70,
      pytorch: 75,
    },
    seconds: {
      capabilities: 20,
      correctness: 100,
      limits: 20,
      ladder: 45,
      kernels: 65,
      training: 100,
      run: 95,
      pytorch: 95,
    },
  },
  small: {
    name: 'small',
    launches: 200,
    copyBytes: 2 ** 24,
    workgroups: 4,
    rounds: 256,
    calls: 1,
    ladder: [256],
    squares: [64],
    rows: [96],
    widths: [64],
    attention: [{ sequences: 2, length: 24 }],
    training: [{ preset: 'tiny', batch: 2 }],
    responseLength: 6,
    run: [
      '--preset',
      'tiny',
      '--precision',
      'f16',
      '--set',
      'tasks=[{"world":"frozenlake","levels":[3],"pool":{"3":24}}]',
      ...inStages(['steps=2', 'warmup=1', 'batch=2']),
      '--set',
      'evaluation.puzzles=2',
    ],
    seconds: {
      capabilities: 60,
      correctness: 400,
      limits: 60,
      ladder: 200,
      kernels: 120,
      training: 200,
      run: 400,
      pytorch: 200,
    },
  },
};
