/** What this browser offers of what the engine can use, and what a lack costs. Asked within the worker. */

export interface Offer {
  readonly name: string;
  readonly value: string;
  /** What it costs that this is missing or small; left out where nothing is. */
  readonly cost?: string;
}

/** The least modules with an instruction of each set, as wasm-feature-detect has them. */
const probes = {
  simd: [
    ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
  ],
  relaxed: [
    ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15],
    ...[65, 2, 253, 15, 253, 128, 2, 11],
  ],
};

const validates = (probe: readonly number[]) =>
  typeof WebAssembly === 'object' && WebAssembly.validate(Uint8Array.from(probe));

/** Why the kernels cannot run on WebAssembly; undefined if nothing is known to prevent it. */
export function wasmProblem(): string | undefined {
  if (typeof WebAssembly !== 'object') return 'This browser has no WebAssembly';
  return validates(probes.simd) ? undefined : 'This browser has no WebAssembly SIMD, which the kernels are written in';
}

/** In the order in which they matter. @throws never: what cannot be asked is missing */
export async function offersHere(): Promise<readonly Offer[]> {
  return [...(await gpuOffers()), ...hostOffers()];
}

async function gpuOffers(): Promise<readonly Offer[]> {
  const gpu = (navigator as { gpu?: GPU }).gpu; // the types promise more than browsers keep
  const adapter = await gpu?.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (!adapter) {
    const value = gpu ? 'yes, but no adapter for it' : 'no';
    return [{ name: 'WebGPU', value, cost: 'Kernels run on the processor.' }];
  }
  const { info, limits, features } = adapter;
  const title = [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(', ');
  const buffers = limits.maxStorageBuffersPerShaderStage;
  return [
    { name: 'WebGPU', value: title || 'an adapter without a name' },
    has('WebGPU half precision', features.has('shader-f16'), 'Models on the GPU take twice the memory, in f32.'),
    has('WebGPU subgroups', features.has('subgroups'), 'Sums over many elements take more steps.'),
    has('WebGPU timestamps', features.has('timestamp-query'), 'Kernels cannot be timed one by one.'),
    {
      name: 'WebGPU storage buffers per kernel',
      value: String(buffers),
      ...(buffers < 10 && { cost: 'Kernels that need more are left out: several smaller ones take their place.' }),
    },
    { name: 'WebGPU largest binding', value: bytes(limits.maxStorageBufferBindingSize) },
    { name: 'WebGPU memory of a workgroup', value: bytes(limits.maxComputeWorkgroupStorageSize) },
    { name: 'WebGPU lanes of a workgroup', value: String(limits.maxComputeInvocationsPerWorkgroup) },
  ];
}

function hostOffers(): readonly Offer[] {
  const { hardwareConcurrency, deviceMemory } = navigator as Navigator & { deviceMemory?: number };
  const isolated = globalThis.crossOriginIsolated;
  return [
    has('WebAssembly SIMD', validates(probes.simd), 'Without WebGPU, everything runs in plain JavaScript.'),
    has('WebAssembly relaxed SIMD', validates(probes.relaxed), 'Products take two instructions in place of one.'),
    has('Isolation from other origins', isolated, 'WebAssembly has one thread: the server must send COOP and COEP.'),
    has('Memory shared by threads', typeof SharedArrayBuffer === 'function', 'WebAssembly has one thread.'),
    { name: 'Processors', value: String(hardwareConcurrency) },
    {
      name: 'Memory',
      value: deviceMemory === undefined ? 'this browser does not say' : `${deviceMemory} GiB or more`,
    },
  ];
}

function has(name: string, there: boolean, cost: string): Offer {
  return { name, value: there ? 'yes' : 'no', ...(!there && { cost }) };
}

const bytes = (count: number) => (count >= 2 ** 20 ? `${Math.floor(count / 2 ** 20)} MiB` : `${count / 1024} KiB`);
