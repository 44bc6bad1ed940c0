/**
 * The stage-1 dataset as LLaMA-Factory reads it: a JSON list of chats with images (`sharegpt` with role/content messages), and
 * its entry in dataset_info.json. Image paths are relative to the dataset's folder, LLaMA-Factory's default `media_dir`.
 */
import path from 'node:path';
import { writeFileAtomic, writeJson } from '../runs/files.js';
import type { StoredPuzzle } from './puzzle-files.js';
import { perceptionAnswer, perceptionPrompt } from './prompts.js';

const perceptionDataset = 'vsp_tasks_perception_sft';

interface PerceptionRow {
  readonly messages: readonly { readonly role: 'user' | 'assistant'; readonly content: string }[];
  readonly images: readonly string[];
  /** `frozenlake_perception_all`, ... */
  readonly task: string;
  readonly level: number;
  /** The stored text, whole. */
  readonly source_text: string;
}

/** One conversation. @param image path of the picture, relative to the dataset's folder */
function perceptionRow({ world, instance, text }: StoredPuzzle, image: string): PerceptionRow {
  return {
    messages: [
      { role: 'user', content: perceptionPrompt(world) },
      { role: 'assistant', content: perceptionAnswer(world, instance) },
    ],
    images: [image],
    task: `${world.name}_perception_all`,
    level: instance.size,
    source_text: text,
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

/** A puzzle with the path of its copied image. */
export interface ExportedPuzzle {
  readonly puzzle: StoredPuzzle;
  /** Relative to the dataset's folder, with `/`. */
  readonly image: string;
  readonly split: 'train' | 'test';
}

/** Writes the dataset, training and held-out rows as two of them, and dataset_info.json. @returns names of the datasets */
export function writeLlamaFactory(folder: string, puzzles: readonly ExportedPuzzle[]): string[] {
  const info: Record<string, object> = {};
  for (const [split, name] of [
    ['train', perceptionDataset],
    ['test', `${perceptionDataset}_test`],
  ] as const) {
    const rows = puzzles
      .filter(exported => exported.split === split)
      .map(({ puzzle, image }) => perceptionRow(puzzle, image));
    if (rows.length === 0) continue;
    writeFileAtomic(path.join(folder, `${name}.json`), `[\n${rows.map(row => JSON.stringify(row)).join(',\n')}\n]\n`);
    info[name] = datasetEntry(`${name}.json`);
  }
  writeJson(path.join(folder, 'dataset_info.json'), info);
  return Object.keys(info);
}
