/**
 * The work that launches really do. Kernels know only their params, which are equal for all batches of a bucket: in
 * ragged batches the table says how many keys each query sees, and a rollout skips ended sequences.
 */
import { namedParams } from '../../core/backend.js';
import type { Device, Tensor } from '../../core/index.js';
import type { Cost, Kernel } from '../../kernels/index.js';
import { vocabulary } from '../../models/index.js';

type Params = Readonly<Record<string, number>>;

/** Fields of a row of a table: first query, queries, first key, keys, prefix, position (see core/sequences.ts). */
const fields = 6;

/** True for the attention kernels. */
export const hasTable = ({ name }: Pick<Kernel, 'name'>) => name === 'attention' || name === 'attention_grad';

/** Pairs of a query and a key that it sees, and rows of queries and keys together. */
export function visiblePairs(table: ArrayLike<number>): { readonly pairs: number; readonly rows: number } {
  let [pairs, rows] = [0, 0];
  for (let at = 0; at < table.length; at += fields) {
    const [queries, keys, prefix, position] = [table[at + 1]!, table[at + 3]!, table[at + 4]!, table[at + 5]!];
    for (let i = 0; i < queries; i++) pairs += Math.min(keys, Math.max(prefix, position + i + 1));
    rows += queries + keys;
  }
  return { pairs, rows };
}

/** Attention counted by the pairs that its table names. */
export function attentionWork(kernel: Kernel, params: Params, table: Int32Array): Cost {
  const { flops, elements } = kernel.cost(params);
  const sequences = params['sequences']!;
  const queries = params['maxQueries']!;
  const keys = params['maxKeys'] ?? queries;
  const { pairs, rows } = visiblePairs(table.subarray(0, fields * sequences));
  return {
    flops: (flops * pairs) / (sequences * queries * keys),
    elements: (elements * rows) / (sequences * (queries + keys)),
  };
}

/** A rollout counted by the tokens that it has drawn. */
export function rolloutWork(kernel: Kernel, params: Params, tokens: Int32Array): Cost {
  const { flops, elements } = kernel.cost(params);
  const { sequences, stride, column, steps } = params as Record<'sequences' | 'stride' | 'column' | 'steps', number>;
  let drawn = 0;
  for (let s = 0; s < sequences; s++)
    for (let t = column; t < column + steps; t++) if (tokens[s * stride + t] !== vocabulary.PAD) drawn++;
  return { flops: (flops * drawn) / (sequences * steps), elements };
}

/** Work of one step. */
export interface Work {
  readonly flops: number;
  readonly launches: number;
  /** Decoder rows that are trained on, prompts included: of the batch itself, and with padding. */
  readonly tokens: number;
  readonly computedTokens: number;
}

/** Counts `body`, which runs eagerly meanwhile. @param batch sequences; what a table holds beyond them is padding */
export async function countWork(device: Device, batch: number, body: () => Promise<unknown>): Promise<Work> {
  let [flops, launches, tokens, computedTokens] = [0, 0, 0, 0];
  const pending: Promise<void>[] = [];
  const seen = new Set<Tensor['storage']>();
  let current: Params = {};
  device.observer = (kernel, _, params) => {
    current = namedParams(kernel, params);
    launches++;
    if (!hasTable(kernel) && kernel.name !== 'rollout') flops += kernel.cost(current).flops;
  };
  device.resultObserver = (kernel, tensors) => {
    const params = current;
    if (hasTable(kernel))
      pending.push(
        tensors['table']!.read().then(values => {
          const table = Int32Array.from(values);
          flops += attentionWork(kernel, params, table).flops;
          const { storage } = tensors['table']!;
          // images have no response
          const isDecoder = table.some((prefix, i) => i % fields === 4 && prefix < table[i - 1]!);
          if (kernel.name !== 'attention_grad' || !isDecoder || seen.has(storage)) return;
          seen.add(storage); // all layers share a table
          for (let at = 1; at < table.length; at += fields) {
            computedTokens += table[at]!;
            if (at < fields * batch) tokens += table[at]!;
          }
        }),
      );
    if (kernel.name === 'rollout')
      pending.push(
        tensors['tokens']!.read().then(values => {
          flops += rolloutWork(kernel, params, Int32Array.from(values)).flops;
        }),
      );
  };
  try {
    await body();
  } finally {
    device.observer = device.resultObserver = undefined;
  }
  await Promise.all(pending);
  return { flops, launches, tokens, computedTokens };
}
