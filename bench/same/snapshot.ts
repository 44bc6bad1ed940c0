/** What a run has left, small enough to be kept: texts as they are, tensors as hashes. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { leftOutFiles } from './renames.js';

export type Entry =
  | { readonly text: string }
  | { readonly sha256: string }
  | {
      readonly metadata: Readonly<Record<string, string>>;
      /** `F32 [64, 64] <sha256>` by name. */
      readonly tensors: Readonly<Record<string, string>>;
    };

export interface Snapshot {
  /** Why there is nothing: the last line that the command said. */
  readonly refused?: string;
  readonly seconds: number;
  /** By path within the run's folder. */
  readonly files: Readonly<Record<string, Entry>>;
}

/** All files below a folder. */
export function snapshotOf(folder: string): Record<string, Entry> {
  const files = fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(found => found.isFile() && !leftOutFiles.includes(found.name))
    .map(found => path.join(found.parentPath, found.name))
    .sort();
  const name = (file: string) => path.relative(folder, file).split(path.sep).join('/');
  return Object.fromEntries(files.map(file => [name(file), entryOf(file)]));
}

function entryOf(file: string): Entry {
  const bytes = fs.readFileSync(file);
  if (file.endsWith('.safetensors')) return checkpointOf(bytes);
  if (/\.(jsonl?|md|txt|csv)$/.test(file)) return { text: bytes.toString('utf8') };
  return { sha256: hash(bytes) };
}

interface Header {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Reads the format by itself, so that a mistake in the reader of the working tree hides nothing. */
function checkpointOf(bytes: Buffer): Entry {
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata = {}, ...headers } = JSON.parse(bytes.toString('utf8', 8, start)) as {
    __metadata__?: Record<string, string>;
  } & Record<string, Header>;
  const tensors = Object.entries(headers as Record<string, Header>).map(([name, { dtype, shape, data_offsets }]) => {
    const [begin, end] = data_offsets;
    return [name, `${dtype} [${shape.join(', ')}] ${hash(bytes.subarray(start + begin, start + end))}`] as const;
  });
  return { metadata, tensors: Object.fromEntries(tensors) };
}

export const hash = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
