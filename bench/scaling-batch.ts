/** What must grow with the batch and no faster: rows scattered and summed, attention, and a whole step of stage 1. */
import { noGrad, ops, Random, SequenceTable, sum } from '../core/index.js';
import type { Device, Tensor } from '../core/index.js';
import { modelConfigOf, resolveConfig } from '../mgsd/method/config.js';
import { trainingGroups } from '../mgsd/method/puzzles.js';
import { probeStep, smallPools } from '../mgsd/method/stages/probe.js';
import { makeOptimizer } from '../mgsd/method/stages/stage.js';
import { VisionLanguageModel } from '../models/index.js';

/** Something that is done again and again, with what it holds on the device. */
export interface Repeated {
  step(): Promise<unknown>;
  dispose(): void;
}

/** Of every sequence; as in stage 1 of `tiny`. */
const [rowsEach, width, heads, tableRows] = [64, 64, 4, 128];
/** Launches between two waits. */
const repeat = 2;

/** Repeats launches on operands that are kept meanwhile. */
function launching(
  device: Device,
  make: () => { readonly operands: readonly Tensor[]; readonly launch: () => void },
): Repeated {
  const { operands, launch } = device.scope(() => {
    const made = make();
    for (const operand of made.operands) device.keep(operand);
    return made;
  });
  return {
    async step() {
      for (let i = 0; i < repeat; i++) device.scope(() => noGrad(launch));
      await device.finish();
    },
    dispose() {
      for (const operand of operands) device.free(operand);
      device.trim();
    },
  };
}

function numbers(device: Device, rows: number, cols: number): Tensor {
  const random = new Random(7);
  const drawn = Float32Array.from({ length: 4093 }, () => random.normal()); // a prime: no two rows are alike
  return device.tensor(
    Float32Array.from({ length: rows * cols }, (_, i) => drawn[i % drawn.length]!),
    [rows, cols],
  );
}

/** By name: what is repeated, for a batch of so many sequences. */
export const batchWork: Readonly<Record<string, (device: Device, batch: number) => Repeated>> = {
  'scattered rows': (device, batch) =>
    launching(device, () => {
      const rows = batch * rowsEach;
      const grad = numbers(device, rows, width);
      const table = numbers(device, tableRows, width);
      const random = new Random(8, batch);
      const index = device.tensor(
        Int32Array.from({ length: rows }, () => random.integer(tableRows)),
        [rows],
        { dtype: 'i32' },
      );
      const room = () => device.empty([tableRows, width]);
      const call = { inputs: [table, index], output: grad, saved: [], grad, wanted: [true, false], room };
      return {
        operands: [grad, table, index],
        launch: () => void ops.gatherRows.gradient({ ...call, attributes: {} } as never),
      };
    }),
  'column sums': (device, batch) =>
    launching(device, () => {
      const x = numbers(device, batch * rowsEach, width);
      return { operands: [x], launch: () => void sum(x, 0) };
    }),
  attention: (device, batch) =>
    launching(device, () => {
      const rows = batch * rowsEach;
      const [qkv, grad] = [numbers(device, rows, 3 * width), numbers(device, rows, width)];
      const all = new SequenceTable(Array.from({ length: batch }, () => ({ length: rowsEach, prefix: 40 })));
      const table = all.toTensor(device);
      const attributes = { heads, table, maxLength: rowsEach };
      const launch = () => {
        const { output, saved = [] } = ops.attention.forward([qkv], attributes, [rows, width]);
        ops.attention.gradient({
          ...{ inputs: [qkv], output, saved, grad, wanted: [true], arrived: undefined, attributes },
        } as never);
      };
      return { operands: [qkv, grad, table], launch };
    }),
  'stage 1 step': (device, batch) => {
    const config = smallPools(resolveConfig('tiny'));
    const student = new VisionLanguageModel(device, modelConfigOf(config)).initialize(1);
    const optimizer = makeOptimizer(student, config);
    const setting = { config, student, planner: student, optimizer, groups: trainingGroups(config) };
    return {
      step: probeStep('stage1', setting, batch),
      dispose() {
        optimizer.dispose();
        student.dispose();
        device.trim();
      },
    };
  },
};
/** Sequences of each. */
export const batchSizes = [64, 128, 256, 512, 1024];
