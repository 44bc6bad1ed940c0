import { afterEach, describe, expect, it, vi } from 'vitest';
import { describeDevice, openDevice } from '../../core/index.js';
import type { Device } from '../../core/index.js';

describe('openDevice', () => {
  let device: Device | undefined;
  afterEach(async () => {
    vi.unstubAllEnvs();
    await device?.close();
    device = undefined;
  });

  // elsewhere a GPU cannot be hidden by an environment variable
  it.runIf(process.platform === 'linux')('auto goes on with wasm where no driver is, and says so once', async () => {
    vi.stubEnv('VK_DRIVER_FILES', '/nonexistent.json');
    vi.stubEnv('VK_ICD_FILENAMES', '/nonexistent.json');
    const notes: string[] = [];
    device = await openDevice('auto', { threads: 1, onNote: note => notes.push(note) });
    expect(device.capabilities.backend).toBe('wasm');
    expect(notes).toEqual([expect.stringMatching(/^no GPU: /)]);
    expect(notes[0]).not.toContain('\n');
  });

  it('describes a device in one line', async () => {
    device = await openDevice('cpu');
    expect(describeDevice(device.capabilities)).toMatch(
      /^cpu: .+ \(Node\.js v[\d.]+, plain TypeScript\), 1 thread, f64 f32 f16 i32; .+$/,
    );
  });
});
