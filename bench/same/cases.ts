/**
 * The runs of `npm run same`, in the spelling of the baseline. Every run goes through all stages; together they are
 * some thousand updates on every backend, and each setting that can change a number of a training is in one of them.
 */

export interface SameCase {
  readonly name: string;
  readonly device: 'cpu' | 'wasm' | 'webgpu';
  readonly threads?: number;
  /** Of the configuration, by path. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Of `train`, beside --config, --out, --device and --threads. */
  readonly options?: readonly string[];
  /** Commands after it, `{run}` standing for the run's folder; nothing is compared of what they print. */
  readonly then?: readonly (readonly string[])[];
  /** Also with --quick. */
  readonly quick?: true;
}

const lake = { world: 'frozenlake', levels: [3], pool: { '3': 300 } };

/** Enough of stage 0 for plans that sometimes reach the goal. */
const short = {
  tasks: [lake],
  'stage0.steps': 120,
  'stage0.batch': 16,
  'stage0.warmup': 10,
  'stage1.steps': 24,
  'stage1.batch': 12,
  'stage1.warmup': 3,
  'stage1.images': 60,
  'stage2.steps': 10,
  'stage2.batch': 8,
  'stage2.warmup': 3,
  'stage2.prompts': 60,
  'evaluation.puzzles': 6,
};

/** A few updates, for slow devices. */
const few = {
  tasks: [{ world: 'frozenlake', levels: [3], pool: { '3': 40 } }],
  'stage0.steps': 6,
  'stage0.batch': 3,
  'stage0.warmup': 2,
  'stage1.steps': 4,
  'stage1.batch': 2,
  'stage1.warmup': 1,
  'stage1.images': 12,
  'stage2.steps': 4,
  'stage2.batch': 2,
  'stage2.warmup': 1,
  'stage2.prompts': 12,
  'evaluation.puzzles': 2,
};

const worlds = {
  ...short,
  tasks: [
    { world: 'frozenlake', levels: [3, 4], pool: { '3': 200, '4': 300 } },
    { world: 'maze', levels: [3, 4], pool: { '3': 200, '4': 200 } },
    { world: 'minibehaviour', levels: [5], pool: { '5': 200 } },
  ],
  'evaluation.puzzles': 3,
};

/** A gate that boards fail, and one extension. */
const gate = {
  'stage1.gate.recapExact': 0.9,
  'stage1.gate.puzzles': 6,
  'stage1.gate.steps': 4,
  'stage1.gate.extensions': 1,
};

const wasm = (
  name: string,
  settings: SameCase['settings'],
  more: Pick<SameCase, 'options' | 'then' | 'quick'> = {},
): SameCase => ({ name, device: 'wasm', threads: 2, settings: { ...short, ...settings }, ...more });

/** In the order in which they run. */
export const cases: readonly SameCase[] = [
  wasm('worlds', { ...worlds, 'stage2.steps': 20 }, { options: ['--direct'], quick: true }),
  wasm(
    'gate-fails',
    {
      ...worlds,
      ...gate,
      'stage0.promptDropout': 0.1,
      'stage0.lossAverage': 'token',
      'stage1.questions': 0.25,
      'stage1.replay': 0.25,
      'stage2.replay': 0.25,
      'stage2.steps': 12,
    },
    { options: ['--direct'], quick: true },
  ),
  { ...wasm('worlds-1-thread', worlds, { options: ['--direct'] }), threads: 1 },
  wasm('gate-join', { ...worlds, ...gate, 'stage2.lossAverage': 'token' }),
  wasm('gate-some', {
    ...gate,
    tasks: [{ world: 'frozenlake', levels: [3, 4], pool: { '3': 300, '4': 200 } }],
    'stage1.steps': 60,
    'stage1.batch': 16,
    'stage1.gate.recapExact': 0.01, // the smaller boards pass, the larger ones never
    'stage1.gate.puzzles': 64,
    'stage1.gate.steps': 8,
    'stage2.steps': 18,
    'stage2.replay': 0.25,
  }),
  wasm('worlds-preset', {
    preset: 'worlds',
    'stage0.steps': 10,
    'stage0.warmup': 2,
    'stage1.steps': 8,
    'stage1.gate.puzzles': 4,
    'stage1.gate.steps': 3,
    'stage2.steps': 8,
    'evaluation.puzzles': 2,
  }),
  wasm('f16', { precision: 'f16', 'stage1.replay': 0.25, 'stage2.replay': 0.25 }),
  wasm('small-preset', {
    preset: 'small',
    tasks: [{ world: 'maze', levels: [5], pool: { '5': 40 } }],
    'stage0.steps': 3,
    'stage0.warmup': 1,
    'stage1.steps': 3,
    'stage1.warmup': 1,
    'stage1.gate.recapExact': 0,
    'stage2.steps': 3,
    'stage2.warmup': 1,
    'stage2.batch': 4,
    'evaluation.puzzles': 2,
  }),
  wasm('forward-kl', { 'stage2.divergence': 'forward_kl' }),
  wasm('sampled', { 'stage2.estimator': 'sampled' }),
  wasm('sampled-baseline', { 'stage2.estimator': 'sampled_baseline', 'stage2.replay': 0.25 }),
  wasm('oracle', { 'stage2.teacher': 'oracle', 'stage2.maskAfterFatal': false }),
  wasm('synced-plan', {
    'stage0.planContext': 0.3,
    'stage2.teacher': 'synced',
    'stage2.context': 'state+plan',
  }),
  wasm('off-policy-teacher', { 'stage2.writer': 'teacher', 'stage2.replay': 0.25 }),
  wasm(
    'resumed',
    { ...few, 'stage0.steps': 40, 'stage0.balance': 0.5 },
    {
      options: ['--stage', 'stage0', '--stage', 'stage1', '--seed', '7', '--checkpoint-every', '2'],
      then: [
        ['train', '--resume', '{run}', '--stage', 'stage2', '--stage', 'direct', '--checkpoint-every', '1'],
        ['train', '--resume', '{run}/checkpoint-stage2-3.safetensors', '--stage', 'stage2'],
      ],
    },
  ),
  {
    name: 'cpu',
    device: 'cpu',
    settings: { ...few, 'stage1.replay': 0.5, 'stage2.replay': 0.5 },
    options: ['--direct'],
  },
  { name: 'webgpu', device: 'webgpu', settings: few, options: ['--direct'] },
  {
    name: 'webgpu-f16-gate',
    device: 'webgpu',
    settings: {
      ...few,
      ...gate,
      precision: 'f16',
      'stage1.questions': 0.5,
      'stage1.replay': 0.5,
      'stage2.replay': 0.5,
    },
  },
];
