/**
 * The stage-2 dataset as the authors' EasyR1 pipeline (verl on Ray) reads it: student prompt, teacher context, answer and image
 * of each puzzle as one JSON object, and the same as Parquet with the images inside.
 */
import fs from 'node:fs';
import path from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { SchemaElement } from 'hyparquet-writer';
import { readFile, writeFileAtomic } from '../runs/files.js';
import type { ExportedPuzzle } from './llama-factory.js';
import { answerText, studentPrompt, teacherContext, teacherSystemPrompt } from './prompts.js';

interface DistillationRow {
  readonly sample_id: string;
  readonly task: string;
  readonly level: number;
  readonly messages: readonly { readonly role: 'user' | 'assistant'; readonly content: string }[];
  /** Relative to the dataset's folder. */
  readonly images: readonly string[];
  /** Empty: the teacher sees none. */
  readonly teacher_images: readonly string[];
  /** The stored text, whole. */
  readonly vsp_task_text: string;
  readonly teacher_system_prompt: string;
  readonly teacher_text_context: string;
}

/** @param withPlan whether the teacher is told the reference plan, as in the paper */
function distillationRow({ puzzle, image }: ExportedPuzzle, withPlan: boolean): DistillationRow {
  const { world, instance, text, name } = puzzle;
  return {
    sample_id: name,
    task: world.name,
    level: instance.size,
    messages: [
      { role: 'user', content: studentPrompt(world) },
      { role: 'assistant', content: answerText(world, instance) },
    ],
    images: [image],
    teacher_images: [],
    vsp_task_text: text,
    teacher_system_prompt: teacherSystemPrompt(world, withPlan),
    teacher_text_context: teacherContext(world, instance, withPlan),
  };
}

const textColumns = [
  'problem',
  'answer',
  'task',
  'vsp_task_text',
  'teacher_system_prompt',
  'teacher_text_context',
] as const;
const imageColumns = ['images', 'teacher_images'] as const;

const text = (name: string): SchemaElement => ({
  name,
  type: 'BYTE_ARRAY',
  converted_type: 'UTF8',
  logical_type: { type: 'STRING' },
  repetition_type: 'OPTIONAL',
});

/** list<struct<bytes: binary, path: string>>, in Parquet's three levels for lists. */
const imageList = (name: string): SchemaElement[] => [
  { name, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST', logical_type: { type: 'LIST' } },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', repetition_type: 'OPTIONAL', num_children: 2 },
  { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
  text('path'),
];

/** In the order of the file. */
const [problem, answer, ...rest] = textColumns;
const columns = [problem, answer, ...imageColumns, ...rest] as const;

const schema: SchemaElement[] = [
  { name: 'schema', num_children: columns.length },
  ...columns.flatMap(name => ((imageColumns as readonly string[]).includes(name) ? imageList(name) : [text(name)])),
];

/** Metadata for Hugging Face's `datasets`: which columns hold images. (All its versions read `Sequence`.) */
const features = {
  info: {
    features: Object.fromEntries<object>([
      ...textColumns.map(name => [name, { dtype: 'string', _type: 'Value' }] as const),
      ...imageColumns.map(name => [name, { feature: { _type: 'Image' }, _type: 'Sequence' }] as const),
    ]),
  },
};

interface StoredImage {
  readonly bytes: Uint8Array;
  readonly path: string;
}

/** Rows as a Parquet file. @param imageOf the bytes of an image by its path in the row */
function parquetOf(rows: readonly DistillationRow[], imageOf: (image: string) => Uint8Array): Uint8Array {
  const images = (paths: readonly string[]) =>
    paths.map<StoredImage>(image => ({ bytes: imageOf(image), path: image }));
  const data: Record<(typeof columns)[number], unknown[]> = {
    problem: rows.map(({ messages }) => messages[0]?.content),
    answer: rows.map(({ messages }) => (messages[1]?.content ?? '').replace(/^<answer>|<\/answer>$/g, '')),
    images: rows.map(row => images(row.images)),
    teacher_images: rows.map(row => images(row.teacher_images)),
    task: rows.map(({ task }) => task),
    vsp_task_text: rows.map(row => row.vsp_task_text),
    teacher_system_prompt: rows.map(row => row.teacher_system_prompt),
    teacher_text_context: rows.map(row => row.teacher_text_context),
  };
  const buffer = parquetWriteBuffer({
    columnData: columns.map(name => ({ name, data: data[name] })),
    schema,
    statistics: false,
    rowGroupSize: 1000,
    kvMetadata: [{ key: 'huggingface', value: JSON.stringify(features) }],
    createdBy: 'mgsd-lite',
  });
  return new Uint8Array(buffer);
}

/** Writes train and test as JSON and as Parquet. @returns the files */
export function writeEasyR1(folder: string, puzzles: readonly ExportedPuzzle[], withPlan: boolean): string[] {
  const files: string[] = [];
  for (const split of ['train', 'test'] as const) {
    const rows = puzzles
      .filter(exported => exported.split === split)
      .map(exported => distillationRow(exported, withPlan));
    if (rows.length === 0) continue;
    writeFileAtomic(path.join(folder, `${split}.json`), `[\n${rows.map(row => JSON.stringify(row)).join(',\n')}\n]\n`);
    const bytes = parquetOf(rows, image => readFile(path.join(folder, image)));
    fs.writeFileSync(path.join(folder, `${split}.parquet`), bytes);
    files.push(`${split}.json`, `${split}.parquet`);
  }
  return files;
}
