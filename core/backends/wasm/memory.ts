/** The one memory that all tensors of the wasm backend lie in. */

/** WebAssembly counts memory in these. */
export const pageBytes = 65_536;

/**
 * The memory, with room to grow up to `maxBytes`: by default all that can be addressed, or as much of it as can be
 * reserved.
 */
export function makeMemory(maxBytes?: number): { memory: WebAssembly.Memory; maxBytes: number } {
  let maximum = Math.floor((maxBytes ?? 2 ** 32) / pageBytes);
  for (;;)
    try {
      const memory = new WebAssembly.Memory({ initial: Math.min(256, maximum), maximum, shared: true });
      return { memory, maxBytes: maximum * pageBytes };
    } catch (error) {
      // a limit on address space (ulimit -v): half of it may fit
      if (maxBytes !== undefined || maximum <= 4096) throw error;
      maximum /= 2;
    }
}
