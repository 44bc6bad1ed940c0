// js-pytorch, plain JavaScript: matrix products of side 256 only, since larger ones take it seconds each:
// `node jspytorch.mjs TASK`
import { torch } from 'js-pytorch';
import { loadTask, runTask } from './task.mjs';

const task = loadTask(process.argv[2] ?? '');
const nested = (values, [rows, columns]) =>
  Array.from({ length: rows }, (_, i) => Array.from(values.subarray(i * columns, (i + 1) * columns)));

await runTask(
  { ...task, kernels: task.kernels.filter(({ m, n, k }) => m === 256 && n === 256 && k === 256) },
  {
    name: 'js-pytorch',
    operand: (values, shape) => torch.tensor(nested(values, shape), false),
    run: (kind, [a, b]) => [
      torch.matmul(kind === 'tn' ? torch.transpose(a, 0, 1) : a, kind === 'nt' ? torch.transpose(b, 0, 1) : b),
    ],
    finish: () => undefined,
    read: result => result.data.flat(),
    release: () => undefined,
  },
);
process.exit(0);
