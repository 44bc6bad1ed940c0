import { describe, expect, it } from 'vitest';
import * as core from '../../core/index.js';
import type { Tensor } from '../../core/index.js';
import { cpu } from './devices.js';
import { describeOps } from './ops.js';

describeOps('every op on wasm in f32 agrees with f64 on cpu, forward and gradient', () =>
  core.openDevice('wasm', { threads: 1 }),
);

const ones = (...shape: number[]) => cpu.full(shape, 1);
const table = (...values: number[]) => cpu.tensor(values, [values.length / 6, 6], { dtype: 'i32' });

describe('broken calls are refused with the rule, the shapes and a way out', () => {
  const cases: [string, () => unknown, RegExp][] = [
    [
      'elementwise: shapes',
      () => core.add(ones(2, 3), ones(2, 4)),
      /add: shapes \[2, 3\] and \[2, 4\] do not broadcast: dimension -1 is 3 against 4.*equal or 1/,
    ],
    [
      'elementwise: dtypes',
      () => core.mul(ones(2), cpu.full([2], 1, { dtype: 'f16' })),
      /mul: operands are f32 and f16; cast\(\) one of them/,
    ],
    [
      'elementwise: integers',
      () => core.exp(cpu.tensor([1], [1], { dtype: 'i32' })),
      /exp: x is i32; it must be f32 or f16/,
    ],
    [
      'matmul: inner size',
      () => core.matmul(ones(2, 3), ones(4, 5)),
      /matmul: \[2, 3\] times \[4, 5\] is not defined: the last dimension/,
    ],
    ['matmul: batch', () => core.matmul(ones(2, 3, 4), ones(3, 4, 5)), /leading \(batch\) dimensions must agree/],
    ['matmul: vector', () => core.matmul(ones(3), ones(3, 2)), /matmul: \[3\] times/],
    [
      'linear: sizes',
      () => core.linear(ones(2, 3), ones(4, 5), ones(5)),
      /linear: x \[2, 3\], w \[4, 5\], b \[5\] must be \[rows, in\], \[in, out\], \[out\]/,
    ],
    [
      'linear: residual',
      () => core.linear(ones(2, 3), ones(3, 5), ones(5), { residual: ones(2, 4) }),
      /residual \[2, 4\] must be \[2, 5\]/,
    ],
    [
      'linear: both',
      () => core.linear(ones(2, 3), ones(3, 5), ones(5), { residual: ones(2, 5), activation: 'relu' }),
      /activation and residual do not go together/,
    ],
    ['softmax: scalar', () => core.softmax(cpu.tensor([1], [])), /softmax: needs at least one dimension/],
    [
      'layer norm',
      () => core.layerNorm(ones(2, 3), ones(4), ones(4)),
      /gamma \[4\] and beta \[4\] must be as long as the rows of x \[2, 3\]/,
    ],
    [
      'attention: heads',
      () => core.attention(ones(4, 10), { heads: 2, table: table(0, 4, 0, 4, 0, 0), maxLength: 4 }),
      /qkv \[4, 10\] must be \[rows, 3 \* heads \* headDim\] with 2 heads/,
    ],
    [
      'attention: table',
      () => core.attention(ones(4, 12), { heads: 2, table: ones(1, 6), maxLength: 4 }),
      /table must be i32 \[sequences, 6\], not f32 \[1, 6\]/,
    ],
    [
      'gather',
      () => core.gatherRows(ones(4, 2), ones(3)),
      /needs a table \[rows, cols\] and an i32 index \[n\], got \[4, 2\] and f32 \[3\]/,
    ],
    [
      'cross-entropy',
      () => core.crossEntropy(ones(2, 3), ones(2, 4), ones(2)),
      /crossEntropy: needs logits .* got \[2, 3\], \[2, 4\], \[2\]/,
    ],
    [
      'divergence',
      () => core.reverseKl(ones(2, 3), ones(2, 3), ones(3), ones(1)),
      /reverse_kl: needs logits .* weights \[rows\]/,
    ],
    ['reduction', () => core.sum(ones(2, 3), 2), /sum: axis 2 does not exist in a tensor of rank 2; use -2..1/],
    ['reshape', () => core.reshape(ones(2, 3), [4]), /\[2, 3\] has 6 elements, \[4\] would have 4/],
    ['permute', () => core.permute(ones(2, 3), [0, 0]), /\[0, 0\] is not an order of the 2 axes of \[2, 3\]/],
    ['slice', () => core.slice(ones(2, 3), 1, 2, 4), /slice: 2..4 is not a range within axis 1 of \[2, 3\]/],
    ['concat', () => core.concat([ones(2, 3), ones(2, 4)], 0), /\[2, 3\] and \[2, 4\] must agree in all axes but 0/],
    ['concat of nothing', () => core.concat([]), /at least one tensor/],
    ['broadcastTo', () => core.broadcastTo(ones(3), [2, 4]), /do not broadcast|does not broadcast/],
    [
      'backward of a wrong gradient',
      () => core.square(ones(2).trainable()).backward({ grad: ones(3) }),
      /the gradient \[3\] must have the tensor's shape \[2\]/,
    ],
    [
      'trainable result',
      () => core.square(ones(2).trainable()).trainable(),
      /only a leaf can be made trainable.*detach/,
    ],
  ];
  it.each(cases)('%s', (_, call, message) => {
    expect(call).toThrow(message);
  });
});

describe('tensors without elements', () => {
  const empty = (...shape: number[]) => cpu.zeros(shape).trainable();

  it('go through every kind of op, and back', async () => {
    const results: [Tensor, number[]][] = [
      [core.add(empty(0, 3), ones(3)), [0, 3]],
      [core.relu(empty(2, 0)), [2, 0]],
      [core.matmul(empty(0, 3), ones(3, 2)), [0, 2]],
      [core.linear(empty(0, 3), ones(3, 2), ones(2)), [0, 2]],
      [core.softmax(empty(0, 4)), [0, 4]],
      [core.layerNorm(empty(0, 4), ones(4), ones(4)), [0, 4]],
      [core.crossEntropy(empty(0, 4), ones(0, 4), ones(0)), [0]],
      [core.sum(empty(3, 0), 1), [3]],
      [core.transpose(empty(0, 4)), [4, 0]],
    ];
    for (const [result, shape] of results) {
      expect(result.shape).toEqual(shape);
      core.sum(result).backward();
      expect(Array.from(await result.read())).toEqual(new Array(result.size).fill(0));
    }
  });

  it('a table from which nothing is gathered has a gradient of zeros', async () => {
    const rows = ones(4, 2).trainable();
    core.sum(core.gatherRows(rows, cpu.tensor([], [0], { dtype: 'i32' }))).backward();
    expect(Array.from(await rows.grad!.read())).toEqual(new Array(8).fill(0));
  });

  it('a product over nothing is zero', async () => {
    expect(Array.from(await core.matmul(ones(2, 0), ones(0, 3)).read())).toEqual(new Array(6).fill(0));
  });
});
