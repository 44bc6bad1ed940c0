/** The rehearsal of the GPU day: parts run to their end on a null device, and what is wrong there is found. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { rehearsalPage } from '../../bench/gpu/rehearsal-page.js';
import type { Rehearsed } from '../../bench/gpu/rehearsal.js';
import { useTemporaryFolder } from '../mgsd/temporary.js';

const folder = useTemporaryFolder();
const url = (file: string) => JSON.stringify(pathToFileURL(path.resolve('dist', file)).href);

/** What a process with the null device has seen, while it ran `body` with an open `device`. */
function rehearse(body: string): Rehearsed {
  const file = folder.file('seen.jsonl');
  const script = `await import(${url('bench/gpu/rehearsal.js')});
    const { openDevice } = await import(${url('core/backends/webgpu/device.js')});
    const { device, profile, machine, capabilities } = await openDevice();
    device.addEventListener('uncapturederror', event => event.preventDefault());
    const group = device.createBindGroupLayout({ entries: [{ binding: 0, visibility: 4, buffer: { type: 'storage' } }] });
    const layout = device.createPipelineLayout({ bindGroupLayouts: [group] });
    const pipeline = code => ({ layout, compute: { module: device.createShaderModule({ code }) } });
    ${body}
    await device.queue.onSubmittedWorkDone();
    process.exit(0);`;
  const env = { ...process.env, MGSD_REHEARSAL: file };
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(readFileSync(file, 'utf8')) as Rehearsed;
}

describe('rehearsal of the GPU day', () => {
  it('runs parts to their end, and keeps away from measured results', { timeout: 120_000 }, () => {
    const args = ['--rehearse', '--scale', 'small', '--only', 'capabilities,limits,ladder,kernels,training,run'];
    const script = path.resolve('dist/bench/gpu-day.js');
    mkdirSync(folder.file('rehearsal/run'), { recursive: true });
    writeFileSync(folder.file('rehearsal/run/config.json'), '{}'); // of an earlier day
    const { status, stdout } = spawnSync(process.execPath, [script, ...args, '--out', folder.path], {
      encoding: 'utf8',
    });
    for (const part of ['capabilities', 'limits', 'ladder', 'kernels', 'training', 'run'])
      expect(stdout).toMatch(new RegExp(`^\\| ${part} +\\| ran +\\| [1-9]`, 'm'));
    expect(stdout).toContain('three steps per stage');
    expect(status).toBe(0);
    expect(existsSync(folder.file('gpu-day.json'))).toBe(false);
    const ladder = readFileSync(folder.file('rehearsal/ladder.json'), 'utf8');
    expect(ladder).toContain('matrix units, operands staged, 128 x 128 tiles'); // as on an H100
  });

  it('takes for wrong what does not fit its layout, or the memory of a GPU', () => {
    const one = (binding: number) =>
      `'@group(0) @binding(${binding}) var<storage, read_write> x: array<f32>; @compute @workgroup_size(1) fn main() { x[0] = 1; }'`;
    const seen = rehearse(`device.createComputePipeline(pipeline(${one(0)}));
      device.createComputePipeline(pipeline(${one(1)}));
      await device.createComputePipelineAsync(pipeline(${one(0)}));
      await device.createComputePipelineAsync(pipeline(${one(2)})).catch(() => undefined);
      for (let i = 0; i < 20; i++) device.createBuffer({ size: 2 ** 32 - 4, usage: 128 });`);
    expect(seen).toMatchObject({ inTurn: 2, ahead: 2, shaders: 3, onlyShaders: 0 });
    expect(seen.peakBytes).toBeGreaterThan(80e9);
    expect(seen.errors.map(error => /binding.*1|binding.*2|bytes at a time/.exec(error) !== null)).toEqual([
      true,
      true,
      true,
    ]);
  });

  it('leaves out what is beyond the null device, but not what is beyond an H100', () => {
    const large = (words: number, lanes: string) =>
      `'var<workgroup> y: array<u32, ${words}>; @compute @workgroup_size(${lanes}) fn main() { y[0] = 1; }'`;
    const seen = rehearse(`await device.createComputePipelineAsync(pipeline(${large(8, '512')}));
      await device.createComputePipelineAsync(pipeline(${large(8, '32, 16')}));
      device.createComputePipeline(pipeline(${large(12_000, '64')}));
      device.createComputePipeline(pipeline(${large(8, '2048')}));
      device.createComputePipeline(pipeline(${large(13_000, '64')}));`);
    expect(seen).toMatchObject({ inTurn: 3, ahead: 2, onlyShaders: 3 });
    expect(seen.errors.map(error => /2048|52000/.exec(error)?.[0])).toEqual(['2048', '52000']);
  });

  it('says what is wrong with a part', () => {
    const seen: Rehearsed = {
      inTurn: 3,
      ahead: 40,
      shaders: 20,
      onlyShaders: 1,
      peakBytes: 2e9,
      seconds: 2,
      errors: [],
    };
    const day = { date: '', node: '', scale: 'full', took: { ladder: 4 }, parts: {}, problems: {} } as const;
    const good = rehearsalPage(day, { ladder: [seen, seen] });
    expect(good.isGood).toBe(true);
    expect(good.page).toContain('| ladder | ran | 6 | 80 | 40 | 2 | 2.00 | 25.0 | 45 | 4.00 |');
    const bad = rehearsalPage(
      { ...day, problems: { ladder: 'ended with 1' } },
      { ladder: [{ ...seen, errors: ['x'] }] },
    );
    expect(bad.isGood).toBe(false);
    expect(bad.page).toContain('- ladder: ended with 1\n- ladder: x');
    expect(rehearsalPage(day, {}).page).toContain('- ladder: nothing ran on the null device');
  });
});
