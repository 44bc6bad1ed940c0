/**
 * The stage-1 dataset as LLaMA-Factory reads it: a JSON list of chats with images (`sharegpt` with role/content
 * messages), and its entry in dataset_info.json. Image paths are relative to the dataset's folder, its default
 * `media_dir`.
 */
import path from 'node:path';
import { writeJson, writeNewFile } from '../runs/files.js';
import type { Look } from './formats.js';
import type { StoredPuzzle } from './puzzle-files.js';
import { perceptionAnswer, perceptionPrompt } from './prompts.js';

const perceptionDataset = 'vsp_tasks_perception_sft';

/** One conversation. */
function perceptionRow({ puzzle: { world, instance }, image, source, look }: ExportedPuzzle): object {
  return {
    messages: [
      { role: 'user', content: perceptionPrompt(world, look) },
      { role: 'assistant', content: perceptionAnswer(world, instance) },
    ],
    images: [image],
    task: `${world.name}_perception_all`,
    level: instance.size,
    source_text: source,
  };
}

/** The entry in dataset_info.json for a file of such rows. */
function datasetEntry(file: string): object {
  return {
    file_name: file,
    formatting: 'sharegpt',
    columns: { messages: 'messages', images: 'images' },
    tags: { role_tag: 'role', content_tag: 'content', user_tag: 'user', assistant_tag: 'assistant' },
  };
}

/** A puzzle with the paths of its copied image and text. */
export interface ExportedPuzzle {
  readonly puzzle: StoredPuzzle;
  /** Relative to the dataset's folder, with `/`. */
  readonly image: string;
  readonly source: string;
  readonly look: Look;
  readonly split: 'train' | 'test';
}

/** Writes rows as a JSON list, one a line; no file without rows. */
export function writeRows(file: string, rows: readonly object[]): void {
  if (rows.length > 0) writeNewFile(file, `[\n${rows.map(row => JSON.stringify(row)).join(',\n')}\n]\n`);
}

/** Writes training and held-out rows as two datasets, and dataset_info.json. @returns names of the datasets */
export function writeLlamaFactory(folder: string, puzzles: readonly ExportedPuzzle[]): string[] {
  const info: Record<string, object> = {};
  for (const split of ['train', 'test']) {
    const name = split === 'train' ? perceptionDataset : `${perceptionDataset}_test`;
    const rows = puzzles.filter(exported => exported.split === split).map(perceptionRow);
    writeRows(path.join(folder, `${name}.json`), rows);
    if (rows.length > 0) info[name] = datasetEntry(`${name}.json`);
  }
  writeJson(path.join(folder, 'dataset_info.json'), info);
  return Object.keys(info);
}
