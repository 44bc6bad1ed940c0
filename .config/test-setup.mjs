// Before any test: bring the WebAssembly kernel library up to date, which the tests load from dist/ (all TypeScript is run
// from its source).
import { spawnSync } from 'node:child_process';
import path from 'node:path';

export default function setup() {
  const build = path.join(import.meta.dirname, 'build.mjs');
  const { status } = spawnSync(process.execPath, [build, '--if-stale', '--wasm'], { stdio: 'inherit' });
  if (status !== 0) throw new Error('The WebAssembly kernels do not build: see the messages above.');
}
