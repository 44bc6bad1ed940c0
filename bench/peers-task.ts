/** What the peers of bench:peers and bench:tab are given, and where they are installed. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Device, Parameters, Random } from '../core/index.js';
import { CpuBackend } from '../core/backends/cpu.js';
import { InputError } from '../mgsd/cli/errors.js';
import { adamw, sizes, transformerSpecs, transformerTokens } from './transformer.js';

export const peers = path.resolve(import.meta.dirname, '../../bench/peers'); // beside the sources, not in dist/

/** Installs the peers where that has not been done. @throws InputError if that fails */
export function installPeers(): void {
  if (existsSync(path.join(peers, 'node_modules'))) return;
  console.log('installing the peers into bench/peers, about 0.9 GB');
  const shell = process.platform === 'win32';
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts'], { cwd: peers, stdio: 'inherit', shell });
  if (status !== 0) throw new InputError('the peers could not be installed into bench/peers: npm says why above');
}

interface PeerWork {
  /** Training steps whose losses are reported, before any is timed. */
  readonly checkedSteps: number;
  /** Of training steps, and of each kernel. */
  readonly seconds: number;
  readonly kernelSeconds: number;
  readonly parts: readonly string[];
  readonly kernels: readonly unknown[];
}

/** Writes sizes, weights, tokens and the task as files for every engine. */
export async function writeTask(folder: string, work: PeerWork): Promise<void> {
  const device = new Device(new CpuBackend());
  const parameters = new Parameters(device, transformerSpecs());
  parameters.initialize(new Random(1, 1));
  const saved = await parameters.save();
  const weights: Record<string, { offset: number; shape: readonly number[] }> = {};
  const chunks: Float32Array[] = [];
  let offset = 0;
  for (const { name, shape } of parameters.specs) {
    const tensor = saved.get(name)!;
    weights[name] = { offset, shape };
    chunks.push(tensor);
    offset += tensor.length;
  }
  const data = new Float32Array(offset);
  chunks.reduce((at, chunk) => (data.set(chunk, at), at + chunk.length), 0);
  const { inputs, targets } = transformerTokens();
  const task = {
    ...sizes,
    adamw,
    weights,
    inputs: Array.from(inputs),
    targets: Array.from(targets),
    ...work,
  };
  writeFileSync(path.join(folder, 'task.json'), JSON.stringify(task));
  writeFileSync(path.join(folder, 'data.bin'), new Uint8Array(data.buffer));
}
