/**
 * Ceilings of the machine, each measured by a shader that does one thing: launch latency, copy bandwidth, arithmetic on
 * registers, matrix units. Kernels are judged against these.
 */
import { openDevice } from '../../core/backends/webgpu/device.js';
import type { OpenedDevice } from '../../core/backends/webgpu/device.js';
import { settle } from '../../core/backends/webgpu/wait.js';
import { attempt } from './attempt.js';
import { median } from './format.js';
import type { GpuScale } from './scale.js';

/** What could not be measured is undefined, and `problems` says why: an error never becomes a ceiling. */
export interface Limits {
  /** Whose limits these are. */
  readonly adapter: string;
  /** Microseconds per launch when each needs the result of the one before, and when none does. */
  readonly dependentLaunch: number | undefined;
  readonly independentLaunch: number | undefined;
  /** Microseconds of host time to encode and submit one launch. */
  readonly hostPerLaunch: number | undefined;
  /** GB/s, bytes read and written, of a vec4 copy. */
  readonly copy: number | undefined;
  /** TFLOP/s of f32 fused multiply-adds on registers. */
  readonly f32: number | undefined;
  /** TFLOP/s of the matrix units on registers, per configuration that the adapter lists for f16 -> f32. */
  readonly matrix: Readonly<Record<string, number>>;
  /** Microseconds from the end of the work to its result on the host. */
  readonly readBack: number | undefined;
  readonly problems: readonly string[];
}

export interface Shader {
  readonly pipeline: GPUComputePipeline;
  readonly group: (...buffers: GPUBuffer[]) => GPUBindGroup;
}

/** A shader whose bindings are numbered in the order of the buffers given to `group`. */
export function compile({ device }: Pick<OpenedDevice, 'device'>, code: string): Shader {
  const module = device.createShaderModule({ code });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const layout = pipeline.getBindGroupLayout(0);
  return {
    pipeline,
    group: (...buffers) =>
      device.createBindGroup({
        layout,
        entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
      }),
  };
}

interface Shortest {
  /** Milliseconds until the work was done, and the host's share of them. */
  readonly total: number;
  readonly host: number;
}

/** One compute pass, submitted several times; the least of the times, since other users of a machine only add to it. */
export async function shortest(
  { device, capabilities }: Pick<OpenedDevice, 'device' | 'capabilities'>,
  encode: (pass: GPUComputePassEncoder) => void,
): Promise<Shortest> {
  let [total, host] = [Infinity, Infinity];
  for (let i = 0; i < 6; i++) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    const start = performance.now();
    encode(pass);
    pass.end();
    device.queue.submit([encoder.finish()]);
    const submitted = performance.now() - start;
    // Dawn's polling would take the adapter's core
    await settle(device.queue.onSubmittedWorkDone(), capabilities.software);
    if (i === 0) continue; // compiles
    total = Math.min(total, performance.now() - start);
    host = Math.min(host, submitted);
  }
  return { total, host };
}

const touch = `@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(1) fn main() { x[0] = x[0] + 1.0; }`;

export const copyShader = `@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let stride = groups.x * 256u;
  for (var i = id.x; i < arrayLength(&y); i += stride) { y[i] = x[i]; }
}`;

/** Shape of the register loop: `chains` independent sums of `type` per lane, in workgroups of this many lanes. */
export interface FmaShape {
  readonly chains: number;
  readonly type: 'f32' | 'vec4<f32>' | 'vec4<f16>';
  readonly lanes: number;
}

/** Multiply-adds that never leave their registers; see `fmaOperations` for how many. */
export function fmaShader({ chains: count, type, lanes }: FmaShape, rounds: number): string {
  const chains = Array.from({ length: count }, (_, i) => i);
  const float = type.includes('f16') ? 'f16' : 'f32';
  return `${float === 'f16' ? 'enable f16;\n' : ''}@group(0) @binding(0) var<storage, read_write> y: array<${type}>;
@compute @workgroup_size(${lanes})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = ${type}(y[id.x]${type === 'f32' ? '' : '.x'} * 1e-3 + 0.998);
  ${chains.map(i => `var c${i} = ${type}(${float}(id.x % 64u + ${i}u));`).join('\n  ')}
  for (var r = 0u; r < ${rounds}u; r++) {
    ${chains.map(i => `c${i} = fma(c${i}, a, a);`).join('\n    ')}
  }
  y[id.x] = ${chains.map(i => `c${i}`).join(' + ')};
}`;
}

/** Floating-point operations of one lane and round. */
export const fmaOperations = ({ chains, type }: FmaShape) => 2 * chains * (type === 'f32' ? 1 : 4);

/** Enough to keep a GPU's lanes busy: sixteen chains of vec4. */
const gpuFma: FmaShape = { chains: 16, type: 'vec4<f32>', lanes: 256 };

export interface MatrixShape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** Eight independent chains of matrix multiply-adds per subgroup, operands loaded once. */
export function matrixShader({ M, N, K }: MatrixShape, rounds: number, lanes: number): string {
  const chains = Array.from({ length: 8 }, (_, i) => i);
  return `enable f16;
enable chromium_experimental_subgroup_matrix;
@group(0) @binding(0) var<storage, read> a: array<f16>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u) {
  let left = subgroupMatrixLoad<subgroup_matrix_left<f16, ${K}, ${M}>, row_major>(&a, 0u, ${K}u);
  let right = subgroupMatrixLoad<subgroup_matrix_right<f16, ${N}, ${K}>, row_major>(&a, 0u, ${N}u);
  ${chains.map(i => `var c${i} = subgroup_matrix_result<f32, ${N}, ${M}>(${i}.0);`).join('\n  ')}
  for (var r = 0u; r < ${rounds}u; r++) {
    ${chains.map(i => `c${i} = subgroupMatrixMultiplyAccumulate(left, right, c${i});`).join('\n    ')}
  }
  ${chains.map(i => `subgroupMatrixStore<row_major>(&y, ${i * M * N}u, c${i}, ${N}u);`).join('\n  ')}
}`;
}

/** Runs `body` on a device; throws for what WebGPU would pass over: invalid shaders, no memory, a lost device. */
export async function checked<T>(device: GPUDevice, body: () => Promise<T>): Promise<T> {
  let lost: string | undefined;
  void device.lost.then(({ message, reason }) => (lost = `the device was lost (${message || reason})`));
  const kinds = ['validation', 'out-of-memory', 'internal'] as const;
  for (const kind of kinds) device.pushErrorScope(kind);
  let result: T;
  let error: GPUError | null = null;
  try {
    result = await body();
  } finally {
    for (const _ of kinds) error = (await device.popErrorScope().catch(() => null)) ?? error;
  }
  if (lost !== undefined || error) throw new Error(lost ?? error!.message);
  return result;
}

/** Measures all of it on the adapter that a run would take. */
export async function measureLimits(scale: GpuScale): Promise<Limits> {
  const opened = await openDevice();
  const { device, usage, machine } = opened;
  const storage = usage.STORAGE | usage.COPY_SRC | usage.COPY_DST;
  const buffer = (size: number) => device.createBuffer({ size, usage: storage });
  const launches = scale.launches;
  const workgroups = scale.workgroups * 8;
  const problems: string[] = [];
  const measure = <T>(what: string, body: () => Promise<T>) => attempt(what, problems, () => checked(device, body));

  const dependent = await measure('launches that wait', async () => {
    const small = compile(opened, touch);
    const one = small.group(buffer(256));
    return await shortest(opened, pass => {
      pass.setPipeline(small.pipeline);
      pass.setBindGroup(0, one);
      for (let i = 0; i < launches; i++) pass.dispatchWorkgroups(1);
    });
  });
  const independent = await measure('launches that do not wait', async () => {
    const small = compile(opened, touch);
    const many = Array.from({ length: 64 }, () => small.group(buffer(256)));
    return await shortest(opened, pass => {
      pass.setPipeline(small.pipeline);
      for (let i = 0; i < launches; i++) {
        pass.setBindGroup(0, many[i % many.length]);
        pass.dispatchWorkgroups(1);
      }
    });
  });

  const copyBytes = Math.min(scale.copyBytes, opened.capabilities.maxBufferBytes) & ~0xff;
  const copied = await measure('copy', async () => {
    const copy = compile(opened, copyShader);
    const [source, target] = [buffer(copyBytes), buffer(copyBytes)];
    const [there, back] = [copy.group(source, target), copy.group(target, source)];
    const time = await shortest(opened, pass => {
      pass.setPipeline(copy.pipeline);
      for (let i = 0; i < 8; i++) {
        pass.setBindGroup(0, i % 2 === 0 ? there : back);
        pass.dispatchWorkgroups(workgroups);
      }
    });
    for (const each of [source, target]) each.destroy();
    return time;
  });

  const computed = await measure('f32 on registers', async () => {
    const arithmetic = compile(opened, fmaShader(gpuFma, scale.rounds));
    const registers = arithmetic.group(buffer(workgroups * gpuFma.lanes * 16));
    return await shortest(opened, pass => {
      pass.setPipeline(arithmetic.pipeline);
      pass.setBindGroup(0, registers);
      pass.dispatchWorkgroups(workgroups);
    });
  });

  const matrix: Record<string, number> = {};
  for (const { M, N, K, componentType, resultComponentType } of machine.matrices) {
    if (componentType !== 'f16' || resultComponentType !== 'f32') continue;
    const lanes = 128; // four subgroups of 32, two of 64: a multiple of either
    const time = await measure(`matrix unit, ${M}x${N}x${K}`, async () => {
      const shader = compile(opened, matrixShader({ M, N, K }, scale.rounds, lanes));
      const group = shader.group(buffer(4096), buffer(8 * M * N * 4));
      return await shortest(opened, pass => {
        pass.setPipeline(shader.pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(workgroups);
      });
    });
    const subgroups = (workgroups * lanes) / machine.subgroupSize.max;
    if (time) matrix[`${M}x${N}x${K}`] = (subgroups * scale.rounds * 8 * 2 * M * N * K) / time.total / 1e9;
  }

  const readBack = await measure('a result back on the host', async () => {
    const source = buffer(256);
    const waits: number[] = [];
    for (let i = 0; i < 20; i++) {
      const staging = device.createBuffer({ size: 256, usage: usage.MAP_READ | usage.COPY_DST });
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(source, 0, staging, 0, 256);
      const start = performance.now();
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(1 /* GPUMapMode.READ */);
      waits.push(performance.now() - start);
      staging.destroy();
    }
    return median(waits);
  });

  device.destroy();
  return {
    adapter: opened.capabilities.name,
    dependentLaunch: dependent && (1000 * dependent.total) / launches,
    independentLaunch: independent && (1000 * independent.total) / launches,
    hostPerLaunch: dependent && (1000 * dependent.host) / launches,
    copy: copied && (8 * 2 * copyBytes) / copied.total / 1e6,
    f32: computed && (workgroups * gpuFma.lanes * scale.rounds * fmaOperations(gpuFma)) / computed.total / 1e9,
    matrix,
    readBack: readBack && 1000 * readBack,
    problems,
  };
}
