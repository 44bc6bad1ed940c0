/** What a recording on the webgpu backend keeps: every setting once, as long as it holds. */
import { expect, it } from 'vitest';
import { dispatch, Recording } from '../../../core/backends/webgpu/replay.js';
import type { Block } from '../../../core/backends/webgpu/memory.js';
import type { PassProgram } from '../../../core/backends/webgpu/programs.js';

const [p, q] = [{ label: 'p' }, { label: 'q' }] as unknown as [GPUComputePipeline, GPUComputePipeline];
const [g, h] = [{ label: 'g' }, { label: 'h' }] as unknown as [GPUBindGroup, GPUBindGroup];
const words = (...values: number[]) => Uint32Array.from(values).buffer;

it('leaves out settings that hold already, and sets all of them after a copy', () => {
  const recording = new Recording();
  const program = { launches: 0 } as PassProgram;
  const block = { id: 1 } as Block;
  const launch = (pipeline: GPUComputePipeline, group: GPUBindGroup, ...values: number[]) => {
    recording.dispatch(program, { pipeline, group, immediates: words(...values) }, [1, 1, 1], [block]);
  };
  launch(p, g, 1, 2);
  launch(p, h, 1, 2);
  launch(p, h, 1, 3);
  launch(q, h, 1, 3); // another pipeline may have other params: they are set again
  recording.copy({ from: block, fromOffset: 0, to: block, bytes: 16 });
  launch(q, h, 1, 3);
  const calls = recording.segments.map(({ copies, dispatches }) => [
    copies.length,
    ...dispatches.map(({ pipeline, group, immediates }) =>
      [pipeline && 'pipeline', group && 'group', immediates && 'immediates'].filter(Boolean).join(' '),
    ),
  ]);
  expect(calls).toEqual([
    [0, 'pipeline group immediates', 'group', 'immediates', 'pipeline immediates'],
    [1, 'pipeline group immediates'],
  ]);
  recording.count();
  recording.count();
  expect(program.launches).toBe(10);
  expect([...recording.blocks]).toEqual([block]);
});

it('sets everything anew every 128 dispatches, so that a GPU may begin with those', () => {
  const recording = new Recording();
  for (let i = 0; i < 300; i++)
    recording.dispatch({} as PassProgram, { pipeline: p, group: g, immediates: undefined }, [1, 1, 1], []);
  expect(recording.segments.map(({ dispatches }) => dispatches.length)).toEqual([128, 128, 44]);
  for (const { dispatches } of recording.segments)
    expect(dispatches.map(({ pipeline }) => pipeline)).toEqual(dispatches.map((_, i) => (i === 0 ? p : undefined)));
});

it('dispatches in all the dimensions that there are', () => {
  const calls: unknown[] = [];
  const pass = { dispatchWorkgroups: (...args: unknown[]) => calls.push(args) } as unknown as GPUComputePassEncoder;
  dispatch(pass, 3, 1, 1);
  dispatch(pass, 3, 2, 1);
  dispatch(pass, 3, 1, 2);
  expect(calls).toEqual([[3], [3, 2, 1], [3, 1, 2]]);
});
