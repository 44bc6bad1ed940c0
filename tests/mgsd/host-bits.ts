/** What the host computes for a run, as hashes: the same in every engine. Runs in browsers too. */
import { cosineLearningRate, hostMath, Random, sha256 } from '../../core/index.js';
import { coordinateFeatures, modelPresets } from '../../models/index.js';
import { resolveConfig } from '../../mgsd/method/config.js';
import { labOf } from '../../mgsd/worlds/colour.js';
import { createWorldByName, WORLD_NAMES } from '../../mgsd/worlds/registry.js';
import type { World } from '../../mgsd/worlds/world.js';

/** The bytes of numbers in f64, so that not even a last bit may differ. */
const hash = (values: Iterable<number>) => sha256([new Uint8Array(Float64Array.from(values).buffer)]).slice(0, 16);

const grid = (count: number, value: (i: number) => number) => Array.from({ length: count }, (_, i) => value(i));

export function hostBits(): Record<string, string> {
  const { stage0 } = resolveConfig('worlds');
  const random = new Random(5);
  const pictures = WORLD_NAMES.map(name => {
    const world: World = createWorldByName(name);
    const puzzle = world.generate(new Random(2, 3), world.levels[0]!);
    return sha256(grid(20, look => look).map(look => world.render(puzzle, 32, look)));
  });
  return {
    sin: hash(grid(10_000, i => hostMath.sin(i * 0.0123 - 50))),
    cos: hash(grid(10_000, i => hostMath.cos(i * 0.0123 - 50))),
    exp: hash(grid(10_000, i => hostMath.exp(i * 0.14 - 700))),
    log: hash(grid(10_000, i => hostMath.log((i + 1) * 0.00123))),
    normal: hash(grid(10_000, () => random.normal())),
    rate: hash(grid(stage0.steps, step => cosineLearningRate(step, { ...stage0, peak: stage0.learningRate }))),
    features: hash(coordinateFeatures(modelPresets.worlds)),
    colours: hash(grid(256, i => i).flatMap(i => labOf([i, 255 - i, (7 * i) % 256]))),
    pictures: sha256(pictures.map(text => new TextEncoder().encode(text))).slice(0, 16),
  };
}
