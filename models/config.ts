/** Sizes of a model, and presets derived from few numbers. */

export interface ModelConfig {
  /** Ids of the closed vocabulary, the width of the logits. */
  readonly vocabulary: number;
  /** Side of the square RGB image in pixels, and of a patch; the image is a whole number of patches wide. */
  readonly imageSize: number;
  readonly patchSize: number;
  /** Width, blocks and heads of the vision encoder. */
  readonly visionWidth: number;
  readonly visionLayers: number;
  readonly visionHeads: number;
  /** Width, blocks and heads of the decoder. */
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Positions there are for prompt tokens (image patches included) and for response tokens, counted separately. */
  readonly promptPositions: number;
  readonly responsePositions: number;
  /**
   * Frequencies of the coordinates that image patches, cells in symbolic prompts and slots share (see slots.ts); 0 for
   * a model without them.
   */
  readonly coordinates: number;
}

/** Hidden width of a feed-forward layer, in widths of the model (Vaswani et al. 2017, arXiv 1706.03762). */
export const feedForwardFactor = 4;

/** Image patches per side. */
export function patchesPerSide({ imageSize, patchSize }: ModelConfig): number {
  return imageSize / patchSize;
}

/** Image patches, and so image tokens, per image. */
export function patchCount(config: ModelConfig): number {
  return patchesPerSide(config) ** 2;
}

interface Scale {
  readonly imageSize: number;
  /** Channels per head. */
  readonly headChannels: number;
  readonly visionWidth: number;
  readonly visionLayers: number;
  readonly width: number;
  readonly layers: number;
}

/**
 * Position tables hold the largest boards of all three worlds: a symbolic 8x8 prompt with its plan has 103 tokens, the
 * longest response 160.
 */
function fromScale({ imageSize, headChannels, visionWidth, visionLayers, width, layers }: Scale): ModelConfig {
  return {
    vocabulary: 128,
    imageSize,
    patchSize: 8,
    visionWidth,
    visionLayers,
    visionHeads: visionWidth / headChannels,
    width,
    layers,
    heads: width / headChannels,
    promptPositions: 112,
    responsePositions: 160,
    coordinates: 0,
  };
}

/** Names of the sizes in `modelPresets`. */
export type PresetName = 'classroom' | 'tiny' | 'worlds' | 'small' | 'base' | 'large';

const tiny = fromScale({ imageSize: 48, headChannels: 16, visionWidth: 64, visionLayers: 2, width: 64, layers: 4 });

/**
 * Model sizes; what each is trained on and for how long stands in mgsd/method/presets.ts. Heads have 16 channels where
 * the model is narrow, since there more heads beat wider ones. Widths of `base` and `large` are multiples of 128, the
 * tile of a matrix unit.
 */
export const modelPresets: Readonly<Record<PresetName, ModelConfig>> = {
  /** For pictures of 16 patches. */
  classroom: { ...tiny, imageSize: 32, coordinates: 8 },
  /** About 0.36 M parameters: minutes on two processor cores. */
  tiny,
  /** For three worlds; pictures have patches about as large as the cells of their boards. */
  worlds: { ...tiny, imageSize: 40, coordinates: 8 },
  /** About 0.46 M parameters: deeper, since plans on larger boards are longer, with pictures of 64 patches. */
  small: { ...tiny, imageSize: 64, layers: 6, coordinates: 8 },
  /** About 7.3 M parameters. */
  base: fromScale({ imageSize: 64, headChannels: 32, visionWidth: 128, visionLayers: 4, width: 256, layers: 8 }),
  /** About 30 M parameters, for one GPU: large enough that its speed says something about the machine. */
  large: fromScale({ imageSize: 64, headChannels: 64, visionWidth: 256, visionLayers: 6, width: 512, layers: 8 }),
};

/** Blocks, any other number, and parameters: far beyond what can be trained, and still quick to refuse. */
const MOST = { blocks: 1024, size: 65_536, parameters: 2 ** 30 } as const;

/** @throws Error that names the first number that does not fit. */
export function validateModelConfig(config: ModelConfig): ModelConfig {
  for (const [name, value] of Object.entries(config) as [keyof ModelConfig, number][]) {
    const most = name === 'layers' || name === 'visionLayers' ? MOST.blocks : MOST.size;
    if (!Number.isInteger(value) || value < (name === 'coordinates' ? 0 : 1))
      throw new Error(
        `model config: ${name} must be a ${name === 'coordinates' ? '' : 'positive '}whole number, it is ${String(value)}`,
      );
    if (value > most) throw new Error(`model config: ${name} is ${value}, and can be ${most} at most`);
  }
  const divides = (name: keyof ModelConfig, by: keyof ModelConfig) => {
    if (config[name] % config[by] !== 0)
      throw new Error(`model config: ${name} (${config[name]}) must be a multiple of ${by} (${config[by]})`);
  };
  divides('imageSize', 'patchSize');
  divides('width', 'heads');
  divides('visionWidth', 'visionHeads');
  if (config.promptPositions < patchCount(config) + 2)
    throw new Error(
      `model config: ${patchCount(config)} image patches and two prompt tokens do not fit into promptPositions ${config.promptPositions}`,
    );
  const { layers, width, visionLayers, visionWidth } = config;
  const perBlock = 4 + 2 * feedForwardFactor; // in squares of the width
  const parameters = perBlock * (layers * width ** 2 + visionLayers * visionWidth ** 2);
  if (parameters > MOST.parameters)
    throw new Error(
      `model config: ${layers} blocks of width ${width} and ${visionLayers} of visionWidth ${visionWidth} have ${parameters} parameters, and can have ${MOST.parameters} at most`,
    );
  return config;
}
