/**
 * The stage-2 dataset as the authors' EasyR1 pipeline (verl on Ray) reads it: student prompt, teacher context, answer
 * and image of each puzzle as one JSON object, and the same as Parquet with the images inside.
 */
import path from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { SchemaElement } from 'hyparquet-writer';
import { readFile, writeNewFile } from '../runs/files.js';
import { writeRows } from './llama-factory.js';
import type { ExportedPuzzle } from './llama-factory.js';
import { answerText, studentPrompt, teacherContext, teacherSystemPrompt } from './prompts.js';

type Row = ReturnType<typeof distillationRow>;

/** A JSON row. @param withPlan whether the teacher is told the reference plan, as in the paper */
function distillationRow({ puzzle, image, look }: ExportedPuzzle, withPlan: boolean) {
  const { world, instance, text, name } = puzzle;
  return {
    sample_id: name,
    task: world.name,
    level: instance.size,
    messages: [
      { role: 'user', content: studentPrompt(world, look) },
      { role: 'assistant', content: answerText(world, instance) },
    ] as const,
    images: [image], // relative to the dataset's folder
    teacher_images: [], // the teacher sees none
    vsp_task_text: text, // as stored, whole
    teacher_system_prompt: teacherSystemPrompt(world),
    teacher_text_context: teacherContext(world, instance, withPlan),
  };
}

/** The Parquet columns in the order of the file: texts, or (`...images`) paths of images. */
const columns: Readonly<Record<string, (row: Row) => string | readonly string[]>> = {
  problem: ({ messages: [question] }) => question.content,
  answer: ({ messages: [, answer] }) => answer.content.replace(/^<answer>|<\/answer>$/g, ''),
  images: row => row.images,
  teacher_images: row => row.teacher_images,
  task: row => row.task,
  vsp_task_text: row => row.vsp_task_text,
  teacher_system_prompt: row => row.teacher_system_prompt,
  teacher_text_context: row => row.teacher_text_context,
};
const names = Object.keys(columns);
const isOfImages = (name: string) => name.endsWith('images');

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

const schema: SchemaElement[] = [
  { name: 'schema', num_children: names.length },
  ...names.flatMap(name => (isOfImages(name) ? imageList(name) : [text(name)])),
];

/** Metadata for Hugging Face's `datasets`: which columns hold images. (All its versions read `Sequence`.) */
const features = names.map(name => [
  name,
  isOfImages(name) ? { feature: { _type: 'Image' }, _type: 'Sequence' } : { dtype: 'string', _type: 'Value' },
]);
const metadata = JSON.stringify({ info: { features: Object.fromEntries(features) as object } });

/** Rows as a Parquet file. @param bytesOf the bytes of an image by its path in the row */
function parquetOf(rows: readonly Row[], bytesOf: (image: string) => Uint8Array): Uint8Array {
  const cell = (value: string | readonly string[]) =>
    typeof value === 'string' ? value : value.map(image => ({ bytes: bytesOf(image), path: image }));
  const buffer = parquetWriteBuffer({
    columnData: Object.entries(columns).map(([name, of]) => ({ name, data: rows.map(row => cell(of(row))) })),
    schema,
    statistics: false,
    rowGroupSize: 1000,
    kvMetadata: [{ key: 'huggingface', value: metadata }],
    createdBy: 'mgsd-lite',
  });
  return new Uint8Array(buffer);
}

/** Writes train and test as JSON and as Parquet. @returns the files */
export function writeEasyR1(folder: string, puzzles: readonly ExportedPuzzle[], withPlan: boolean): string[] {
  return ['train', 'test'].flatMap(split => {
    const rows = puzzles.filter(exported => exported.split === split).map(each => distillationRow(each, withPlan));
    if (rows.length === 0) return [];
    writeRows(path.join(folder, `${split}.json`), rows);
    const bytes = parquetOf(rows, image => readFile(path.join(folder, image)));
    writeNewFile(path.join(folder, `${split}.parquet`), bytes);
    return [`${split}.json`, `${split}.parquet`];
  });
}
