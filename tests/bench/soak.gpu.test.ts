import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';
import { describeWithAdapter } from '../core/backends/webgpu.js';

const dispatches = path.join(import.meta.dirname, '../../dist/bench/soak/dispatches.js');

describeWithAdapter('dispatches under forced garbage collection', () => {
  it('are all done, and the process ends', () => {
    const script = `
      const { dispatchUnderCollections } = await import(${JSON.stringify(dispatches)});
      console.log(JSON.stringify(await dispatchUnderCollections(2000)));`;
    const { status, stdout, signal } = spawnSync(
      process.execPath,
      ['--expose-gc', '--input-type=module', '--eval', script],
      {
        encoding: 'utf8',
        timeout: 120_000,
      },
    );
    expect({ status, signal }).toEqual({ status: 0, signal: null });
    const line = stdout.split('\n').find(text => text.startsWith('{'))!;
    expect(JSON.parse(line)).toMatchObject({ dispatches: 2000, collections: 40, problems: [] });
  }, 150_000);
});
