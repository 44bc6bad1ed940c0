import fs from 'node:fs';
import path from 'node:path';
import { parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import type { SchemaTree } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { parseAnswer } from '../../../mgsd/exchange/answers.js';
import { describe as describeState, formatsOf } from '../../../mgsd/exchange/formats.js';
import { IMAGE, perceptionPrompt, studentPrompt, teacherSystemPrompt } from '../../../mgsd/exchange/prompts.js';
import { runJob } from '../../../mgsd/exchange/generate.js';
import { parsePuzzleText, readPuzzle } from '../../../mgsd/exchange/puzzle-text.js';
import { judgeAnswer } from '../../../mgsd/exchange/scoring.js';
import { decodePng, encodePng } from '../../../mgsd/pictures/png.js';
import { createWorldByName } from '../../../mgsd/worlds/registry.js';
import { RENDER_STYLES } from '../../../mgsd/worlds/world.js';
import type { World } from '../../../mgsd/worlds/world.js';
import { lakeOf, mazeOf } from '../boards.js';
import { run } from '../capture.js';
import { createDelivery } from '../worlds/delivery-world.js';
import { storedWorlds } from './contract.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();
const job = { options: undefined, seed: 3, balanced: false, style: 'training', pixels: 32 } as const;

function writeData(): string {
  const folder = temporary.file('puzzles');
  for (const world of storedWorlds)
    for (const split of ['train', 'test'] as const)
      runJob({ ...job, world, level: 5, split, count: 2, folder: path.join(folder, split) });
  return folder;
}

interface Message {
  readonly role: string;
  readonly content: string;
}

const json = (file: string) => JSON.parse(fs.readFileSync(temporary.file(file), 'utf8')) as Record<string, unknown>[];

describe('export llama-factory', () => {
  it('writes chats with images and the entry that says how to read them', async () => {
    const args = ['--data', writeData(), '--out', temporary.file('stage1')];
    expect(await run('export', 'llama-factory', ...args)).toMatchObject({ code: 0, err: '' });
    const info = JSON.parse(fs.readFileSync(temporary.file('stage1/dataset_info.json'), 'utf8')) as Record<
      string,
      { file_name: string; columns: object; tags: object }
    >;
    expect(Object.keys(info)).toEqual(['vsp_tasks_perception_sft', 'vsp_tasks_perception_sft_test']);
    for (const { file_name: file, ...entry } of Object.values(info)) {
      expect(entry).toEqual({
        formatting: 'sharegpt',
        columns: { messages: 'messages', images: 'images' },
        tags: { role_tag: 'role', content_tag: 'content', user_tag: 'user', assistant_tag: 'assistant' },
      });
      const rows = json(`stage1/${file}`);
      expect(rows).toHaveLength(6);
      for (const row of rows) {
        const [user, assistant, ...more] = row['messages'] as Message[];
        expect([user!.role, assistant!.role, more]).toEqual(['user', 'assistant', []]);
        expect(user!.content.split(IMAGE)).toHaveLength(2); // as many as there are images
        expect(user!.content.startsWith(IMAGE)).toBe(true);
        const [image] = row['images'] as string[];
        expect(decodePng(fs.readFileSync(temporary.file(`stage1/${image!}`)))).toMatchObject({ width: 32, height: 32 });
        const count = (text: string) => text.match(/^\d+\. /gm)!.map(Number.parseFloat);
        expect(count(assistant!.content)).toEqual(count(user!.content));
        expect(row['task']).toMatch(/^(frozenlake|maze|minibehaviour)_perception_all$/);
        const source = fs.readFileSync(temporary.file(`stage1/${String(row['source_text'])}`), 'utf8');
        expect([row['level'], source.split('\n')[0]]).toEqual([5, `task=${String(row['task']).split('_')[0]!}`]);
      }
    }
  });

  it('describes the look that each picture has', async () => {
    const data = temporary.file('looks');
    for (const style of RENDER_STYLES)
      runJob({ ...job, style, world: 'maze', level: 5, split: 'train', count: 2, folder: path.join(data, style) });
    const foreign = path.join(data, 'training/Maze/level5/image/maze_train_5_000001.png');
    const image = decodePng(fs.readFileSync(foreign));
    fs.writeFileSync(foreign, encodePng({ ...image, data: image.data.map(value => value ^ 1) }));
    for (const [format, file] of [
      ['llama-factory', 'vsp_tasks_perception_sft'],
      ['easy-r1', 'train'],
    ] as const) {
      const { out } = await run('export', format, '--data', data, '--out', temporary.file(format));
      expect(out).toMatch(/3 pictures have neither/);
      const looks = json(`${format}/${file}.json`).map(row => {
        const [image] = row['images'] as string[];
        const { content } = (row['messages'] as Message[])[0]!;
        return [
          image!.replace('images/', '').split('/')[0],
          /white corridors|pale corridors|corridors/.exec(content)?.[0],
        ];
      });
      expect(looks).toEqual([
        ['held-out', 'pale corridors'],
        ['held-out', 'pale corridors'],
        ['random', 'corridors'],
        ['random', 'corridors'],
        ['training', 'white corridors'],
        ['training', 'corridors'],
      ]);
    }
  });

  it('answers every question as the board is', () => {
    const lake = createWorldByName('frozenlake');
    const board = lakeOf(['SFH', 'HFF', 'FFG']);
    expect(formatsOf(lake).language.answers(board)).toEqual(['3x3', '(0,0)', '(2,2)', '(0,2), (1,0)']);
    const room = createWorldByName('minibehaviour');
    // section 1.9 of the method's facts: agent (2,1), printer (1,2), table rows 2-3, columns 2-4
    const instance = room.readRecap(room.recap({ size: 5, agent: 17, printer: 10, table: 18 }));
    expect(formatsOf(room).language.answers(instance)).toEqual([
      '5x5',
      '(2,1)',
      '(1,2)',
      '(2,2), (2,3), (2,4), (3,2), (3,3), (3,4)',
      '(0,2), (1,1), (1,3)',
      '(1,2), (1,3), (1,4), (2,1), (3,1), (4,2), (4,3), (4,4)',
      'left, down, up',
    ]);
  });
});

describe('export easy-r1', () => {
  it('writes rows whose images, prompts and answers belong together, as JSON and as Parquet', async () => {
    const args = ['--data', writeData(), '--out', temporary.file('stage2'), '--json'];
    const { code, out, err } = await run('export', 'easy-r1', ...args);
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out)).toMatchObject({
      samples: 12,
      files: ['train.json', 'train.parquet', 'test.json', 'test.parquet'],
    });
    for (const split of ['train', 'test']) {
      const rows = json(`stage2/${split}.json`);
      expect(rows).toHaveLength(6);
      expect(Object.keys(rows[0]!)).toEqual([
        'sample_id',
        'task',
        'level',
        'messages',
        'images',
        'teacher_images',
        'vsp_task_text',
        'teacher_system_prompt',
        'teacher_text_context',
      ]);
      const file = Uint8Array.from(fs.readFileSync(temporary.file(`stage2/${split}.parquet`))).buffer;
      const table = await parquetReadObjects({ file, utf8: false });
      expect(table).toHaveLength(6);
      table.forEach((record, i) => {
        const row = rows[i]!;
        const [user, assistant] = row['messages'] as Message[];
        const [image] = row['images'] as string[];
        expect(record['problem']).toBe(user!.content);
        expect(`<answer>${String(record['answer'])}</answer>`).toBe(assistant!.content);
        const stored = record['images'] as { bytes: Uint8Array; path: string }[];
        expect(stored.map(({ path: where }) => where)).toEqual([image]);
        expect(Buffer.from(stored[0]!.bytes)).toEqual(fs.readFileSync(temporary.file(`stage2/${image!}`)));
        expect(record['teacher_images']).toEqual([]);
        for (const name of ['task', 'vsp_task_text', 'teacher_system_prompt', 'teacher_text_context'])
          expect(record[name]).toBe(row[name]);

        const world: World = createWorldByName(String(row['task']));
        const { instance } = readPuzzle(world, parsePuzzleText(String(row['vsp_task_text'])));
        expect(judgeAnswer(world, instance, assistant!.content)).toMatchObject({ success: true, optimal: true });
        expect(decodePng(stored[0]!.bytes).data).toEqual(world.render(instance, 32));
        expect(user!.content.endsWith(IMAGE)).toBe(true);
        // The published switch for a teacher without the plan removes lines that begin so, and this sentence.
        const context = String(row['teacher_text_context']);
        expect(context).toContain(`\nReference action plan: ${String(record['answer'])}`);
        const switched = context
          .split('\n')
          .filter(line => !line.trim().toLowerCase().startsWith('reference action plan:'))
          .map(line => line.replace('Do not mention that a reference plan is provided.', '').trimEnd());
        expect(switched.join('\n').trim()).toBe(describeState(world, instance, 'context'));
        expect(row['teacher_system_prompt']).not.toMatch(/reference/i);
      });
    }
  });

  it('has the column types and the metadata that `datasets` looks for', async () => {
    await run('export', 'easy-r1', '--data', writeData(), '--out', temporary.file('stage2'), '--state-only');
    const bytes = fs.readFileSync(temporary.file('stage2/train.parquet'));
    const metadata = await parquetMetadataAsync(Uint8Array.from(bytes).buffer);
    const describeTree = ({ element, children }: SchemaTree): string =>
      children.length > 0
        ? `${element.name}${element.converted_type ? ` ${element.converted_type}` : ''} {${children.map(describeTree).join(', ')}}`
        : `${element.name} ${element.type ?? ''}${element.converted_type ? ` ${element.converted_type}` : ''}`;
    const images = '{list {element {bytes BYTE_ARRAY, path BYTE_ARRAY UTF8}}}';
    expect(parquetSchema(metadata).children.map(describeTree)).toEqual([
      'problem BYTE_ARRAY UTF8',
      'answer BYTE_ARRAY UTF8',
      `images LIST ${images}`,
      `teacher_images LIST ${images}`,
      ...['task', 'vsp_task_text', 'teacher_system_prompt', 'teacher_text_context'].map(
        name => `${name} BYTE_ARRAY UTF8`,
      ),
    ]);
    const known = metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value;
    const { info } = JSON.parse(known ?? '{}') as { info: { features: Record<string, unknown> } };
    expect(info.features['images']).toEqual({ feature: { _type: 'Image' }, _type: 'Sequence' });
    expect(info.features['problem']).toEqual({ dtype: 'string', _type: 'Value' });
    expect(Object.keys(info.features).sort()).toEqual(
      parquetSchema(metadata)
        .children.map(({ element }) => element.name)
        .sort(),
    );
    const rows = json('stage2/train.json');
    expect(rows.some(row => String(row['teacher_text_context']).includes('eference'))).toBe(false);
  });

  it('refuses a folder with broken samples, and a pipeline that it does not know', async () => {
    const data = writeData();
    fs.appendFileSync(path.join(data, 'train/Maze/level5/text/maze_train_5_000000.txt'), '1 2 3\n');
    const { code, err } = await run('export', 'easy-r1', '--data', data, '--out', temporary.file('out'));
    expect(code).toBe(2);
    expect(err).toMatch(/maze_train_5_000000\.txt: row 0 of the layout has 5 wall masks, not 6\nerror: 1 files/);
    expect(fs.existsSync(temporary.file('out'))).toBe(false);
    expect((await run('export', 'trl', '--data', data, '--out', temporary.file('out'))).code).toBe(2);
    const args = ['--data', data, '--out', temporary.file('out'), '--state-only'];
    expect((await run('export', 'llama-factory', ...args)).err).toMatch(/has none/);
  });
});

describe('prompts', () => {
  it.each(storedWorlds.map(name => [name, createWorldByName(name) as World] as const))('of %s', (_, world) => {
    const student = studentPrompt(world, 'training');
    expect(student.match(/<answer>[A-Z,]+<\/answer>/g)).toHaveLength(1); // the worked example
    expect(parseAnswer(student.replace('<answer>...</answer>', ''), world.actions)).not.toEqual([]);
    const rules = student.slice(student.indexOf('Write exactly'), student.lastIndexOf(IMAGE)).trim();
    const teacher = teacherSystemPrompt(world);
    expect(teacher).toContain(rules); // both write the same
    expect(teacher).not.toContain(IMAGE);
    for (const look of ['training', 'held-out', 'other'] as const)
      expect(perceptionPrompt(world, look)).not.toMatch(/answer>|plan/i);
    expect(perceptionPrompt(world, 'other')).not.toMatch(/red|green|blue|yellow|white|black|tan|pale/);
  });

  it('the worked examples are right', () => {
    const plans = { frozenlake: 'UUR', maze: 'RD', minibehaviour: 'U,PICK,R,R,DROP' };
    const lake = createWorldByName('frozenlake');
    const board = lakeOf(['HFFF', 'FFGF', 'FFFH', 'FSFF']);
    const maze = createWorldByName('maze');
    const walls = mazeOf(
      'Map size: 2x2\nStart: (0,0)\nTarget: (1,1)\n(0,0): right\n(0,1): down, left\n(1,0): right\n(1,1): up, left',
    );
    const room = createWorldByName('minibehaviour');
    const grid = room.readRecap(room.recap({ size: 5, agent: 32, printer: 16, table: 10 }));
    expect(judgeAnswer(lake, board, formatsOf(lake).language.example)).toMatchObject({ optimal: true });
    expect(judgeAnswer(maze, walls, formatsOf(maze).language.example)).toMatchObject({ optimal: true });
    expect(judgeAnswer(room, grid, formatsOf(room).language.example)).toMatchObject({ optimal: true });
    for (const [name, plan] of Object.entries(plans))
      expect(formatsOf(createWorldByName(name)).language.example).toContain(`<answer>${plan}</answer>`);
  });

  it('a world without formats says so', () => {
    expect(() => studentPrompt(createDelivery(), 'other')).toThrow(
      /Delivery has no text, file format or prompts.*formats\.ts/,
    );
  });
});
