/**
 * Host cost of a launch: eager, replayed and, on webgpu, the bare calls into Dawn, which are its lower bound. Dawn's
 * `null` backend does all of Dawn's host work and none of the device's, so it isolates the host's part.
 */
import { openDevice } from '../core/backends/webgpu/device.js';
import { WebGpuBackend } from '../core/backends/webgpu/webgpu.js';
import { add, Device, Recorder } from '../core/index.js';
import type { Tensor } from '../core/index.js';

export interface Cost {
  /** Microseconds. */
  readonly median: number;
  readonly best: number;
}

/** Median and best in microseconds per part, from samples of `count` parts in milliseconds; drops the first ten. */
export function costOf(samples: readonly number[], count: number): Cost {
  const steady = samples.slice(10).toSorted((a, b) => a - b);
  const each = (milliseconds: number) => (1000 * milliseconds) / count;
  return { median: each(steady[steady.length >> 1]!), best: each(steady[0]!) };
}

/** A device that computes nothing. */
export async function openNullDevice(): Promise<Device> {
  return new Device(new WebGpuBackend(await openDevice({ backend: 'null' })));
}

const launches = 512;

/**
 * Time of this thread per launch in a chain of trivial kernels, submission included.
 * @param computes false on a device whose results are meaningless
 */
export async function chainCost(device: Device, computes: boolean) {
  const chain = (x: Tensor) => {
    let y = x;
    for (let i = 0; i < launches; i++) y = add(y, x);
    return y;
  };
  const cost = async (enabled: boolean) => {
    const recorder = new Recorder(device, { enabled });
    const samples: number[] = [];
    for (let i = 0; i < 110; i++) {
      const values = Float32Array.from({ length: 16 }, (_, k) => i + k);
      await device.scope(async () => {
        const start = performance.now();
        const { y } = recorder.run('chain', { x: { values } }, ({ x }) => ({ y: chain(x) }));
        samples.push(performance.now() - start);
        const result = await y.read();
        if (computes && result.some((value, k) => value !== (launches + 1) * values[k]!))
          throw new Error('a wrong result');
      });
    }
    recorder.dispose();
    return costOf(samples, launches);
  };
  return { eager: await cost(false), replayed: await cost(true), launches };
}

const wgsl = (k: number) => `
struct Params { n: u32, factor: f32 }
var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(8) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < params.n) { y[id.x] = x[id.x] + ${k}.0 * params.factor; }
}`;

/** Time of the calls into Dawn for one dispatch, by which of its settings change, on the null backend. */
export async function dawnCalls() {
  const { device, usage } = await openDevice({ backend: 'null' });
  const group = device.createBindGroupLayout({
    entries: (['read-only-storage', 'storage'] as const).map((type, binding) => ({
      binding,
      visibility: 4,
      buffer: { type },
    })),
  });
  const layout = device.createPipelineLayout({ bindGroupLayouts: [group], immediateSize: 8 });
  const pipelines = [1, 2].map(k =>
    device.createComputePipeline({ layout, compute: { module: device.createShaderModule({ code: wgsl(k) }) } }),
  );
  const buffers = Array.from({ length: 16 }, () => device.createBuffer({ size: 256, usage: usage.STORAGE }));
  const groups = buffers.map((buffer, i) => {
    const next = buffers[(i + 1) % buffers.length]!;
    const entries = [buffer, next].map((bound, binding) => ({ binding, resource: { buffer: bound } }));
    return device.createBindGroup({ layout: group, entries });
  });
  const view = Uint32Array.of(16, 0);
  const whole = view.buffer;
  const forms: Record<string, (pass: GPUComputePassEncoder, i: number) => void> = {
    'dispatch alone': () => undefined,
    'and bind group': (pass, i) => pass.setBindGroup(0, groups[i % 16]),
    'and bind group, pipeline': (pass, i) => {
      pass.setPipeline(pipelines[i % 2]!);
      pass.setBindGroup(0, groups[i % 16]);
    },
    'and bind group, pipeline, immediates from an ArrayBuffer': (pass, i) => {
      pass.setPipeline(pipelines[i % 2]!);
      pass.setBindGroup(0, groups[i % 16]);
      pass.setImmediates(0, whole);
    },
    'and bind group, pipeline, immediates from a part of a Uint32Array': (pass, i) => {
      pass.setPipeline(pipelines[i % 2]!);
      pass.setBindGroup(0, groups[i % 16]);
      pass.setImmediates(0, view, 0, 2);
    },
  };
  const samples = new Map(Object.keys(forms).map(name => [name, [] as number[]]));
  for (let round = 0; round < 110; round++)
    for (const [name, set] of Object.entries(forms)) {
      const start = performance.now();
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipelines[0]!);
      pass.setBindGroup(0, groups[0]);
      pass.setImmediates(0, whole);
      for (let i = 0; i < launches; i++) {
        set(pass, i);
        pass.dispatchWorkgroups(2);
      }
      pass.end();
      device.queue.submit([encoder.finish()]);
      samples.get(name)!.push(performance.now() - start);
      await device.queue.onSubmittedWorkDone();
    }
  device.destroy();
  return Object.fromEntries([...samples].map(([name, taken]) => [name, costOf(taken, launches)]));
}
