/**
 * Training steps and rollouts of our models, with batches of equal length so that PyTorch can do the same work. A step
 * is forward, loss, backward and AdamW from images; a rollout samples a whole batch of responses with a key-value
 * cache.
 */
import { AdamW, crossEntropy, Device, Recorder, sum } from '../../core/index.js';
import { openWebGpuBackend } from '../../core/backends/webgpu/webgpu.js';
import {
  generate,
  modelInputs,
  modelPresets,
  noDecayGroups,
  packBatch,
  patchCount,
  VisionLanguageModel,
} from '../../models/index.js';
import type { DecodePath, ModelConfig, PresetName, Sequence } from '../../models/index.js';
import { rolloutFits } from '../../kernels/index.js';
import { BOS, EOS, IMG } from '../../models/vocabulary.js';
import { biasEnd } from '../workload.js';
import { attempt } from './attempt.js';
import { median } from './format.js';
import type { GpuScale } from './scale.js';

export interface TrainingRow {
  readonly preset: PresetName;
  readonly precision: 'f32' | 'f16';
  readonly batch: number;
  readonly parameters: number;
  /** Rows that go through the decoder in a step: prompt and response. */
  readonly tokens: number;
  /**
   * Milliseconds per training step, recorded and many in a row, the host's share of them, its launches, its useful
   * TFLOP/s (6 per parameter of a block and token) and device memory in bytes.
   */
  readonly step: number;
  readonly host: number;
  readonly launches: number;
  readonly teraflops: number;
  readonly bytes: number;
  /** Milliseconds per rollout of `responseLength` tokens, by the ways to decode that can run the model. */
  readonly decode: Readonly<Partial<Record<DecodePath, number>>>;
  readonly responseLength: number;
}

/** Rows, and what could not be measured. */
export interface Training {
  readonly rows: readonly TrainingRow[];
  readonly problems: readonly string[];
}

const decodePaths = ['fused', 'steps', 'rollout'] as const satisfies readonly DecodePath[];

/** Prompt tokens behind the image: the task and the mode. */
const promptTail = 2;

/** The sizes that the same step in PyTorch needs. */
export function stepShape(config: ModelConfig, batch: number, responseLength: number) {
  const patches = patchCount(config);
  return { ...config, batch, patches, prompt: patches + promptTail, response: responseLength };
}

/**
 * Floating-point operations of forward and backward in the blocks: 6 per weight and row (Kaplan et al. 2020, arXiv
 * 2001.08361).
 */
export function stepFlops(config: ModelConfig, batch: number, responseLength: number): number {
  const block = (width: number) => 12 * width * width; // q, k, v, out: 4; mlp: 8
  const { patches, prompt, response } = stepShape(config, batch, responseLength);
  const vision = config.visionLayers * block(config.visionWidth) * patches;
  const decoder = config.layers * block(config.width) * (prompt + response);
  return 6 * batch * (vision + decoder);
}

/** Milliseconds of one of several runs with one wait at their end, as PyTorch is timed, and the host's share of it. */
async function pipelined(
  device: Device,
  step: () => unknown,
): Promise<{ readonly step: number; readonly host: number }> {
  const sample = async (repeat: number) => {
    const start = performance.now();
    for (let i = 0; i < repeat; i++) step();
    const host = performance.now() - start;
    await device.finish();
    return { step: (performance.now() - start) / repeat, host: host / repeat };
  };
  for (let i = 0; i < 3; i++) await sample(1); // twice eagerly, then recorded
  const { step: once } = await sample(1);
  const repeat = Math.max(1, Math.min(50, Math.ceil(150 / once)));
  const samples = [await sample(repeat), await sample(repeat), await sample(repeat)];
  return { step: median(samples.map(each => each.step)), host: median(samples.map(each => each.host)) };
}

async function measure(
  preset: PresetName,
  precision: 'f32' | 'f16',
  batch: number,
  responseLength: number,
  problems: string[],
): Promise<TrainingRow> {
  const backend = await openWebGpuBackend();
  const device = new Device(backend);
  try {
    const config = modelPresets[preset];
    const model = new VisionLanguageModel(device, config, { precision }).initialize(1);
    await biasEnd(model, -20); // all responses are as long as PyTorch's
    const optimizer = new AdamW(model.parameters, { noDecay: noDecayGroups });
    const patches = patchCount(config);
    const prompt = [...new Array<number>(patches).fill(IMG), ...new Array<number>(promptTail).fill(EOS + 3)];
    const response = [BOS, ...Array.from({ length: responseLength - 1 }, (_, i) => 5 + (i % 60))];
    const sequences = Array.from({ length: batch }, (): Sequence => ({ prompt, response }));
    const pixels = batch * patches * 3 * config.patchSize ** 2;
    const values = Float32Array.from({ length: pixels }, (_, i) => ((i * 37) % 255) / 255);
    const images = { values, shape: [batch * patches, pixels / (batch * patches)] };
    const packed = packBatch(sequences, config);
    const inputs = device.fromHost(modelInputs(packed, config, images)); // outside of all scopes: kept
    const rows = batch * responseLength;
    const targets = new Float32Array(rows * config.vocabulary);
    for (let row = 0; row < rows; row++) targets[row * config.vocabulary + 5 + (row % 60)] = 1;
    const target = device.keep(device.tensor(targets, [rows, config.vocabulary]));
    const weight = device.keep(device.full([rows], 1 / rows));
    const rates = Object.fromEntries([...model.parameters.groups.keys()].map(group => [group, 1e-5]));
    const recorder = new Recorder(device);
    const key = optimizer.setRates(rates);
    const { step, host } = await pipelined(device, () =>
      device.scope(() =>
        recorder.run(key, {}, () => {
          const loss = sum(crossEntropy(model.forward(inputs), target, weight)); // scalar
          optimizer.backward(loss);
          optimizer.update();
          return { loss };
        }),
      ),
    );
    const [recording] = [...recorder.recordings().values()];
    const bytes = device.memory().peakBytes;
    recorder.dispose();
    await biasEnd(model, -20); // training has moved it
    const prompts = Array.from({ length: batch }, () => prompt);
    const options = { maxTokens: responseLength, temperature: 1, seed: 1, stream: 1, step: 0 };
    const decode: Partial<Record<DecodePath, number>> = {};
    const memory = Number(device.capabilities.features['workgroup memory']);
    const canRollOut = rolloutFits(config.width, config.heads, memory);
    for (const path of decodePaths.filter(path => path !== 'rollout' || canRollOut))
      await attempt(`${preset} x ${batch} in ${precision}, decoding by ${path}`, problems, async () => {
        const once = async () => {
          const start = performance.now();
          await device.scope(() => generate(model, prompts, { ...options, path }, inputs.patches));
          return performance.now() - start;
        };
        await once();
        decode[path] = Math.min(await once(), await once());
      });
    return {
      preset,
      precision,
      batch,
      parameters: model.parameters.count,
      tokens: batch * (prompt.length + responseLength),
      step,
      host,
      launches: recording?.launches.length ?? 0,
      teraflops: stepFlops(config, batch, responseLength) / step / 1e9,
      bytes,
      decode,
      responseLength,
    };
  } finally {
    await device.close();
  }
}

/** Every model of the scale in f16, and the smallest batch of each in f32 too. */
export async function measureTraining(
  { training, responseLength }: GpuScale,
  onTraining: (training: Training) => void,
): Promise<void> {
  const rows: TrainingRow[] = [];
  const problems: string[] = [];
  for (const precision of ['f16', 'f32'] as const)
    for (const [i, { preset, batch }] of training.entries()) {
      const isSmallest = training.findIndex(other => other.preset === preset) === i;
      if (precision === 'f32' && !isSmallest) continue;
      const row = await attempt(`${preset} x ${batch} in ${precision}`, problems, () =>
        measure(preset, precision, batch, responseLength, problems),
      );
      if (row) rows.push(row);
      onTraining({ rows, problems });
    }
}
