/**
 * Loaded before a part of the GPU day, `node --import`: from then on every adapter of the process is Dawn's null
 * device, which says that it is an H100. It compiles and checks what it is given as Dawn does, and computes nothing:
 * what is read back is zero. Buffers have the sizes of an H100 in name only, for the null device has 512 MB.
 */
import { appendFileSync } from 'node:fs';
import { loadDawn } from '../../core/platform/dawn.js';

/** What a process has seen: appended to the file MGSD_REHEARSAL at its end, one line of JSON. */
export interface Rehearsed {
  /** Pipelines compiled when they were needed, and ahead. */
  inTurn: number;
  ahead: number;
  /** Different shaders among them: drivers keep what they have compiled. */
  shaders: number;
  /** Pipelines beyond the null device's limits: their shaders were compiled, they were not made. */
  onlyShaders: number;
  /** Most bytes of buffers at a time on one device. */
  peakBytes: number;
  /** Of the processor, all threads: recording, compiling to where a driver takes over, references. */
  seconds: number;
  readonly errors: string[];
}

const seen: Rehearsed = { inTurn: 0, ahead: 0, shaders: 0, onlyShaders: 0, peakBytes: 0, seconds: 0, errors: [] };

const deviceBytes = 80e9;
const products = [
  [16, 16, 16],
  [16, 8, 16],
  [16, 8, 8],
].flatMap(([M, N, K]) =>
  ['f16', 'f32'].map(resultComponentType => ({ componentType: 'f16', resultComponentType, M, N, K })),
);
const info = {
  vendor: 'nvidia',
  architecture: 'hopper',
  device: 'H100',
  description: 'H100 (rehearsed on the null device)',
  isFallbackAdapter: false,
  subgroupMinSize: 32,
  subgroupMaxSize: 32,
  subgroupMatrixConfigs: products,
};
const raised = {
  maxBufferSize: 2 ** 32 - 4,
  maxStorageBufferBindingSize: 2 ** 32 - 4,
  maxComputeWorkgroupStorageSize: 49152,
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupSizeX: 1024,
  maxComputeWorkgroupSizeY: 1024,
};

/** Bytes that a buffer really has, at most. */
const thin = 2 ** 16;
const clamped = (offset: number, size: number, buffer: GPUBuffer) => Math.max(0, Math.min(size, buffer.size - offset));

function limitsOf({ limits }: GPUAdapter): Record<string, number> {
  const all: Record<string, number> = {};
  for (const name in limits) all[name] = (limits as unknown as Record<string, number>)[name]!;
  return { ...all, ...raised };
}

const define = (object: object, name: string, value: unknown) => Object.defineProperty(object, name, { value });

function thinBuffers(device: GPUDevice): void {
  let live = 0;
  const createBuffer = device.createBuffer.bind(device);
  device.createBuffer = ({ size, ...rest }) => {
    const buffer = createBuffer({ ...rest, size: Math.min(size, thin) });
    const [mapAsync, destroy] = [buffer.mapAsync.bind(buffer), buffer.destroy.bind(buffer)];
    live += size;
    if (live > deviceBytes && seen.peakBytes <= deviceBytes) seen.errors.push(`buffers of ${live} bytes at a time`);
    seen.peakBytes = Math.max(seen.peakBytes, live);
    let left = size;
    buffer.destroy = () => {
      live -= left;
      left = 0;
      destroy();
      return undefined;
    };
    buffer.mapAsync = mode => mapAsync(mode);
    buffer.getMappedRange = (_, bytes = size) => new ArrayBuffer(bytes);
    return buffer;
  };

  const createBindGroup = device.createBindGroup.bind(device);
  device.createBindGroup = descriptor => {
    const entries = [...descriptor.entries].map((entry, i) => {
      const { buffer, size = 4096 } = entry.resource as GPUBufferBinding;
      if (buffer.size < thin) return entry;
      // a slot of its own: what lies apart in the whole buffer must not overlap in the thin one
      return { ...entry, resource: { buffer, offset: 4096 * i, size: Math.min(size, 4096) } };
    });
    return createBindGroup({ ...descriptor, entries });
  };

  const { queue } = device;
  const writeBuffer = queue.writeBuffer.bind(queue);
  queue.writeBuffer = (buffer, offset, data, from = 0, size) => {
    const bytes = clamped(offset, size ?? (data as ArrayBufferView).byteLength - from, buffer);
    if (bytes > 0) writeBuffer(buffer, offset, data, from, bytes);
    return undefined;
  };

  const createCommandEncoder = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = descriptor => {
    const encoder = createCommandEncoder(descriptor);
    const copy = encoder.copyBufferToBuffer.bind(encoder) as (...words: unknown[]) => undefined;
    encoder.copyBufferToBuffer = (...words: unknown[]) => {
      const [source, from, target, to, size] = words as [GPUBuffer, number, GPUBuffer, number, number];
      const bytes = Math.min(clamped(from, size, source), clamped(to, size, target));
      if (bytes > 0) copy(source, from, target, to, bytes);
      return undefined;
    };
    return encoder;
  };
}

/** True if an H100 would make a pipeline that the null device refuses with this message. */
function isOnlyHere(message: string): boolean {
  const bytes = /workgroup storage \((\d+) bytes\)/.exec(message)?.[1];
  if (bytes !== undefined) return Number(bytes) <= raised.maxComputeWorkgroupStorageSize;
  const sides = /(?:workgroup_size|workgroup invocations )\(([\d, ]+)\)/.exec(message)?.[1];
  const lanes = sides?.split(', ').reduce((product, side) => product * Number(side), 1) ?? Infinity;
  return lanes <= raised.maxComputeInvocationsPerWorkgroup;
}

/** Every pipeline is made, to be checked; an empty one of its layout runs, for some are beyond the null device. */
function countPipelines(device: GPUDevice, shaders: Set<string>): void {
  const createModule = device.createShaderModule.bind(device);
  device.createShaderModule = descriptor => {
    seen.shaders -= shaders.size;
    seen.shaders += shaders.add(descriptor.code).size;
    return createModule(descriptor);
  };
  const create = device.createComputePipeline.bind(device);
  const createAhead = device.createComputePipelineAsync.bind(device);
  const empty = createModule({ code: '@compute @workgroup_size(1) fn main() {}' });
  const standIns = new WeakMap<GPUPipelineLayout, GPUComputePipeline>();
  const standIn = (layout: GPUPipelineLayout) => {
    const known = standIns.get(layout) ?? create({ layout, compute: { module: empty } });
    standIns.set(layout, known);
    return known;
  };
  const noteError = (message: string) => {
    if (isOnlyHere(message)) seen.onlyShaders++;
    else seen.errors.push(message);
  };

  device.createComputePipeline = descriptor => {
    seen.inTurn++;
    if (descriptor.layout === 'auto') return create(descriptor);
    device.pushErrorScope('validation');
    create(descriptor);
    void device.popErrorScope().then(error => {
      if (error) noteError(error.message);
    });
    return standIn(descriptor.layout);
  };
  device.createComputePipelineAsync = async descriptor => {
    seen.ahead++;
    const made = await createAhead(descriptor).catch((error: unknown) => {
      noteError((error as Error).message);
      if (descriptor.layout === 'auto' || !isOnlyHere((error as Error).message)) throw error;
    });
    return descriptor.layout === 'auto' ? made! : standIn(descriptor.layout);
  };
}

const { create } = await loadDawn();

/** An instance whose adapter is the null device in disguise. */
function nullInstance(flags: string): GPU {
  const gpu = create([...flags.split(' ').filter(flag => !/^(backend|adapter)=/.test(flag)), 'backend=null']);
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  const shaders = new Set<string>();
  gpu.requestAdapter = async options => {
    const adapter = (await requestAdapter(options))!;
    const limits = limitsOf(adapter);
    const requestDevice = adapter.requestDevice.bind(adapter);
    define(adapter, 'info', info);
    define(adapter, 'limits', limits);
    adapter.requestDevice = async ({ requiredFeatures = [] } = {}) => {
      const device = await requestDevice({ requiredFeatures });
      define(device, 'limits', limits);
      thinBuffers(device);
      countPipelines(device, shaders);
      return device;
    };
    return adapter;
  };
  return gpu;
}

/** Where core/platform/dawn.ts looks for instances before it makes one. */
class NullInstances extends Map<string, GPU> {
  override get(flags: string): GPU {
    const known = super.get(flags) ?? nullInstance(flags);
    this.set(flags, known);
    return known;
  }
}
define(globalThis, Symbol.for('mgsd-lite.webgpu.instances') as never, new NullInstances());

process.on('exit', () => {
  const file = process.env['MGSD_REHEARSAL'];
  const { user, system } = process.cpuUsage();
  seen.seconds = (user + system) / 1e6;
  if (file && seen.inTurn + seen.ahead > 0) appendFileSync(file, `${JSON.stringify(seen)}\n`);
});
