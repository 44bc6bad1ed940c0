/** `mgsd-lite info`: what this machine offers. */
import os from 'node:os';
import { describeDevice, openDevice } from '../../core/index.js';
import type { BackendName, Capabilities } from '../../core/index.js';
import { modelPresets } from '../../models/index.js';
import { packageVersion } from '../runs/package.js';
import { defineCommand } from './command.js';
import { errorLine } from './errors.js';
import { machineLines, readMachineFile } from './machine-file.js';
import { millions, parameterCount } from '../runs/estimate.js';
import { jsonOption } from './options.js';
import { drawTable } from './results.js';

type DeviceReport = { readonly backend: BackendName } & (
  { readonly capabilities: Capabilities } | { readonly problem: string }
);

export const infoCommand = defineCommand<{ json: typeof jsonOption }, string | undefined>({
  name: 'info',
  summary: 'devices, versions and presets',
  description:
    'What every backend offers on this machine, versions, and the presets with their numbers of parameters. With a FILE ' +
    'that the Machine panel of the page has saved: what it found out.',
  argument: ['[file]', 'what the Machine panel of `play` has saved or copied'],
  options: { json: jsonOption },
  examples: [
    ['info', 'is there a GPU?'],
    ['info --json', 'the same for a program'],
    ['info machine.json', 'what a browser offers, and how fast it is'],
  ],
  async run(_, { terminal }, file) {
    if (file !== undefined) {
      const data = readMachineFile(file);
      return { data, lines: () => machineLines(terminal, data) };
    }
    const devices: DeviceReport[] = [];
    for (const backend of ['webgpu', 'wasm', 'cpu'] as const) devices.push(await reportOf(backend));
    const presets = Object.entries(modelPresets).map(([name, config]) => ({
      name,
      parameters: parameterCount(config),
      config,
    }));
    const versions = { 'mgsd-lite': packageVersion(), node: process.versions.node };
    const machine = {
      platform: `${process.platform} ${process.arch}`,
      processor: os.cpus()[0]?.model.trim() ?? 'unknown',
      processors: os.availableParallelism(),
      memoryBytes: os.totalmem(),
    };
    const lines = () => {
      const { platform, processor, processors, memoryBytes } = machine;
      const rows = presets.map(({ name, parameters, config }) => [
        name,
        millions(parameters),
        `${config.imageSize} px, ${config.patchSize} px patches`,
        `${config.visionLayers} x ${config.visionWidth}`,
        `${config.layers} x ${config.width}`,
      ]);
      return [
        `mgsd-lite ${versions['mgsd-lite']}, Node ${versions.node}, ${platform}`,
        `${processors} x ${processor}, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB`,
        '',
        ...devices.map(device =>
          'problem' in device ? `${device.backend}: not here (${device.problem})` : describeDevice(device.capabilities),
        ),
        '',
        ...drawTable(terminal, ['preset', 'parameters', 'image', 'vision', 'decoder'], rows),
      ];
    };
    return { data: { versions, machine, devices, presets }, lines };
  },
});

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
