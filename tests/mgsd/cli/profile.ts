/** `train --profile` counts every launch, and times it where the device can. */
import pc from 'picocolors';
import { expect, it } from 'vitest';
import { matmul, Recorder, sum } from '../../../core/index.js';
import type { Device } from '../../../core/index.js';
import { Profile } from '../../../mgsd/cli/profile.js';

export function testProfile(open: () => Promise<Device>, clock: Profile['clock']): void {
  it('has calls, work and rates of every kernel, of recorded steps too', async () => {
    const device = await open();
    const recorder = new Recorder(device);
    const step = () =>
      device.scope(() => {
        const x = { values: new Float32Array(64 * 64).fill(0.5), shape: [64, 64] };
        return recorder.run('square', { x }, inputs => ({ y: sum(matmul(inputs.x, inputs.x)) })).y.item();
      });
    for (let i = 0; i < 3; i++) expect(await step()).toBe(64 ** 3 / 4);
    expect(recorder.statistics.replays).toBe(1);
    const profile = new Profile(device);
    for (let i = 0; i < 5; i++) await step();
    await profile.stop();
    await step();
    expect(recorder.statistics.replays).toBe(2); // it replays again
    expect(profile.clock).toBe(clock);
    const rows = new Map(profile.rows().map(row => [row.kernel, row]));
    const product = rows.get('matmul_nn')!;
    expect(product.calls).toBe(5);
    expect(rows.get('reduce_sum')!.calls % 5).toBe(0);
    const shares = [...rows.values()].reduce((total, { share }) => total + share, 0);
    expect(shares).toBeGreaterThan(0);
    expect(product.seconds).toBeGreaterThan(0);
    expect(product.gigaflops).toBeCloseTo((5 * 2 * 64 ** 3) / product.seconds! / 1e9, 9);
    expect(product.gigabytes).toBeCloseTo((5 * 3 * 64 ** 2 * 4) / product.seconds! / 1e9, 9);
    const silent = () => undefined;
    const colours = pc.createColors(false);
    const table = profile.table({ out: silent, err: silent, bar: undefined, columns: undefined, colours });
    expect(table).toMatch(/matmul_nn +│ +5 /);
    expect(table).toContain('steps run eagerly while they are profiled');
    recorder.dispose();
    await device.close();
  });
}
