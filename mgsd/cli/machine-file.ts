/** What the Machine panel of the page copies or saves, for a terminal. */
import { z } from 'zod';
import { describeDevice } from '../../core/index.js';
import { readJson } from '../runs/files.js';
import { InputError } from './errors.js';
import { drawTable } from './results.js';
import type { Terminal } from './terminal.js';

const schema = z.object({
  date: z.string(),
  browser: z.string(),
  device: z.object({
    backend: z.enum(['cpu', 'wasm', 'webgpu']),
    name: z.string(),
    driver: z.string(),
    software: z.boolean(),
    asynchronous: z.boolean(),
    replays: z.boolean(),
    dtypes: z.array(z.enum(['f32', 'f16', 'i32', 'f64'])),
    maxBufferBytes: z.number(),
    threads: z.number(),
    features: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  }),
  results: z.object({
    offers: z.array(z.object({ name: z.string(), value: z.string(), cost: z.string().optional() })),
    kernels: z
      .object({
        checked: z.number(),
        callsEach: z.number(),
        failures: z.array(z.object({ kernel: z.string(), dtype: z.string(), problem: z.string() })),
      })
      .optional(),
    figures: z.array(z.object({ what: z.string(), value: z.number(), unit: z.string() })).optional(),
  }),
});

/** @throws FileError if it cannot be read, InputError if it is something else */
export function readMachineFile(file: string): z.infer<typeof schema> {
  const { data, error } = schema.safeParse(readJson(file));
  if (data) return data;
  const [{ path, message } = { path: [], message: '' }] = error.issues;
  throw new InputError(
    `${file} is not what the page's Machine panel saves (${path.join('.') || 'all of it'}: ${message})`,
  );
}

/** What the panel shows, in the same order. */
export function machineLines(terminal: Terminal, { date, browser, device, results }: z.infer<typeof schema>): string[] {
  const { offers, kernels, figures } = results;
  const checked = kernels && `${kernels.checked} kernels checked, ${kernels.callsEach} calls each`;
  return [
    `${date.slice(0, 10)}, ${browser}`,
    describeDevice(device),
    '',
    ...offers.map(({ name, value, cost }) => `${name}: ${value}${cost === undefined ? '' : `. ${cost}`}`),
    '',
    kernels ? `${checked}: ${kernels.failures.length} differ from their references` : 'No kernel was checked.',
    ...(kernels?.failures ?? []).map(({ kernel, dtype, problem }) => `  ${kernel}, ${dtype}: ${problem}`),
    '',
    ...(figures ? drawTable(terminal, ['speed', 'how much', 'unit'], figures.map(cells)) : ['Nothing was measured.']),
  ];
}

const cells = ({ what, value, unit }: { what: string; value: number; unit: string }) =>
  [what, value >= 100 ? String(Math.round(value)) : value.toPrecision(3), unit] as const;
