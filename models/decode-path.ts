/** Which way to decode is the fastest, by device, model and batch. */
import type { Cache } from './cache.js';
import { canFuse } from './decode-fused.js';
import { canRollOut } from './decode-kernel.js';
import type { VisionLanguageModel } from './vlm.js';

/**
 * How tokens after the first are computed. `steps`: layer by layer with the ops of the training pass, to be read;
 * `fused`: the same in four launches per block, see models/decode-fused.ts; `rollout`: several tokens per launch, see
 * models/decode-kernel.ts. All draw the same tokens from the same noise.
 */
export type DecodePath = 'steps' | 'fused' | 'rollout';

/** When a path is the fastest. */
interface DecodeRow {
  readonly device: 'processor' | 'emulated' | 'gpu';
  readonly path: DecodePath;
  /** For models up to this width, from this width on, and for batches from this many sequences on. */
  readonly upTo?: number;
  readonly from?: number;
  readonly sequences?: number;
}

/**
 * The first row that fits, and whose path the model can take, is the one. A processor and an emulated GPU, which
 * starts launches cheaply and compiles large kernels for seconds, were measured (bench/rollout.ts). On a processor the
 * rollout kernel carries every model whose cache takes less than half of the memory. No GPU was measured: its rows are
 * reckoned for an H100. One workgroup of the rollout kernel reads all weights for four sequences: only small models
 * gain by that. At 512 sequences of width 512, products of whole layers have matrix units to themselves: 1.3 ms per
 * token against 1.9. `npm run bench:gpu` times all paths.
 */
const decodeTable: readonly DecodeRow[] = [
  { device: 'processor', path: 'rollout' },
  { device: 'gpu', upTo: 64, path: 'rollout' },
  { device: 'gpu', from: 512, sequences: 512, path: 'steps' },
  { device: 'gpu', path: 'fused' },
];

/** The path of the table; `steps` where it has none. */
export function fastestPath(model: VisionLanguageModel, cache: Cache, sequences: number): DecodePath {
  const { asynchronous, software } = model.device.capabilities;
  const { width } = model.config;
  const kind = software ? 'emulated' : asynchronous ? 'gpu' : 'processor';
  const canTake = { steps: () => true, fused: () => canFuse(model), rollout: () => canRollOut(model, cache) };
  const isRight = ({ device, path, upTo = Infinity, from = 0, sequences: least = 0 }: DecodeRow) =>
    device === kind && width >= from && width <= upTo && sequences >= least && canTake[path]();
  return decodeTable.find(isRight)?.path ?? 'steps';
}
