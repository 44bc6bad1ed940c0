/**
 * The script for a machine with a GPU, tried on whatever adapter is here: parts that work, parts that fail, and what
 * remains of both.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { describeWithAdapter } from '../core/backends/webgpu.js';
import { useTemporaryFolder } from '../mgsd/temporary.js';
import type { GpuDay } from '../../bench/gpu/summary.js';

const script = path.resolve('dist/bench/gpu-day.js');

const folder = useTemporaryFolder();

function gpuDay(args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const options = ['--scale', 'small', '--out', folder.path];
  const run = spawnSync(process.execPath, [script, ...options, ...args], { encoding: 'utf8', env });
  const file = folder.file('gpu-day.json');
  const day = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as GpuDay) : undefined;
  return { ...run, day };
}

describeWithAdapter('GPU day', () => {
  it('measures what it is asked to and writes a page', { timeout: 120_000 }, () => {
    const { status, stdout, day } = gpuDay(['--only', 'capabilities,limits']);
    expect(day?.problems).toEqual({});
    expect(status).toBe(0);
    expect(day!.parts.capabilities!.device.backend).toBe('webgpu');
    const { dependentLaunch, copy, f32, problems } = day!.parts.limits!;
    expect(problems).toEqual([]);
    for (const value of [dependentLaunch, copy, f32]) expect(value).toBeGreaterThan(0);
    expect(day!.took.limits).toBeGreaterThan(0);
    const page = readFileSync(folder.file('gpu-day.md'), 'utf8');
    expect(page).toContain(day!.parts.capabilities!.device.name);
    expect(stdout).toContain(page);
  });

  it('goes on after a part that fails, and says which one did and why', { timeout: 120_000 }, () => {
    const { status, stdout, day } = gpuDay(['--only', 'capabilities,pytorch'], { ...process.env, PATH: '' });
    expect(status).toBe(1);
    expect(day!.parts.capabilities).toBeDefined();
    expect(day!.problems.pytorch).toContain('python3 with torch was not found');
    expect(stdout).toContain('## Parts that did not end well');
  });

  it('stops a part that takes too long, and begins none when the time is over', { timeout: 120_000 }, () => {
    const { status, day } = gpuDay(['--only', 'correctness,capabilities', '--minutes', '0.1']);
    expect(status).toBe(1);
    expect(day!.problems.correctness ?? day!.problems.capabilities).toMatch(/^stopped after \d s|^not begun/);
  });

  it('refuses what it does not know', () => {
    const { status, stderr } = gpuDay(['--only', 'everything']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: .*everything.* Choose from capabilities, [^\n]*\n$/);
  });
});
