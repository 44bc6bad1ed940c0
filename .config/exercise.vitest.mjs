import path from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: path.dirname(import.meta.dirname),
  test: { include: ['tests/lessons/one.exercise.ts'], pool: 'forks', maxWorkers: 1 },
});
