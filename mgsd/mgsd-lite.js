#!/usr/bin/env node
// The `mgsd-lite` command: a small launcher, committed with mode 755 because a compiler writes files without the
// executable bit. The command line runs in this same process, so a signal sent to it reaches the trainer, which saves a
// checkpoint.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const supported = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 24;

/** @type {(message: string) => never} */
const refuse = message => {
  console.error(`mgsd-lite: ${message}`);
  process.exit(1);
};

if (!supported)
  refuse(
    `Node ${process.versions.node} is not supported; install Node 20.19+, 22.12+ or 24+ (the newest LTS is best).`,
  );

const { existsSync } = await import('node:fs');
const cli = new URL('../dist/mgsd/cli/main.js', import.meta.url);
if (!existsSync(cli))
  refuse('dist/ is missing: run `npm ci` (or `npm run build`) in the project folder, or install the package again.');

// npx runs a command as npx -> sh -> node. Ctrl-C reaches all three, but a SIGTERM to npx ends only npx and the shell
// (npm passes it on to the shell, the shell does not pass it on to us), and an orphaned training would run on. A new
// parent tells us that the shell is gone; we then end as the signal asked. To train without npx, start
// `node mgsd/mgsd-lite.js`.
// Not noticed: a SIGKILL to npx, whose shell lives on, and anything on Windows, where the id of a dead parent stays.
if (process.env['npm_lifecycle_script']?.includes('mgsd-lite')) {
  const parent = process.ppid;
  const poll = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(poll);
    process.kill(process.pid, 'SIGTERM');
  }, 500);
  poll.unref();
}

const { main } = /** @type {{ main: (args: string[]) => Promise<number> }} */ (await import(cli.href));
process.exitCode = await main(process.argv.slice(2));
