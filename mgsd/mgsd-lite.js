#!/usr/bin/env node
// The `mgsd-lite` command: a small launcher that is committed (with mode 755), because a compiler's fresh output has no
// executable bit and would lose it whenever `prepare` rebuilds.
//
// The command line runs in this very process, so a signal sent to it reaches the trainer, which then ends with a
// checkpoint.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const supported = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major >= 24;

/** @param {string} message */
function refuse(message) {
  console.error(`mgsd-lite: ${message}`);
  process.exit(1);
}

if (!supported) {
  refuse(
    `Node ${process.versions.node} is not supported; install Node 20.19+, 22.12+ or 24+ (the newest LTS is best).`,
  );
}

const { existsSync } = await import('node:fs');
const cli = new URL('../dist/mgsd/cli.js', import.meta.url);
if (!existsSync(cli)) {
  refuse('dist/ is missing: run `npm ci` (or `npm run build`) in the project folder, or install the package again.');
}

const { main } = /** @type {{ main: (args: string[]) => Promise<number> }} */ (await import(cli.href));
process.exitCode = await main(process.argv.slice(2));
