// Compiles the AssemblyScript kernel library, kernels/entry.as.ts, to WebAssembly: once with SIMD and threads, which
// every supported Node runs, and once with relaxed SIMD (fused multiply-add) on top. Also usable as a worker thread of
// build.mjs.
import { parentPort, workerData } from 'node:worker_threads';

/**
 * @typedef {{ toString: () => string }} AscStream
 */

/**
 * The part of the compiler's interface that is used here. Its own types declare AssemblyScript's globals for the whole
 * program, `console` among them, so TypeScript must not see where the module is.
 * @typedef {object} Asc
 * @property {(args: string[], options: { writeFile: (file: string, contents: Uint8Array | string) => void }) =>
 *   Promise<{ error: Error | null, stderr: AscStream }>} main
 */
const compiler = /** @type {string} */ ('assemblyscript/asc');

/** The library's files in dist/kernels and the features each may use beyond the WebAssembly that all engines share. */
export const wasmVariants = [
  { file: 'kernels.wasm', features: ['simd', 'threads'] },
  { file: 'kernels-relaxed.wasm', features: ['simd', 'threads', 'relaxed-simd'] },
];

/**
 * WebAssembly's own bound for 32-bit memories: 65,536 pages of 64 KiB, 4 GiB. The host decides how much it really
 * makes.
 */
const MAXIMUM_PAGES = 65_536;

/**
 * The ids of a WebAssembly binary's sections (specification, "Binary Format / Modules"), in order of appearance.
 * @param {Uint8Array} binary
 * @returns {number[]}
 */
export function wasmSections(binary) {
  const ids = [];
  let at = 8; // magic number and version
  while (at < binary.length) {
    ids.push(binary[at++] ?? 0);
    let size = 0; // unsigned LEB128
    for (let shift = 0; ; shift += 7) {
      const byte = binary[at++] ?? 0;
      size += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    at += size;
  }
  return ids;
}

/**
 * Refuses a library that would write to memory on its own. Each worker thread instantiates the library over the same
 * shared memory, and every instantiation copies the data segments again and runs the start function again: one more
 * thread would reset what the others have computed. Kernels therefore use raw pointers only.
 * @param {Uint8Array} binary
 * @param {string} name
 */
export function assertNoState(binary, name) {
  const sections = wasmSections(binary);
  /** @type {(id: number, what: string, remedy: string) => void} */
  const refuse = (id, what, remedy) => {
    if (sections.includes(id)) throw new Error(`${name} has a ${what} section. ${remedy}`);
  };
  refuse(
    11,
    'data',
    'Static arrays, strings and objects are not allowed in *.as.ts: pass pointers to memory of the host.',
  );
  refuse(8, 'start', 'Initialised globals that need code are not allowed in *.as.ts: use plain constants.');
}

/**
 * @param {string} root the repository's folder
 * @param {string} entry the entry file relative to root
 * @param {string[]} features
 * @param {string} name what error messages call the result
 * @returns {Promise<Uint8Array>} the binary
 */
export async function compileWasm(root, entry, features, name) {
  /** @type {Uint8Array | undefined} */
  let binary;
  const args = [entry, '--baseDir', root, '--outFile', name];
  args.push('-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--sharedMemory');
  args.push('--initialMemory', '1', '--maximumMemory', String(MAXIMUM_PAGES), '--noColors');
  for (const feature of features) args.push('--enable', feature);
  const { default: asc } = /** @type {{ default: Asc }} */ (await import(compiler));
  const { error, stderr } = await asc.main(args, {
    writeFile: (_file, contents) => {
      if (typeof contents !== 'string') binary = contents;
    },
  });
  const messages = stderr.toString().trim(); // its own memory stream's method, not Object's
  if (error !== null || binary === undefined)
    throw new Error(`${entry} does not compile:\n${messages || String(error)}`);
  if (messages !== '') throw new Error(`${entry} compiles with warnings, which count as errors:\n${messages}`);
  assertNoState(binary, name);
  return binary;
}

/**
 * @typedef {{ mgsdBuild: { root: string, entry: string } }} WasmJob
 * @typedef {{ files: { name: string, binary: Uint8Array }[] } | { error: string }} WasmReply
 */

const job = /** @type {WasmJob | null} */ (/** @type {unknown} */ (workerData));
if (parentPort && job && 'mgsdBuild' in job) {
  /** @type {WasmReply} */
  let reply;
  try {
    const files = [];
    for (const { file, features } of wasmVariants)
      files.push({ name: file, binary: await compileWasm(job.mgsdBuild.root, job.mgsdBuild.entry, features, file) });
    reply = { files };
  } catch (error) {
    reply = { error: error instanceof Error ? error.message : String(error) };
  }
  parentPort.postMessage(reply);
}
