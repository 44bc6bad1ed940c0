/** `mgsd-lite info`: what this machine offers. */
import os from 'node:os';
import type { Command } from 'commander';
import { describeDevice, openDevice, sizeOf } from '../../core/index.js';
import type { BackendName, Capabilities } from '../../core/index.js';
import { modelPresets, parameterSpecs } from '../../models/index.js';
import type { CommandContext } from './options.js';
import { addExamples } from './options.js';
import { errorLine } from './errors.js';
import { packageVersion } from '../runs/package.js';
import { drawTable } from './results.js';

type DeviceReport = { readonly backend: BackendName } & (
  { readonly capabilities: Capabilities } | { readonly problem: string }
);

export function addInfoCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('info')
    .summary('devices, versions and presets')
    .description(
      'What every backend offers on this machine, versions, and the presets with their numbers of parameters.',
    )
    .option('--json', 'as JSON on standard output')
    .action((flags: { readonly json?: boolean }) => runInfo(flags, context));
  addExamples(command, [
    ['info', 'is there a GPU?'],
    ['info --json', 'the same for a program'],
  ]);
}

async function runInfo({ json }: { readonly json?: boolean }, { terminal }: CommandContext): Promise<void> {
  const devices: DeviceReport[] = [];
  for (const backend of ['webgpu', 'wasm', 'cpu'] as const) devices.push(await reportOf(backend));
  const presets = Object.entries(modelPresets).map(([name, config]) => ({
    name,
    parameters: parameterSpecs(config).reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    config,
  }));
  const versions = { 'mgsd-lite': packageVersion(), node: process.versions.node };
  const machine = {
    platform: `${process.platform} ${process.arch}`,
    processor: os.cpus()[0]?.model.trim() ?? 'unknown',
    processors: os.availableParallelism(),
    memoryBytes: os.totalmem(),
  };
  if (json) {
    terminal.out(JSON.stringify({ versions, machine, devices, presets }, null, 2));
    return;
  }
  terminal.out(`mgsd-lite ${versions['mgsd-lite']}, Node ${versions.node}, ${machine.platform}`);
  terminal.out(`${machine.processors} x ${machine.processor}, ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB\n`);
  for (const device of devices)
    terminal.out(
      'capabilities' in device
        ? describeDevice(device.capabilities)
        : `${device.backend}: not here (${device.problem})`,
    );
  const rows = presets.map(({ name, parameters, config }) => [
    name,
    `${(parameters / 1e6).toFixed(2)} M`,
    `${config.imageSize} px, ${config.patchSize} px patches`,
    `${config.visionLayers} x ${config.visionWidth}`,
    `${config.layers} x ${config.width}`,
  ]);
  terminal.out(`\n${drawTable(terminal, ['preset', 'parameters', 'image', 'vision', 'decoder'], rows)}`);
}

async function reportOf(backend: BackendName): Promise<DeviceReport> {
  try {
    const device = await openDevice(backend, { webgpu: { probe: true } });
    const { capabilities } = device;
    await device.close();
    return { backend, capabilities };
  } catch (error) {
    return { backend, problem: errorLine(error).replace('error: ', '') };
  }
}
