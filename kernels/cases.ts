/**
 * Test cases of the kernels, and how a backend is held to the references: for tests, benches, and whoever has an adapter to check.
 * An entry point of its own (`mgsd-lite/kernels/cases`): the engine does not load it.
 */
export * from '../core/conformance.js';
export * from './attention/cases.js';
export * from './matmul/cases.js';
