/**
 * Training steps and rollouts of our models, with batches of equal length so that PyTorch can do the same work. A step
 * is forward, loss, backward and AdamW from images; a rollout samples a whole batch of responses with a key-value
 * cache.
 */
import { AdamW, crossEntropy, Device, sum } from '../../core/index.js';
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
import type { ModelConfig, PresetName, Sequence } from '../../models/index.js';
import { BOS, EOS, IMG } from '../../models/vocabulary.js';
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
   * Milliseconds per training step, its useful TFLOP/s (6 per parameter of a block and token) and device memory in
   * bytes.
   */
  readonly step: number;
  readonly teraflops: number;
  readonly bytes: number;
  /** Milliseconds per rollout, and per token of it. */
  readonly rollout: number;
  readonly perToken: number;
}

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

async function samples(count: number, body: () => Promise<unknown>): Promise<number> {
  await body();
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await body();
    times.push(performance.now() - start);
  }
  return median(times);
}

async function measure(
  preset: PresetName,
  precision: 'f32' | 'f16',
  batch: number,
  responseLength: number,
): Promise<TrainingRow> {
  const device = new Device(await openWebGpuBackend());
  const config = modelPresets[preset];
  const model = new VisionLanguageModel(device, config, { precision }).initialize(1);
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
  const rates = Object.fromEntries([...model.parameters.groups.keys()].map(group => [group, 1e-4]));
  const update = async () => {
    device.scope(() => {
      const loss = sum(crossEntropy(model.forward(inputs), target, weight)); // scalar
      optimizer.backward(loss);
      optimizer.step(rates);
    });
    await device.finish();
  };
  const step = await samples(5, update);
  const bytes = device.memory().peakBytes;
  const prompts = Array.from({ length: batch }, () => prompt);
  const options = { maxTokens: responseLength, temperature: 1, seed: 1, stream: 1, step: 0 };
  const rollout = await samples(3, () => device.scope(() => generate(model, prompts, options, inputs.patches)));
  const row: TrainingRow = {
    preset,
    precision,
    batch,
    parameters: model.parameters.count,
    tokens: batch * (prompt.length + responseLength),
    step,
    teraflops: stepFlops(config, batch, responseLength) / step / 1e9,
    bytes,
    rollout,
    perToken: rollout / responseLength,
  };
  await device.close();
  return row;
}

/** Every model of the scale in f16, and the smallest batch of each in f32 too. */
export async function measureTraining(
  { training, responseLength }: GpuScale,
  onRows: (rows: readonly TrainingRow[]) => void,
): Promise<TrainingRow[]> {
  const rows: TrainingRow[] = [];
  for (const [i, { preset, batch }] of training.entries()) {
    const isSmallest = training.findIndex(other => other.preset === preset) === i;
    for (const precision of isSmallest ? (['f16', 'f32'] as const) : (['f16'] as const)) {
      rows.push(await measure(preset, precision, batch, responseLength));
      onRows(rows);
    }
  }
  return rows;
}
