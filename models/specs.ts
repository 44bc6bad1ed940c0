/** Names, shapes, groups and initial values of all parameters: the table that a checkpoint follows. */
import type { ParameterSpec } from '../core/index.js';
import { feedForwardFactor, patchCount } from './config.js';
import type { ModelConfig } from './config.js';
import { GRID_SIDE } from './vocabulary.js';

/**
 * Groups of parameters with a learning rate of their own. Matrices decay, the rest (biases, gains, embeddings) does
 * not.
 */
export type ParameterGroup = 'vision.matrix' | 'vision.vector' | 'decoder.matrix' | 'decoder.vector';

/** Parameter groups that weight decay leaves alone: biases, gains and embeddings. */
export const noDecayGroups: readonly ParameterGroup[] = ['vision.vector', 'decoder.vector'];

/** What is multiplied with activations: in f16 where the model computes in mixed precision. */
export const matrixGroups: readonly ParameterGroup[] = ['vision.matrix', 'decoder.matrix'];

/** Standard deviation of embedding tables at the start. */
const embeddingScale = 0.1;
/**
 * Patch positions must stand out beside the pixels (which project to about 0.7), and image features must not drown the
 * decoder's tokens: with 0.1 and 1 instead, stage 1 learns to see much later.
 */
const patchPositionScale = 0.6;
const projectorGain = 0.3;
/** Standard deviation of what the coordinates of an axis add: as much as token and position. */
const coordinateScale = 0.17;

/** All parameters of a model, in the order of their tables and layers. */
export function parameterSpecs(config: ModelConfig): ParameterSpec[] {
  const { vocabulary, patchSize, visionWidth, visionLayers, width, layers, coordinates } = config;
  const patchPixels = 3 * patchSize * patchSize;
  return [
    ...linear('vision.patch', patchPixels, visionWidth, 'vision'),
    table('vision.position', patchCount(config), visionWidth, 'vision', patchPositionScale),
    ...blocks('vision', visionLayers, visionWidth),
    ...norm('vision.norm', visionWidth, 'vision'),
    ...linear('vision.projector', visionWidth, width, 'vision', projectorGain),
    table('decoder.embedding', vocabulary, width, 'decoder'),
    table('decoder.embedding.row', GRID_SIDE, width, 'decoder'),
    table('decoder.embedding.col', GRID_SIDE, width, 'decoder'),
    table('decoder.position.prompt', config.promptPositions, width, 'decoder'),
    table('decoder.position.response', config.responsePositions, width, 'decoder'),
    ...blocks('decoder', layers, width),
    ...norm('decoder.norm', width, 'decoder'),
    table('decoder.head', vocabulary, width, 'decoder'),
    table('decoder.head.row', GRID_SIDE, width, 'decoder'),
    table('decoder.head.col', GRID_SIDE, width, 'decoder'),
    { name: 'decoder.head.bias', shape: [vocabulary], group: 'decoder.vector', init: { constant: 0 } },
    // last, so that all others begin alike with and without them
    ...(coordinates > 0 ? ['decoder.coordinate.row', 'decoder.coordinate.col'] : []).map(name =>
      // a feature has mean square 1/2, and there are two per frequency
      table(name, 2 * coordinates, width, 'decoder', coordinateScale / Math.sqrt(coordinates)),
    ),
  ];
}

type Part = 'vision' | 'decoder';

function blocks(part: Part, count: number, width: number): ParameterSpec[] {
  return Array.from({ length: count }, (_, layer) => {
    const name = (suffix: string) => `${part}.block.${layer}.${suffix}`;
    const residual = 1 / Math.sqrt(2 * count); // a block adds two branches: keeps the stream's variance (GPT-2)
    return [
      ...norm(name('attention.norm'), width, part),
      ...linear(name('attention.qkv'), width, 3 * width, part),
      ...linear(name('attention.out'), width, width, part, residual),
      ...norm(name('mlp.norm'), width, part),
      ...linear(name('mlp.in'), width, feedForwardFactor * width, part),
      ...linear(name('mlp.out'), feedForwardFactor * width, width, part, residual),
    ].map(forMuon);
  }).flat();
}

/** Muon takes the matrices of the blocks; query, key and value are three in one. */
function forMuon(spec: ParameterSpec): ParameterSpec {
  return spec.shape.length === 2 ? { ...spec, muonParts: spec.name.endsWith('.qkv.weight') ? 3 : 1 } : spec;
}

/** weight[in, out] with variance gain^2 / in, bias[out] zero. */
function linear(name: string, input: number, output: number, part: Part, gain = 1): ParameterSpec[] {
  return [
    {
      name: `${name}.weight`,
      shape: [input, output],
      group: `${part}.matrix`,
      init: { normal: gain / Math.sqrt(input) },
    },
    { name: `${name}.bias`, shape: [output], group: `${part}.vector`, init: { constant: 0 } },
  ];
}

function norm(name: string, width: number, part: Part): ParameterSpec[] {
  return [
    { name: `${name}.gain`, shape: [width], group: `${part}.vector`, init: { constant: 1 } },
    { name: `${name}.bias`, shape: [width], group: `${part}.vector`, init: { constant: 0 } },
  ];
}

function table(name: string, rows: number, width: number, part: Part, scale = embeddingScale): ParameterSpec {
  return { name, shape: [rows, width], group: `${part}.vector`, init: { normal: scale } };
}
