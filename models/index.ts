/** Models: a closed vocabulary, a compact vision-language transformer, generation and checkpoints. */
export * from './batch.js';
export * from './cache.js';
export * from './checkpoint.js';
export * from './config.js';
export * from './decode-fused.js';
export * from './generate.js';
export * from './image.js';
export * from './image-attention.js';
export * from './json.js';
export * from './decode-kernel.js';
export * from './decode-path.js';
export * from './safetensors.js';
export * from './slots.js';
export * from './specs.js';
export * from './vlm.js';
export * as vocabulary from './vocabulary.js';
