/** A run that is kept elsewhere than in a folder of files, as in a browser. */
import { afterAll, expect, it } from 'vitest';
import { openDevice } from '../../../core/index.js';
import { MemoryStore } from '../../../mgsd/runs/memory-store.js';
import { RunFolder } from '../../../mgsd/runs/run-folder.js';
import { train } from '../../../mgsd/runs/train.js';
import { Interrupted } from '../../../mgsd/runs/train-options.js';
import { miniatureConfig, miniatureModel, runMiniature } from '../../../bench/soak/miniature.js';
import { useTemporaryFolder } from '../temporary.js';

const temporary = useTemporaryFolder();
const wasm = await openDevice('wasm', { threads: 1 });
afterAll(() => wasm.close());

it('trains, stops, resumes and goes back as in a folder, with the same bits', async () => {
  const config = miniatureConfig();
  const folder = temporary.file('run');
  await runMiniature(wasm, folder, { config });
  const files = RunFolder.open(folder);

  const store = new MemoryStore();
  const options = { config, device: wasm, folder: store, model: miniatureModel, checkpointEvery: 3 };
  const stop = new AbortController();
  const observer = {
    onStep: ({ stage, step }: { stage: string; step: number }) => {
      if (stage === 'stage1' && step === 5) stop.abort();
    },
  };
  await expect(train({ ...options, signal: stop.signal, observer })).rejects.toThrow(Interrupted);
  const table = await train({ ...options, resume: true });
  expect(table).toEqual(files.readJson('table.json'));
  for (const name of files.names().filter(found => /^(checkpoint-(stage0|stage2)|evaluation|best|watch)/.test(found)))
    expect(Buffer.from(store.read(name)).equals(files.read(name)), name).toBe(true);
  expect(store.readLog().map(({ loss }) => loss)).toEqual(files.readLog().map(({ loss }) => loss));

  const from = store.checkpoints().at(-1)!; // the first of stage 0 that is kept
  expect(await train({ ...options, resume: true, from: from.name })).toEqual(table);
  expect(store.names()).toContain('set-aside-1/table.json');
  expect(store.names()).toContain('set-aside-1/log.jsonl');
  files.close();
});
