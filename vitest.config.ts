import os from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * Tests that need a machine to themselves: a GPU (or the software adapter, which uses all cores), or worker threads.
 */
const serial = ['tests/**/*.gpu.test.ts', 'tests/**/*.serial.test.ts'];

export default defineConfig({
  test: {
    // processes, not threads: a crash in Dawn then names its test file, and signals and exit codes are real
    pool: 'forks',
    globalSetup: '.config/test-setup.mjs',
    testTimeout: 60_000, // two slow cores and cold shader compilers; no test asserts on time
    hookTimeout: 60_000,
    restoreMocks: true,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['tests/**/*.test.ts'],
          exclude: serial,
          maxWorkers: Math.max(1, Math.min(os.availableParallelism(), 8)),
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'serial',
          include: serial,
          setupFiles: ['tests/config/uncaptured.ts'],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
