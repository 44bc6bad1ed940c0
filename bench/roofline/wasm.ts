/** Ceilings of the wasm backend: the loops of ceilings.as.ts on the same threads with the same instructions. */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { controlBytes } from '../../core/backends/wasm/control.js';
import { Threads } from '../../core/backends/wasm/threads.js';
import type { Capabilities } from '../../core/index.js';
import { exponentials, rootQuotients, workingSets } from './ceilings.js';
import type { Bandwidth, Ceilings } from './ceilings.js';

interface Compiler {
  readonly compileWasm: (root: string, entry: string, features: readonly string[], name: string) => Promise<Uint8Array>;
}

const pageBytes = 65_536;
const control = 1024;
const args = control + controlBytes;
const heap = pageBytes;
/** Least samples of each loop, and how long it is repeated; the best counts. */
const samples = 12;
const sampleMilliseconds = 100;
/** Bytes that the loops of one sample move, and rounds that one sample computes: some milliseconds each. */
const bytesPerSample = 2 ** 26;
const fmaUnits = 64;
const fmaRounds = 8192;
const chainRounds = 1024;

/** The build's own compiler, on the same features as the library's two variants. */
async function compile(simd: string): Promise<WebAssembly.Module> {
  const root = path.resolve(import.meta.dirname, import.meta.url.endsWith('.ts') ? '../..' : '../../..');
  const script = pathToFileURL(path.join(root, '.config/build-wasm.mjs')).href;
  const { compileWasm } = (await import(script)) as Compiler;
  const features = ['simd', 'threads', ...(simd === 'relaxed' ? ['relaxed-simd'] : [])];
  const binary = await compileWasm(root, 'bench/roofline/ceilings.as.ts', features, 'ceilings.wasm');
  return await WebAssembly.compile(Uint8Array.from(binary));
}

/** Shortest of some samples in milliseconds, after two for warming up. */
function shortest(body: () => void): number {
  body();
  body();
  let least = Infinity;
  for (let i = 0, end = performance.now() + sampleMilliseconds; i < samples || performance.now() < end; i++) {
    const start = performance.now();
    body();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

function requireNear(what: string, got: number, right: number): void {
  if (!(Math.abs(got - right) <= 1e-4 * Math.abs(right)))
    throw new Error(`the ceiling of ${what} computed ${got}, not ${right}`);
}

export async function measureWasmCeilings({ threads: count, features }: Capabilities): Promise<Ceilings> {
  const pages = 1 + Math.ceil((workingSets.at(-1)! + 4 * pageBytes) / pageBytes);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: 65_536, shared: true });
  const threads = await Threads.start({
    threads: count,
    module: await compile(String(features['simd'])),
    memory,
    control,
    spinMilliseconds: 0.5,
    stallMilliseconds: 30_000,
  });
  const [integers, floats] = [new Int32Array(memory.buffer), new Float32Array(memory.buffer)];
  const at = args >> 2;
  const run = (name: string, units: number) => {
    const fn = threads.names.indexOf(name);
    threads.run({ fn, units, pieces: Math.min(units, 4 * count), threadScratch: 0 }, args, 0);
  };

  integers[at] = fmaRounds;
  floats.set([1, 1], at + 1);
  integers[at + 3] = heap;
  const fma = shortest(() => run('ceiling_fma', fmaUnits));
  requireNear('arithmetic', floats[heap >> 2]!, 12 * fmaRounds);

  integers[at] = chainRounds;
  const chains = (name: string, limit: number) => {
    const milliseconds = shortest(() => run(name, fmaUnits));
    requireNear(name, floats[heap >> 2]!, 12 * limit);
    return (fmaUnits * chainRounds * 48) / milliseconds / 1e6;
  };
  const others = {
    [exponentials]: chains('ceiling_exp', 0.5671433), // e^-x = x
    [rootQuotients]: chains('ceiling_root', 1),
  };

  const bandwidth: Bandwidth[] = [];
  for (const bytes of workingSets) {
    /**
     * GB/s of a loop over `arrays` arrays that together fill the working set; one unit per thread, so that caches are
     * its own.
     */
    const stream = (name: string, arrays: number, check: (x: number, y: number, z: number) => void) => {
      const own = Math.floor(bytes / arrays / count / 64) * 64;
      const size = own * count;
      const rounds = Math.max(1, Math.round(bytesPerSample / (arrays * size)));
      const [x, y, z] = [heap, heap + size, heap + 2 * size];
      floats.fill(1, x >> 2, (x + size) >> 2);
      if (arrays > 1) floats.fill(2, y >> 2, (y + size) >> 2);
      integers.set([own, rounds, x, y, arrays === 1 ? y : z], at);
      floats[at + 5] = 0.5;
      const milliseconds = shortest(() => run(name, count));
      check(rounds * (own / 16), floats[(y + size - 4) >> 2]!, floats[(arrays === 1 ? y : z + size - 4) >> 2]!);
      return (arrays * size * rounds) / milliseconds / 1e6;
    };
    bandwidth.push({
      bytes,
      read: stream('ceiling_read', 1, (sum, _, z) => requireNear('reading', z, sum)),
      copy: stream('ceiling_copy', 2, (_, y) => requireNear('copying', y, 1)),
      triad: stream('ceiling_triad', 3, (_sum, _y, z) => requireNear('the triad', z, 2)),
    });
  }
  await threads.close();
  const flops = fmaUnits * fmaRounds * 96;
  return { f32: flops / fma / 1e6, others, bandwidth };
}
