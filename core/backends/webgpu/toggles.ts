/**
 * Whether Dawn's toggles took effect: it ignores unknown and refused ones silently and does not list those in force,
 * so each is judged by its effect. Two tiny shaders run for it; `mgsd-lite info` shows the result.
 */
import type { BufferUsage } from '../../platform.js';
import { settle } from './wait.js';

/** Effects by name, for people. */
export type ToggleEffects = Readonly<Record<string, string>>;

interface ProbedDevice {
  readonly device: GPUDevice;
  readonly usage: BufferUsage;
  /** See `settle`. */
  readonly sleeps: boolean;
}

/** Rounding of time stamps with the toggle `timestamp_quantization`, in nanoseconds. */
const quantum = 65536n;

/** Runs the probes. @throws Error if the device cannot run them: then it can run nothing */
export async function probeToggles(probed: ProbedDevice): Promise<ToggleEffects> {
  return {
    'bounds checks (disable_robustness)': await boundsChecks(probed),
    'time stamps (timestamp_quantization)': await timeStamps(probed),
  };
}

/**
 * Reads behind the end of an array in workgroup memory, but inside of the structure that it is part of. A check makes
 * it the array's last element, 4; without one it is what lies there. (Storage buffers tell nothing: where the driver
 * checks their bounds itself, Dawn's shaders never do.)
 */
async function boundsChecks({ device, usage, sleeps }: ProbedDevice): Promise<string> {
  const out = device.createBuffer({ size: 4, usage: usage.STORAGE | usage.COPY_SRC });
  const module = device.createShaderModule({
    label: 'bounds checks',
    code: `struct Pair { first: array<u32, 4>, second: array<u32, 4> }
var<workgroup> pair: Pair;
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1) fn main() {
  for (var i = 0u; i < 4u; i++) { pair.first[i] = i + 1u; pair.second[i] = i + 5u; }
  workgroupBarrier();
  out[0] = pair.first[out[0] + 6u];
}`,
  });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: out } }],
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(1);
  pass.end();
  const [found] = new Uint32Array(await readBack({ device, usage, sleeps }, encoder, out, 4));
  out.destroy();
  return found === 4 ? 'in shaders' : 'off';
}

async function timeStamps({ device, usage, sleeps }: ProbedDevice): Promise<string> {
  if (!device.features.has('timestamp-query')) return 'none on this adapter';
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 });
  const stamps = device.createBuffer({ size: 16, usage: usage.QUERY_RESOLVE | usage.COPY_SRC });
  const encoder = device.createCommandEncoder();
  const timestampWrites = { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
  encoder.beginComputePass({ timestampWrites }).end();
  encoder.resolveQuerySet(querySet, 0, 2, stamps, 0);
  const found = new BigUint64Array(await readBack({ device, usage, sleeps }, encoder, stamps, 16));
  querySet.destroy();
  stamps.destroy();
  return found.every(stamp => stamp % quantum === 0n) ? `rounded to ${quantum} ns` : 'exact';
}

/** Submits what was encoded, and reads a buffer after it. */
async function readBack(
  { device, usage, sleeps }: ProbedDevice,
  encoder: GPUCommandEncoder,
  from: GPUBuffer,
  bytes: number,
): Promise<ArrayBuffer> {
  const staging = device.createBuffer({ size: bytes, usage: usage.MAP_READ | usage.COPY_DST });
  encoder.copyBufferToBuffer(from, 0, staging, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await settle(staging.mapAsync(1 /* GPUMapMode.READ */), sleeps);
  const content = staging.getMappedRange().slice(0);
  staging.destroy();
  return content;
}
