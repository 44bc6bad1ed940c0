// The WebAssembly kernel library: what the build compiles, and the only file whose exports reach the host. Each kernel
// family keeps its code in its own folder (`<family>/<family>.as.ts`) and is exported again from here.
//
// Every kernel is `fn(args, begin, end, scratch)`: an argument block (see core/backends/wasm/wasm.ts), a range of units
// of work, and scratch memory of the calling thread. Raw pointers only: no static arrays, strings or objects, and no
// globals that need initialising, because every worker thread instantiates the library over the same shared memory.
export * from './matmul/matmul.as';
export * from './attention/attention.as';
export * from './rollout/rollout.as';
export * from './rollout/fused.as';
export * from './elementwise/elementwise.as';
export * from './layer-norm/layer-norm.as';
export * from './loss/cross-entropy.as';
export * from './loss/divergence.as';
export * from './loss/statistics.as';
export * from './optimizer/muon.as';
export * from './optimizer/optimizer.as';
export * from './random/random.as';
export * from './reduce/reduce.as';
export * from './rows/rows.as';
export * from './softmax/softmax.as';
export * from './strided/strided.as';
export * from './wasm/convert.as';
