/**
 * Ragged batches without padding: sequences of different lengths lie one after another in the rows of a tensor, and a
 * table tells attention where each begins. All other layers work row by row and never need to know.
 */
import { sequenceFields } from '../kernels/index.js';
import type { Device, HostArray } from './device.js';
import type { Tensor } from './tensor.js';

/** One packed sequence: how many rows it has, and how many of them are its prompt. */
export interface SequenceSpan {
  /** Rows of the sequence; may be 0. */
  readonly length: number;
  /** Leading rows that see each other in both directions (the prompt); the rest is causal. */
  readonly prefix: number;
}

/** Where packed sequences lie, as the attention kernels read it. */
export class SequenceTable {
  readonly spans: readonly SequenceSpan[];
  /** First row of each sequence. */
  readonly starts: readonly number[];
  /** Rows of all sequences together. */
  readonly rows: number;
  /** The longest sequence in rows, or more. */
  readonly maxLength: number;

  /** @param longest a lower bound of `maxLength`, to keep shapes the same from batch to batch */
  constructor(spans: readonly SequenceSpan[], longest = 0) {
    const starts: number[] = [];
    let rows = 0;
    let maxLength = longest;
    for (const { length, prefix } of spans) {
      if (!(Number.isInteger(length) && Number.isInteger(prefix) && prefix >= 0 && prefix <= length))
        throw new Error(`a sequence of ${length} rows with a prefix of ${prefix} is not possible`);
      starts.push(rows);
      rows += length;
      maxLength = Math.max(maxLength, length);
    }
    this.spans = spans;
    this.starts = starts;
    this.rows = rows;
    this.maxLength = maxLength;
  }

  /** i32 [sequences, 6] for `attention`: queries and keys are the same rows. */
  toArray(): HostArray {
    const values = this.spans.flatMap(({ length, prefix }, s) => [
      this.starts[s]!,
      length,
      this.starts[s]!,
      length,
      prefix,
      0,
    ]);
    return { values: Int32Array.from(values), shape: [this.spans.length, sequenceFields], dtype: 'i32' };
  }

  /** The same on a device. */
  toTensor(device: Device): Tensor {
    return device.fromHost(this.toArray());
  }
}
