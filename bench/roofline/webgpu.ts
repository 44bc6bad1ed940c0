/**
 * Ceilings of a WebGPU adapter, reached by shaders that do one thing each. GPUs want many chains per lane, a software
 * adapter spills them, so each ceiling is the best of several shaders.
 */
import { openDevice } from '../../core/backends/webgpu/device.js';
import type { OpenedDevice } from '../../core/backends/webgpu/device.js';
import type { Capabilities } from '../../core/index.js';
import { compile, fmaOperations, fmaShader, matrixShader, shortest } from '../gpu/limits.js';
import type { FmaShape } from '../gpu/limits.js';
import { workingSets } from './ceilings.js';
import type { Bandwidth, Ceilings } from './ceilings.js';

/** Lanes per launch and rounds of the loop; a software adapter needs milliseconds for what barely fills a GPU. */
const sizes = {
  software: { lanes: 2 ** 10, rounds: 2 ** 9, groups: 64, bytesPerSample: 2 ** 24, sets: workingSets },
  hardware: { lanes: 2 ** 20, rounds: 2 ** 12, groups: 4224, bytesPerSample: 2 ** 30, sets: [...workingSets, 2 ** 29] },
} as const;

const shapes: readonly FmaShape[] = [
  { chains: 8, type: 'f32', lanes: 16 },
  { chains: 4, type: 'vec4<f32>', lanes: 16 },
  { chains: 16, type: 'vec4<f32>', lanes: 256 },
];
const halfShapes: readonly FmaShape[] = [4, 16].map(chains => ({ chains, type: 'vec4<f16>', lanes: 64 }));

/** Each loop walks whole arrays of vec4 with all lanes side by side. */
const loops = {
  read: `var sum = vec4f();
  for (var i = id.x; i < n; i += stride) { sum += x[i]; }
  z[id.x] = sum;`,
  copy: 'for (var i = id.x; i < n; i += stride) { z[i] = x[i]; }',
  triad: 'for (var i = id.x; i < n; i += stride) { z[i] = fma(vec4f(0.5), y[i], x[i]); }',
} as const;

const arraysOf = { read: 1, copy: 2, triad: 3 } as const;

function streamShader(loop: keyof typeof loops): string {
  const names = { read: ['x', 'z'], copy: ['x', 'z'], triad: ['x', 'y', 'z'] }[loop];
  const bindings = names.map(
    (name, i) =>
      `@group(0) @binding(${i}) var<storage, ${name === 'z' ? 'read_write' : 'read'}> ${name}: array<vec4f>;`,
  );
  return `${bindings.join('\n')}
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let stride = groups.x * 64u;
  let n = arrayLength(&x);
  ${loops[loop]}
}`;
}

async function arithmetic(opened: OpenedDevice, chosen: readonly FmaShape[]): Promise<number> {
  const { device, usage, capabilities } = opened;
  const { lanes, rounds } = sizes[capabilities.software ? 'software' : 'hardware'];
  let best = 0;
  for (const shape of chosen) {
    const shader = compile(opened, fmaShader(shape, rounds));
    const y = device.createBuffer({ size: 16 * lanes, usage: usage.STORAGE });
    const group = shader.group(y);
    const { total } = await shortest(opened, pass => {
      pass.setPipeline(shader.pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(lanes / shape.lanes);
    });
    y.destroy();
    best = Math.max(best, (lanes * rounds * fmaOperations(shape)) / total / 1e6);
  }
  return best;
}

/** f16 -> f32 products of the matrix units, for every size that the adapter lists. */
async function matrixUnits(opened: OpenedDevice): Promise<Record<string, number>> {
  const { device, usage, machine } = opened;
  const { groups, rounds } = sizes.hardware;
  const rates: Record<string, number> = {};
  for (const { M, N, K, componentType, resultComponentType } of machine.matrices) {
    if (componentType !== 'f16' || resultComponentType !== 'f32') continue;
    const lanes = 128;
    const shader = compile(opened, matrixShader({ M, N, K }, rounds, lanes));
    const buffer = (size: number) => device.createBuffer({ size, usage: usage.STORAGE });
    const group = shader.group(buffer(4096), buffer(32 * M * N));
    const { total } = await shortest(opened, pass => {
      pass.setPipeline(shader.pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(groups);
    });
    const subgroups = (groups * lanes) / machine.subgroupSize.max;
    rates[`f16 matrix units ${M}x${N}x${K}`] = (subgroups * rounds * 16 * M * N * K) / total / 1e6;
  }
  return rates;
}

async function bandwidths(opened: OpenedDevice): Promise<Bandwidth[]> {
  const { device, usage, capabilities } = opened;
  const { bytesPerSample, groups, sets } = sizes[capabilities.software ? 'software' : 'hardware'];
  const shaders = { read: streamShader('read'), copy: streamShader('copy'), triad: streamShader('triad') };
  const compiled = {
    read: compile(opened, shaders.read),
    copy: compile(opened, shaders.copy),
    triad: compile(opened, shaders.triad),
  };
  const all: Bandwidth[] = [];
  for (const bytes of sets) {
    const stream = async (loop: keyof typeof loops) => {
      const count = arraysOf[loop];
      const size = Math.floor(bytes / count / 256) * 256;
      if (size > capabilities.maxBufferBytes) return 0;
      const lanes = Math.min(groups, Math.ceil(size / 16 / 64));
      const length = Math.max(size, 1024 * lanes);
      const buffers = Array.from({ length: Math.max(2, count) }, (_, i) =>
        device.createBuffer({ size: loop === 'read' && i === 1 ? length : size, usage: usage.STORAGE }),
      );
      const group = compiled[loop].group(...buffers);
      const rounds = Math.max(1, Math.round(bytesPerSample / (count * size)));
      const { total } = await shortest(opened, pass => {
        pass.setPipeline(compiled[loop].pipeline);
        pass.setBindGroup(0, group);
        for (let i = 0; i < rounds; i++) pass.dispatchWorkgroups(lanes);
      });
      for (const buffer of buffers) buffer.destroy();
      return (rounds * count * size) / total / 1e6;
    };
    const point = { bytes, read: await stream('read'), copy: await stream('copy'), triad: await stream('triad') };
    if (point.read > 0) all.push(point);
  }
  return all;
}

/** On its own device of the same adapter. */
export async function measureWebGpuCeilings({ software }: Capabilities): Promise<Ceilings> {
  const opened = await openDevice();
  const f32 = await arithmetic(opened, shapes);
  const others: Record<string, number> = software ? {} : await matrixUnits(opened);
  if (opened.device.features.has('shader-f16')) others['f16'] = await arithmetic(opened, halfShapes);
  const bandwidth = await bandwidths(opened);
  opened.device.destroy();
  return { f32, others, bandwidth };
}
