/**
 * What the engine asks of the machine and the runtime under it. This is the one file of the engine that knows whether
 * it runs in Node or in a browser; backends that start threads or load Dawn are chosen in open.ts.
 */
const { process: node, navigator: browser } = globalThis as {
  readonly process?: NodeJS.Process;
  readonly navigator?: { readonly userAgent: string; readonly hardwareConcurrency: number };
};
const os = node?.getBuiltinModule('node:os');
const crypto = node?.getBuiltinModule('node:crypto');

/** Name and version of what runs this code, for log lines. */
export const runtime = node ? `Node.js ${node.version}` : (browser?.userAgent ?? 'unknown runtime');

/** Name of the processor; a browser does not tell. */
export const processorName = os?.cpus()[0]?.model ?? 'processor';

/** Threads that can run at the same time. */
export const processors = os?.availableParallelism() ?? browser?.hardwareConcurrency ?? 1;

/** Bytes of memory that this process may use: the machine's, or what a container leaves it. A browser does not tell. */
export function machineMemory(): number {
  if (!node || !os) return Infinity;
  const limit = node.constrainedMemory(); // 0, or far beyond any machine, where there is no limit
  return limit > 0 ? Math.min(limit, os.totalmem()) : os.totalmem();
}

/** Resolves in a later turn of the event loop: signals, timers and messages come first. */
export function nextTurn(): Promise<void> {
  return new Promise(resolve => {
    if (node) setImmediate(resolve);
    else setTimeout(resolve);
  });
}

/**
 * SHA-256 of these bytes one after another, in hexadecimal; undefined in a browser, which has it only asynchronously.
 */
export function sha256(parts: Iterable<Uint8Array>): string | undefined {
  const hash = crypto?.createHash('sha256');
  for (const part of parts) hash?.update(part);
  return hash?.digest('hex');
}
