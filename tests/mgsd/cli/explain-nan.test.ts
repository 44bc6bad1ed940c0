/** From a run that stopped for NaN to the op that wrote it, by the command that the run's own message names. */
import fs from 'node:fs';
import { expect, it } from 'vitest';
import { encodeCheckpoint } from '../../../models/index.js';
import { readCheckpoint } from '../../../mgsd/runs/run-folder.js';
import { contentsOf, run, tinyRun } from '../capture.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();

it('a run that stops for NaN names the command that explains it, and that command finds op, kernel and parameter', async () => {
  const folder = temporary.file('run');
  const train = ['train', '--out', folder, '--stage', 'stage0', '--set', 'stage0.learningRate=0'];
  expect((await run(...train, ...tinyRun)).code).toBe(0);
  // As if the run had been stopped after two updates, with an embedding whose layer norm overflows.
  const last = `${folder}/checkpoint-stage0-4.safetensors`;
  const { parameters, metadata, ...rest } = readCheckpoint(last);
  const table = parameters.get('decoder.position.response')!.slice();
  table.fill(3e38, 0, table.length / 2);
  const changed = new Map(parameters).set('decoder.position.response', table);
  const stopped = `${folder}/checkpoint-stage0-1.safetensors`;
  for (const name of fs.readdirSync(folder).filter(found => found.startsWith('checkpoint')))
    fs.rmSync(`${folder}/${name}`);
  fs.writeFileSync(stopped, encodeCheckpoint({ parameters: changed, metadata: { ...metadata, step: '1' }, ...rest }));

  const on = ['--device', 'wasm', '--threads', '1'];
  const failed = await run('train', '--resume', folder, ...on);
  expect(failed.code).toBe(4);
  const [, command = ''] = /See where it comes from: mgsd-lite (.+ --explain-nan)$/.exec(failed.err) ?? [];
  expect(command).toMatch(
    /^train --resume \S+checkpoint-stage0-\d\.safetensors --device wasm --threads 1 --explain-nan$/,
  );

  const before = contentsOf(folder);
  const explained = await run(...command.split(' '), '--json');
  expect(explained).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(explained.out.split('\n').at(-1)!)).toEqual({
    event: 'explanation',
    text: expect.stringMatching(
      /^stage0, update [234]: the loss is not finite; the update was skipped\. The first tensor that is not finite is \w+ \[[\d, ]+\] of \w+ \(kernel \w+\), computed with decoder\./,
    ) as unknown,
  });
  expect(contentsOf(folder)).toEqual(before);
});

it('wants the run that it is about', async () => {
  const { code, err } = await run('train', '--explain-nan');
  expect({ code, err }).toEqual({
    code: 2,
    err: 'error: --explain-nan runs updates of an earlier run again: name its folder or checkpoint with --resume',
  });
});
