/** `npm run exercise -- NAME`: checks the exercise as it lies in its lesson's folder. Not part of `npm test`. */
import path from 'node:path';
import { it } from 'vitest';
import { exercises } from './checks.js';

const name = process.env['MGSD_EXERCISE'] as keyof typeof exercises;

it(name, async () => {
  const { file, check } = exercises[name];
  check(await import(path.join(import.meta.dirname, '../..', file)));
});
