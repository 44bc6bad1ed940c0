// onnxruntime-node, native code, single kernels only: `node ort.mjs TASK cpu THREADS`. It runs ONNX graphs, so each
// kernel is a graph of one node, written here in protobuf's wire format (onnx/onnx, onnx.proto).
import ort from 'onnxruntime-node';
import { loadTask, runTask } from './task.mjs';

const [folder = '', provider = 'cpu', threads = '1'] = process.argv.slice(2);

const varint = value => {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
};
/** A field of protobuf: a number, a string, or an embedded message as bytes. */
const field = (number, value) => {
  if (typeof value === 'number') return [...varint(number * 8), ...varint(value)];
  const bytes = typeof value === 'string' ? [...Buffer.from(value)] : value;
  return [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes];
};
const tensorInfo = (name, shape) => {
  const dimensions = shape.flatMap(size => field(1, field(1, size)));
  return [...field(1, name), ...field(2, field(1, [...field(1, 1), ...field(2, dimensions)]))];
};
const integer = (name, value) => field(5, [...field(1, name), ...field(3, value), ...field(20, 2)]);

/** A model of one node. @param inputs shapes by name */
function model(op, attributes, inputs, output) {
  const names = Object.keys(inputs);
  const node = [...names.flatMap(name => field(1, name)), ...field(2, 'y'), ...field(4, op), ...attributes];
  const graph = [
    ...field(1, node),
    ...field(2, 'graph'),
    ...Object.entries(inputs).flatMap(([name, shape]) => field(11, tensorInfo(name, shape))),
    ...field(12, tensorInfo('y', output)),
  ];
  return Uint8Array.from([...field(1, 8), ...field(7, graph), ...field(8, [...field(1, ''), ...field(2, 17)])]);
}

const sessions = new Map();
async function sessionOf(kind, operands, { m, n }) {
  const shapes = operands.map(({ dims }) => [...dims]);
  const [shape, second] = shapes;
  const key = `${kind} ${shapes.join(' ')}`;
  if (!sessions.has(key)) {
    const columns = shape[1];
    const bytes =
      kind === 'softmax'
        ? model('Softmax', integer('axis', 1), { a: shape }, shape)
        : model(
            'Gemm',
            [...integer('transA', Number(kind === 'tn')), ...integer('transB', Number(kind === 'nt'))],
            { a: shape, b: second },
            [m, n],
          );
    const options = { executionProviders: [provider], intraOpNumThreads: Number(threads) };
    sessions.set(key, await ort.InferenceSession.create(bytes, options));
  }
  return sessions.get(key);
}

await runTask(loadTask(folder), {
  name: `onnxruntime-node ${provider}`,
  operand: (values, shape) => new ort.Tensor('float32', values, shape),
  async run(kind, operands, kernel) {
    if (!['nn', 'nt', 'tn', 'softmax'].includes(kind)) return undefined; // inference only
    const session = await sessionOf(kind, operands, kernel);
    const [a, b] = operands;
    const { y } = await session.run(b ? { a, b } : { a });
    return [y];
  },
  finish: () => undefined,
  read: result => result.data,
  release: () => undefined,
});
process.exit(0);
