// Builds dist/: the TypeScript of core, kernels, models, mgsd and bench, the WebAssembly kernel library, and from both
// of them the page.
//
//   node .config/build.mjs              build what changed; remove dist/ to build all of it anew
//   node .config/build.mjs --if-stale   the same, but silent when nothing changed or there is nothing to build with;
//   npm's
//                                       `prepare` runs it
//   node .config/build.mjs --wasm       only the WebAssembly library
//
// A training may be running from dist/ while this runs again (npx in the package's own folder runs `prepare`), so
// nothing is ever written in place: all files go to dist.new-<pid> first and are renamed into dist/ one by one, each
// rename atomic, and only after everything compiled. A build that fails leaves dist/ as it was.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';

const root = path.dirname(import.meta.dirname);
const dist = path.join(root, 'dist');
const rooms = ['core', 'kernels', 'models', 'mgsd', 'bench'];
const entry = 'kernels/entry.as.ts';

const ifStale = process.argv.includes('--if-stale');
const wasmOnly = process.argv.includes('--wasm');

/** A build error meant for people: printed without a stack trace. */
class BuildError extends Error {}

/**
 * Every file under a folder, as paths relative to the repository, sorted so that their hash does not depend on the
 * disk.
 * @param {string} folder
 * @returns {string[]}
 */
function filesUnder(folder) {
  const full = path.join(root, folder);
  if (!fs.existsSync(full)) return [];
  return fs
    .readdirSync(full, { recursive: true, withFileTypes: true })
    .filter(found => found.isFile())
    .map(found => path.relative(root, path.join(found.parentPath, found.name)))
    .sort();
}

/** @param {string[]} files */
function hashOf(files) {
  const hash = createHash('sha256');
  for (const file of files) {
    const contents = fs.readFileSync(path.join(root, file));
    hash.update(`${file}\0${String(contents.length)}\0`).update(contents);
  }
  return hash.digest('hex');
}

/**
 * @typedef {object} Part one part of the build
 * @property {string} name
 * @property {() => string[]} inputs files whose contents decide the output
 * @property {RegExp} owns this part's files, by their paths in dist/
 * @property {() => Promise<{ written: Map<string, string | Uint8Array>, outputs: string[] }>} build
 *   what to write, keyed by the path in dist/, and all files that then belong to this part
 */

// The lock file stands for the versions of the compilers and of the types.
const common = ['package-lock.json', '.config/build.mjs'];

/** @type {Part} */
const wasmPart = {
  name: 'wasm',
  owns: /^(?!page\/).*\.wasm$/,
  inputs: () => [...common, '.config/build-wasm.mjs', ...filesUnder('kernels').filter(file => file.endsWith('.as.ts'))],
  build: async () => {
    const worker = new Worker(path.join(root, '.config/build-wasm.mjs'), {
      workerData: { mgsdBuild: { root, entry } },
    });
    /** @type {import('./build-wasm.mjs').WasmReply} */
    const reply = await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', code => {
        reject(new BuildError(`The compiler of ${entry} ended with code ${String(code)}.`));
      });
    });
    if ('error' in reply) throw new BuildError(reply.error);
    const written = new Map(reply.files.map(({ name, binary }) => [`kernels/${name}`, binary]));
    return { written, outputs: [...written.keys()] };
  },
};

/** What a report puts into its page as it is: copied, not compiled. */
const pageFiles = () => filesUnder('mgsd/report').filter(file => /\.(css|js)$/.test(file));

/** @type {Part} */
const tscPart = {
  name: 'tsc',
  owns: /^(?!page\/).*\.(js|js\.map|d\.ts|css)$/,
  inputs: () => [
    ...common,
    'tsconfig.json',
    '.config/tsconfig.build.json',
    '.config/webassembly.d.ts',
    ...rooms.flatMap(filesUnder).filter(file => file.endsWith('.ts') && !file.endsWith('.as.ts')),
    ...pageFiles(),
  ],
  build: async () => {
    const { default: ts } = await import('typescript');
    const formatHost = { getCanonicalFileName: String, getCurrentDirectory: () => root, getNewLine: () => '\n' };
    /** @param {readonly import('typescript').Diagnostic[]} found */
    const check = found => {
      if (found.length === 0) return;
      const format = process.stdout.isTTY ? ts.formatDiagnosticsWithColorAndContext : ts.formatDiagnostics;
      throw new BuildError(format(found, formatHost).trimEnd());
    };
    const configFile = path.join(root, '.config/tsconfig.build.json');
    const config = ts.parseJsonConfigFileContent(
      ts.readConfigFile(configFile, file => ts.sys.readFile(file)).config,
      ts.sys,
      path.dirname(configFile),
      undefined,
      configFile,
    );
    check(config.errors);
    const program = ts.createIncrementalProgram({ rootNames: config.fileNames, options: config.options });
    /** @type {Map<string, string>} */
    const written = new Map();
    const emitted = program.emit(undefined, (file, text) => written.set(path.relative(dist, file), text));
    for (const file of pageFiles()) written.set(file, fs.readFileSync(path.join(root, file), 'utf8'));
    check(
      ts.sortAndDeduplicateDiagnostics([
        ...program.getConfigFileParsingDiagnostics(),
        ...program.getSyntacticDiagnostics(),
        ...program.getOptionsDiagnostics(),
        ...program.getGlobalDiagnostics(),
        ...program.getSemanticDiagnostics(),
        ...emitted.diagnostics,
      ]),
    );
    const outputs = config.fileNames.flatMap(file => {
      const base = path.relative(root, file).replace(/\.ts$/, '');
      return file.endsWith('.d.ts')
        ? [] // types only, nothing to emit
        : [`${base}.js`, `${base}.js.map`, `${base}.d.ts`];
    });
    return { written, outputs: [...outputs, ...pageFiles()] };
  },
};

/**
 * What any web host can serve, and `mgsd-lite play` does. Bundled from what the other parts have installed.
 * @type {Part}
 */
const pagePart = {
  name: 'page',
  owns: /^page\//,
  inputs: () => [
    ...wasmPart.inputs(),
    ...tscPart.inputs(),
    '.config/bundle.mjs',
    ...filesUnder('mgsd/page'),
    ...filesUnder('mgsd/pretrained'),
  ],
  build: async () => {
    const { bundle } = await import('./bundle.mjs');
    const folder = path.join(root, `dist.new-${String(process.pid)}`, 'bundled');
    await bundle(path.join(root, 'mgsd/page'), folder);
    const files = filesUnder(path.relative(root, folder)).map(file => path.relative(folder, path.join(root, file)));
    files.sort((a, b) => Number(a === 'index.html') - Number(b === 'index.html')); // last, since it names the others
    const written = new Map(files.map(file => [path.join('page', file), fs.readFileSync(path.join(folder, file))]));
    fs.rmSync(folder, { recursive: true });
    return { written, outputs: [...written.keys()] };
  },
};

/**
 * What the last build of a part read and left, or undefined if there was none or its files are not all there any more.
 * @param {Part} part
 * @returns {{ hash: string, outputs: string[] } | undefined}
 */
function lastBuild({ name }) {
  try {
    const text = fs.readFileSync(path.join(dist, `.build/${name}.json`), 'utf8');
    const stamp = /** @type {{ hash: string, outputs: string[] }} */ (JSON.parse(text));
    return stamp.outputs.every(file => fs.existsSync(path.join(dist, file))) ? stamp : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Moves a part's new files into dist/ and removes old ones whose sources are gone. The stamp comes last: a build killed
 * in the middle is simply stale.
 * @param {Part} part
 * @param {string} hash
 * @param {Awaited<ReturnType<Part['build']>>} built
 */
function install(part, hash, { written, outputs }) {
  const fresh = path.join(root, `dist.new-${String(process.pid)}`);
  const stamp = JSON.stringify({ hash, outputs });
  const all = [...written, /** @type {const} */ ([`.build/${part.name}.json`, stamp])];
  for (const [file, contents] of all) {
    fs.mkdirSync(path.dirname(path.join(fresh, file)), { recursive: true });
    fs.writeFileSync(path.join(fresh, file), contents);
  }
  for (const [file] of all) {
    fs.mkdirSync(path.dirname(path.join(dist, file)), { recursive: true });
    fs.renameSync(path.join(fresh, file), path.join(dist, file));
  }
  for (const folder of [...rooms, 'page'])
    for (const file of filesUnder(path.join('dist', folder)).map(found => path.relative('dist', found)))
      if (part.owns.test(file) && !outputs.includes(file)) fs.rmSync(path.join(dist, file), { force: true });
  fs.rmSync(fresh, { recursive: true, force: true });
}

/** @param {Part} part */
async function bringUpToDate(part) {
  const start = performance.now();
  const hash = hashOf(part.inputs());
  const last = lastBuild(part);
  if (last?.hash === hash) {
    if (!ifStale) console.log(`${part.name} is up to date`);
    return;
  }
  // Without all its outputs in place, the compiler's memory of what it has emitted is of no use.
  if (last === undefined) fs.rmSync(path.join(dist, `.build/${part.name}.tsbuildinfo`), { force: true });
  const built = await part.build();
  install(part, hash, built);
  console.log(`built ${part.name} in ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

/** Folders that killed builds left behind. */
function sweep() {
  for (const name of fs.readdirSync(root)) {
    const pid = /^dist\.new-(\d+)$/.exec(name)?.[1];
    if (pid === undefined) continue;
    try {
      process.kill(Number(pid), 0);
    } catch {
      fs.rmSync(path.join(root, name), { recursive: true, force: true });
    }
  }
}

async function main() {
  const installed = ['typescript', 'assemblyscript', 'vite', 'preact'].every(name =>
    fs.existsSync(path.join(root, 'node_modules', name)),
  );
  if (!fs.existsSync(path.join(root, entry)) || !installed) {
    // Installed from the tarball, or without the development dependencies: there is nothing to build, or to build with.
    if (ifStale && fs.existsSync(dist)) return;
    const message =
      'The build needs the sources of the repository and its development dependencies: run `npm ci` in a clone.';
    if (!ifStale) throw new BuildError(message);
    console.error(message);
    return;
  }
  sweep();
  const parts = wasmOnly ? [wasmPart] : [wasmPart, tscPart];
  const results = await Promise.allSettled(parts.map(bringUpToDate));
  const hasPage = !wasmOnly && fs.existsSync(path.join(root, 'mgsd/page/index.html'));
  if (hasPage && results.every(({ status }) => status === 'fulfilled'))
    results.push(...(await Promise.allSettled([bringUpToDate(pagePart)])));
  for (const result of results) {
    if (result.status === 'fulfilled') continue;
    console.error(result.reason instanceof BuildError ? result.reason.message : result.reason);
    process.exitCode = 1;
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof BuildError ? error.message : error);
  process.exitCode = 1;
}
