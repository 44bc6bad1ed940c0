/**
 * The stage-1 dataset in the chat format with images that LLaMA-Factory reads: a JSON list of conversations (`sharegpt` with
 * role/content messages), and the entry of dataset_info.json that says so. Image paths are relative to the dataset's folder,
 * which is LLaMA-Factory's `media_dir` unless told otherwise.
 */
import path from 'node:path';
import { writeFileAtomic, writeJson } from '../runs/files.js';
import type { StoredSample } from './puzzle-files.js';
import { perceptionAnswer, perceptionPrompt } from './prompts.js';

export const perceptionDataset = 'vsp_tasks_perception_sft';

export interface PerceptionRow {
  readonly messages: readonly { readonly role: 'user' | 'assistant'; readonly content: string }[];
  readonly images: readonly string[];
  /** `frozenlake_perception_all`, ... */
  readonly task: string;
  readonly level: number;
  /** The sample's text file, whole. */
  readonly source_text: string;
}

/** One conversation. @param image path of the picture, relative to the dataset's folder */
export function perceptionRow({ world, instance, text }: StoredSample, image: string): PerceptionRow {
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

/** The entry that LLaMA-Factory needs of a file with such rows. */
function datasetEntry(file: string): object {
  return {
    file_name: file,
    formatting: 'sharegpt',
    columns: { messages: 'messages', images: 'images' },
    tags: { role_tag: 'role', content_tag: 'content', user_tag: 'user', assistant_tag: 'assistant' },
  };
}

/** A sample with the place that its image has been copied to. */
export interface ExportedSample {
  readonly sample: StoredSample;
  /** Relative to the dataset's folder, with `/`. */
  readonly image: string;
  readonly split: 'train' | 'test';
}

/** Writes the dataset, training and held-out rows as two of them, and dataset_info.json. @returns names of the datasets */
export function writeLlamaFactory(folder: string, samples: readonly ExportedSample[]): string[] {
  const info: Record<string, object> = {};
  for (const [split, name] of [
    ['train', perceptionDataset],
    ['test', `${perceptionDataset}_test`],
  ] as const) {
    const rows = samples
      .filter(sample => sample.split === split)
      .map(({ sample, image }) => perceptionRow(sample, image));
    if (rows.length === 0) continue;
    writeFileAtomic(path.join(folder, `${name}.json`), `[\n${rows.map(row => JSON.stringify(row)).join(',\n')}\n]\n`);
    info[name] = datasetEntry(`${name}.json`);
  }
  writeJson(path.join(folder, 'dataset_info.json'), info);
  return Object.keys(info);
}
