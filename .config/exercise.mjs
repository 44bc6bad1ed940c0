// `npm run exercise`: the exercises of the lessons; `npm run exercise -- NAME`: whether NAME is solved, or what is
// wrong. Ends with 0 if it is solved, 1 if not, 2 for a name that there is not.
import fs from 'node:fs';
import path from 'node:path';
import { startVitest } from 'vitest/node';

const root = path.dirname(import.meta.dirname);
process.chdir(root);

// name: exercise('file', 'lesson', ...) in tests/lessons/checks.ts
const table = fs.readFileSync('tests/lessons/checks.ts', 'utf8');
const exercises = [...table.matchAll(/^ {2}'?([\w-]+)'?: exercise\('([^']+)', '([^']+)'/gm)].map(
  ([, name = '', file = '', lesson = '']) => ({ name, file, lesson }),
);

const wanted = process.argv[2];
const found = exercises.find(({ name }) => name === wanted);
if (!found) {
  if (wanted !== undefined) {
    console.error(`there is no exercise "${wanted}"`);
    process.exitCode = 2;
  }
  for (const { name, file, lesson } of exercises) console.log(`${name.padEnd(10)} ${file.padEnd(40)} ${lesson}`);
} else {
  process.env['MGSD_EXERCISE'] = found.name;
  /** @type {string[]} */
  const problems = [];
  const vitest = await startVitest(
    'test',
    [],
    { watch: false, config: '.config/exercise.vitest.mjs', reporters: [{}] },
    undefined,
    undefined,
  );
  for (const module of vitest.state.getTestModules()) {
    problems.push(...module.errors().map(({ message }) => message));
    for (const test of module.children.allTests())
      problems.push(...(test.result().errors ?? []).map(({ message }) => message));
  }
  await vitest.close();
  if (problems.length === 0) console.log(`${found.name} is solved`);
  else {
    console.log(`${found.name} is not solved yet (${found.file}, lesson ${found.lesson})`);
    for (const problem of problems) console.log(`  ${problem}`);
  }
  process.exitCode = problems.length === 0 ? 0 : 1;
}
