/**
 * Test cases of the kernels, and the check of a backend against the references: for tests, benches and new adapters.
 * An entry point of its own (`mgsd-lite/kernels/cases`): the engine does not load it.
 */
export * from '../core/conformance.js';
export * from './attention/cases.js';
export * from './matmul/cases.js';
