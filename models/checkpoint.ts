/**
 * A model as one safetensors file: its parameters by name, its config as JSON under `config` in the metadata. A training
 * checkpoint is the same file with the optimiser's tensors (`optimizer.*`) and what the trainer wants to remember.
 */
import type { Device } from '../core/index.js';
import { sizeOf } from '../core/index.js';
import { validateModelConfig } from './config.js';
import type { ModelConfig } from './config.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';
import type { SafeTensor } from './safetensors.js';
import { parameterSpecs } from './specs.js';
import { VisionLanguageModel } from './vlm.js';
import type { ModelOptions } from './vlm.js';

const format = 'mgsd-lite';
/** Raised when a reader of the old version would misread the new one. */
const version = 1;

/** Further tensors of a training checkpoint begin with this. */
const extraPrefix = 'optimizer.';

export interface Checkpoint {
  readonly config: ModelConfig;
  /** Values of every parameter, by name. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** Tensors of the optimiser, by name without `optimizer.`; empty in a file for inference. */
  readonly optimizer: ReadonlyMap<string, Float32Array>;
  /** Text by key that the writer added. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The bytes of a checkpoint file. */
export function encodeCheckpoint({ config, parameters, optimizer, metadata }: Checkpoint): Uint8Array {
  const tensors = new Map<string, SafeTensor>();
  for (const { name, shape } of parameterSpecs(config))
    tensors.set(name, { dtype: 'F32', shape, data: parameters.get(name)! });
  for (const [name, data] of optimizer) tensors.set(extraPrefix + name, { dtype: 'F32', shape: [data.length], data });
  return encodeSafetensors(tensors, { ...metadata, format, version: String(version), config: JSON.stringify(config) });
}

/**
 * Reads and checks a checkpoint file.
 * @throws Error in one line that says what is wrong: not safetensors, not ours, newer than this program, missing tensors
 */
export function decodeCheckpoint(file: Uint8Array): Checkpoint {
  const { metadata, tensors } = decodeSafetensors(file);
  const { format: foundFormat, version: foundVersion, config: configText, ...rest } = metadata;
  if (foundFormat !== format || configText === undefined)
    throw new Error(
      `This is a safetensors file, but no checkpoint of ${format} (its metadata has no format "${format}").`,
    );
  if (Number(foundVersion) !== version)
    throw new Error(
      Number(foundVersion) > version
        ? `The checkpoint has format version ${foundVersion}; this program knows ${version}: install a newer mgsd-lite.`
        : `The checkpoint has an unknown format version "${String(foundVersion)}".`,
    );
  const config = readConfig(configText);
  const parameters = new Map<string, Float32Array>();
  const optimizer = new Map<string, Float32Array>();
  for (const { name, shape } of parameterSpecs(config)) {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`The checkpoint has no tensor "${name}", which its config asks for.`);
    if (tensor.dtype !== 'F32' || tensor.shape.join() !== shape.join())
      throw new Error(
        `The checkpoint's tensor "${name}" is ${tensor.dtype} [${tensor.shape.join(', ')}]; its config asks for F32 [${shape.join(', ')}].`,
      );
    if (tensor.data.length !== sizeOf(shape)) throw new Error(`The checkpoint's tensor "${name}" is incomplete.`);
    parameters.set(name, tensor.data);
  }
  for (const [name, tensor] of tensors)
    if (name.startsWith(extraPrefix) && tensor.dtype === 'F32')
      optimizer.set(name.slice(extraPrefix.length), tensor.data);
  return { config, parameters, optimizer, metadata: rest };
}

function readConfig(text: string): ModelConfig {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw new Error('The model config in the checkpoint is not JSON.');
  }
  const names = ['vocabulary', 'imageSize', 'patchSize', 'visionWidth', 'visionLayers', 'visionHeads', 'width', 'layers', 'heads', 'promptPositions', 'responsePositions'] as const; // prettier-ignore
  const record = (raw ?? {}) as Record<string, unknown>;
  const config = Object.fromEntries(names.map(name => [name, record[name]])) as unknown as ModelConfig;
  return validateModelConfig(config);
}

/** A model on `device` with the weights of a checkpoint. */
export async function loadModel(
  device: Device,
  checkpoint: Checkpoint,
  options: ModelOptions = {},
): Promise<VisionLanguageModel> {
  const model = new VisionLanguageModel(device, checkpoint.config, options);
  await model.parameters.load(checkpoint.parameters);
  return model;
}
