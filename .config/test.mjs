// `npm test`: builds what is stale, runs all tests (or those that the arguments select, as for vitest itself), says
// which were skipped and why, and ends with one line `N passed, N failed`.
//
// MGSD_REQUIRE_WEBGPU=1 turns every skipped GPU test into a failure: for machines that are meant to have an adapter.
// MGSD_REQUIRE_MATRICES=1 does the same to tests that need a matrix unit (without it, a GPU test may be skipped for the
// lack of one), and MGSD_REQUIRE_BROWSER=1 to those that need a Chromium.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { parseCLI, startVitest } from 'vitest/node';

const root = path.dirname(import.meta.dirname);
process.chdir(root);

const build = spawnSync(process.execPath, [path.join(import.meta.dirname, 'build.mjs'), '--if-stale'], {
  stdio: 'inherit',
});
if (build.status !== 0) process.exit(1);

/**
 * Counts the tests of a finished run.
 * @param {readonly import('vitest/node').TestModule[]} modules
 * @returns {{ passed: number, failed: number, skipped: { file: string, name: string, reason: string }[] }}
 */
function count(modules) {
  let passed = 0;
  let failed = 0;
  const skipped = [];
  for (const module of modules) {
    const file = path.relative(root, module.moduleId);
    // A file that cannot be loaded, or whose hooks fail, has errors of its own and perhaps no test at all.
    if (module.errors().length > 0) failed++;
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) failed++;
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === 'passed') passed++;
      else if (result.state === 'failed') failed++;
      else if (result.state === 'skipped')
        skipped.push({ file, name: test.fullName, reason: result.note ?? 'no reason given' });
      else failed++; // still pending: the run was cut short
    }
  }
  return { passed, failed, skipped };
}

/** @param {{ reason: string }} test */
const needsMatrices = test => test.reason.startsWith('no matrix unit');

/** @param {{ file: string, name: string, reason: string }} test */
const needsGpu = test =>
  !needsMatrices(test) && (test.file.endsWith('.gpu.test.ts') || /webgpu/i.test(`${test.name} ${test.reason}`));

const { filter, options } = parseCLI(['vitest', 'run', ...process.argv.slice(2)]);
/** @type {ReturnType<typeof count> | undefined} */
let result;
let unhandled = 0;
const vitest = await startVitest('test', filter, { ...options, watch: false }, undefined, undefined).catch(
  () => undefined,
);
if (vitest) {
  result = count(vitest.state.getTestModules());
  unhandled = vitest.state.getUnhandledErrors().length;
  await vitest.close();
}

const { passed, failed, skipped } = result ?? { passed: 0, failed: 1, skipped: [] };
const selectedByName = options.testNamePattern !== undefined; // what `-t` leaves out is not worth a line
if (!selectedByName) {
  /** @type {Map<string, number>} */
  const reasons = new Map();
  for (const { file, reason } of skipped) {
    const line = `${file}: ${reason}`;
    reasons.set(line, (reasons.get(line) ?? 0) + 1);
  }
  for (const [line, times] of reasons) console.log(`skipped ${String(times)} in ${line}`);
}

/** @param {{ reason: string }} test */
const needsBrowser = test => test.reason.startsWith('no Chromium');

let refused = 0;
/** @type {readonly (readonly [string, (test: { file: string, name: string, reason: string }) => boolean, string])[]} */
const required = [
  ['MGSD_REQUIRE_WEBGPU', needsGpu, 'GPU tests count as failures (is there an adapter? see `info`)'],
  ['MGSD_REQUIRE_MATRICES', needsMatrices, 'tests of matrix units count as failures (see .ci/unpack-matrix-driver)'],
  ['MGSD_REQUIRE_BROWSER', needsBrowser, 'browser tests count as failures (install Chromium, or name it in CHROMIUM)'],
];
for (const [variable, isNeeded, what] of required) {
  const count = skipped.filter(isNeeded).length;
  if (process.env[variable] !== '1' || selectedByName || count === 0) continue;
  refused += count;
  console.log(`${variable}=1: ${String(count)} skipped ${what}`);
}
const bad = failed + unhandled + refused;
const left = skipped.length - refused;
if (unhandled > 0) console.log(`${String(unhandled)} unhandled errors outside of any test count as failures`);
console.log(`\n${String(passed)} passed, ${String(bad)} failed${left > 0 ? `, ${String(left)} skipped` : ''}`);
if (bad > 0 || passed === 0) process.exitCode = 1;
