#!/usr/bin/env node
// The `mgsd-lite` command: a small launcher that is committed (with mode 755), because a compiler's fresh output has no
// executable bit and would lose it whenever `prepare` rebuilds. The command line itself runs in this very process, so a
// signal sent to it reaches the trainer, which then ends with a checkpoint.
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

// npx runs a command as npx -> sh -> node. A Ctrl-C reaches all three, but a SIGTERM that is sent to npx ends npx and its
// shell only (npm passes it on to the shell, the shell not to us) and would leave a training behind that nobody watches.
// We notice that the shell is gone by our new parent, and then do what the signal meant. Whoever wants a training to go
// on without npx starts `node mgsd/mgsd-lite.js`. (Not seen: SIGKILL to npx, whose shell lives on; and any of it on
// Windows, where a process keeps the id of its dead parent.)
if (process.env['npm_lifecycle_script']?.includes('mgsd-lite')) {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 500);
  watch.unref();
}

const { main } = /** @type {{ main: (args: string[]) => Promise<number> }} */ (await import(cli.href));
process.exitCode = await main(process.argv.slice(2));
