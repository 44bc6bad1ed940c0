/**
 * A model as one safetensors file: its parameters by name, its config as JSON under `config` in the metadata. A
 * training checkpoint is the same file with the optimiser's tensors (`optimizer.*`) and what the trainer wants to
 * remember.
 */
import { allFinite, sha256 } from '../core/index.js';
import type { Device } from '../core/index.js';
import { float16Bits, float16Value } from '../kernels/dtype.js';
import { modelPresets, validateModelConfig } from './config.js';
import type { ModelConfig } from './config.js';
import { decodeSafetensors, encodeSafetensors, SafetensorsError } from './safetensors.js';
import type { Safetensors, SafeTensor } from './safetensors.js';
import { parseStrictJson } from './json.js';
import { parameterSpecs } from './specs.js';
import { VisionLanguageModel } from './vlm.js';
import { VOCABULARY_SIZE } from './vocabulary.js';
import type { ModelOptions } from './vlm.js';

const format = 'mgsd-lite';
/**
 * Raised when a reader of the old version would misread the new one. Version 1 had no checksum, 2 neither coordinates
 * nor f16 weights; both are still read, and 2 is written where it suffices.
 */
const version = 3;

/** Further tensors of a training checkpoint begin with this. */
const extraPrefix = 'optimizer.';

/** What a checkpoint file holds: sizes, weights by name (f32 in memory), optimiser state, and text. */
export interface Checkpoint {
  readonly config: ModelConfig;
  /** Values of every parameter, by name. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** Tensors of the optimiser, by name without `optimizer.`; empty in a file for inference. */
  readonly optimizer: ReadonlyMap<string, Float32Array>;
  /** Text by key that the writer added. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Why a file cannot be used: `newer` and `older` are sound, but of another version of this program. */
export type CheckpointProblem = 'damaged' | 'foreign' | 'newer' | 'older';

/** What is wrong with a checkpoint file and what to do about it, in one line; the caller knows its path. */
export class CheckpointError extends Error {
  override name = 'CheckpointError';
  readonly problem: CheckpointProblem;

  constructor(problem: CheckpointProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}

/**
 * The bytes of a checkpoint file.
 * @param storage of the weights; f16 rounds them, for files to plan with that should be small
 */
export function encodeCheckpoint(
  { config, parameters, optimizer, metadata }: Checkpoint,
  storage: 'f32' | 'f16' = 'f32',
): Uint8Array {
  const tensors = new Map<string, SafeTensor>();
  for (const { name, shape } of parameterSpecs(config)) {
    const data = parameters.get(name)!;
    const stored =
      storage === 'f16'
        ? { dtype: 'F16' as const, shape, data: Uint16Array.from(data, float16Bits) }
        : { dtype: 'F32' as const, shape, data };
    tensors.set(name, stored);
  }
  for (const [name, data] of optimizer) tensors.set(extraPrefix + name, { dtype: 'F32', shape: [data.length], data });
  const written = config.coordinates > 0 || storage === 'f16' ? version : 2;
  const described = { ...metadata, format, version: String(written), config: JSON.stringify(config) };
  return encodeSafetensors(tensors, { ...described, sha256: checksum(tensors, described) });
}

/**
 * Reads and checks a checkpoint file.
 * @throws CheckpointError in one line that says what is wrong: not safetensors, not ours, newer than this program,
 *   changed since it was written, missing tensors
 */
export function decodeCheckpoint(file: Uint8Array): Checkpoint {
  const { metadata, tensors } = readSafetensors(file);
  const { format: foundFormat, version: foundVersion, config: configText, sha256: stored, ...rest } = metadata;
  if (foundFormat !== format || configText === undefined)
    throw new CheckpointError(
      'foreign',
      `This is a safetensors file, but no checkpoint of ${format} (its metadata has no format "${format}").`,
    );
  requireVersion(foundVersion);
  if (foundVersion !== '1') {
    const { sha256: _, ...described } = metadata;
    if (stored !== checksum(tensors, described))
      throw new CheckpointError('damaged', 'The checkpoint is damaged: its checksum is wrong.');
  }
  const config = readConfig(configText);
  const damaged = (message: string) => new CheckpointError('damaged', message);
  if (config.vocabulary !== VOCABULARY_SIZE)
    throw new CheckpointError(
      'foreign',
      `The checkpoint's model has ${config.vocabulary} tokens, and the vocabulary here ${VOCABULARY_SIZE}.`,
    );
  const parameters = new Map<string, Float32Array>();
  const optimizer = new Map<string, Float32Array>();
  for (const { name, shape } of parameterSpecs(config)) {
    const tensor = tensors.get(name);
    if (!tensor) throw damaged(`The checkpoint has no tensor "${name}", which its config asks for.`);
    if (!['F32', 'F16'].includes(tensor.dtype) || tensor.shape.join() !== shape.join())
      throw damaged(
        `The checkpoint's tensor "${name}" is ${tensor.dtype} [${tensor.shape.join(', ')}]; its config asks for F32 or F16 [${shape.join(', ')}].`,
      );
    const values = tensor.dtype === 'F32' ? tensor.data : Float32Array.from(tensor.data, float16Value);
    if (!allFinite(values)) throw damaged(`The checkpoint's tensor "${name}" holds numbers that are not finite.`);
    parameters.set(name, values);
  }
  for (const [name, tensor] of tensors)
    if (name.startsWith(extraPrefix) && tensor.dtype === 'F32')
      optimizer.set(name.slice(extraPrefix.length), tensor.data);
  return { config, parameters, optimizer, metadata: rest };
}

function readSafetensors(file: Uint8Array): Safetensors {
  try {
    return decodeSafetensors(file);
  } catch (error) {
    if (!(error instanceof SafetensorsError)) throw error;
    throw new CheckpointError('damaged', error.message, { cause: error });
  }
}

function requireVersion(found: string | undefined): void {
  const number = /^\d{1,9}$/.test(found ?? '') ? Number(found) : NaN;
  if (number >= 1 && number <= version) return;
  if (number > version)
    throw new CheckpointError(
      'newer',
      `The checkpoint has format version ${number}; this program knows ${version}: install a newer mgsd-lite.`,
    );
  throw new CheckpointError(
    'older',
    `The checkpoint has an unknown format version ${JSON.stringify(found ?? null).slice(0, 40)}; versions 1 to ${version} are read: ` +
      'load it with the mgsd-lite that wrote it and save it again, or train anew.',
  );
}

/**
 * SHA-256, in hexadecimal, over everything in the file: metadata by key (the checksum itself left out), then tensors by
 * name, each text and each tensor's bytes with its length in front.
 */
function checksum(tensors: ReadonlyMap<string, SafeTensor>, metadata: Readonly<Record<string, string>>): string {
  const parts: Uint8Array[] = [];
  const encoder = new TextEncoder();
  const put = (bytes: Uint8Array) => parts.push(encoder.encode(`${bytes.length}:`), bytes);
  const text = (value: string) => put(encoder.encode(value));
  const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => (a < b ? -1 : 1);
  for (const [key, value] of Object.entries(metadata).sort(byName)) [key, value].forEach(text);
  for (const [name, { dtype, shape, data }] of [...tensors].sort(byName)) {
    [name, dtype, shape.join()].forEach(text);
    put(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return sha256(parts);
}

function readConfig(text: string): ModelConfig {
  let raw: unknown;
  try {
    raw = parseStrictJson(text);
  } catch {
    throw new CheckpointError('damaged', 'The model config in the checkpoint is not JSON.');
  }
  const record = (raw ?? {}) as Record<string, unknown>;
  const names = Object.keys(modelPresets.tiny) as (keyof ModelConfig)[];
  // files from before there were coordinates have none
  const sizes = names.map(name => [name, name === 'coordinates' ? (record[name] ?? 0) : record[name]] as const);
  try {
    return validateModelConfig(Object.fromEntries(sizes) as unknown as ModelConfig);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CheckpointError('damaged', `The model config in the checkpoint is wrong: ${message}`, { cause: error });
  }
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
