// Before any test: bring up to date what the tests load from dist/, whoever started them. They run all TypeScript from
// its source, but for the WebAssembly kernel library, and for scripts that Node itself starts (worker threads, the
// command line). Those are only translated here, file by file and without a type check, so that work in one room does
// not stop the tests of another; `npm test` has built everything properly before.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);

export default async function setup() {
  const build = path.join(root, '.config/build.mjs');
  const { status } = spawnSync(process.execPath, [build, '--if-stale', '--wasm'], { stdio: 'inherit' });
  if (status !== 0) throw new Error('The WebAssembly kernels do not build: see the messages above.');

  const stale = ['core', 'kernels', 'models', 'mgsd', 'bench'].flatMap(room =>
    fs
      .readdirSync(path.join(root, room), { recursive: true, encoding: 'utf8' })
      .map(file => path.join(room, file))
      .filter(file => /(?<!\.as|\.d|\.exercise)\.ts$/.test(file) && modified(file) > modified(outputOf(file))),
  );
  if (stale.length > 0) await translate(stale);
}

/** @param {string} file */
const outputOf = file => path.join('dist', file.replace(/\.ts$/, '.js'));

/** @param {string} file */
const modified = file => fs.statSync(path.join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** @param {string[]} files */
async function translate(files) {
  const { default: ts } = await import('typescript');
  const { config } = /** @type {{ config: { compilerOptions: object } }} */ (
    ts.readConfigFile(path.join(root, 'tsconfig.json'), file => ts.sys.readFile(file))
  );
  const { options } = ts.convertCompilerOptionsFromJson(
    { ...config.compilerOptions, module: 'ESNext', moduleResolution: 'Bundler', inlineSourceMap: true },
    root,
  );
  // The compiler's record of dist/ is no longer true, so the next build starts afresh.
  for (const record of ['tsc.json', 'tsc.tsbuildinfo'])
    fs.rmSync(path.join(root, 'dist/.build', record), { force: true });
  for (const file of files) {
    const source = fs.readFileSync(path.join(root, file), 'utf8');
    const { outputText } = ts.transpileModule(source, { compilerOptions: options, fileName: path.join(root, file) });
    const output = path.join(root, outputOf(file));
    const temporary = `${output}.${String(process.pid)}`;
    fs.mkdirSync(path.dirname(output), { recursive: true });
    fs.writeFileSync(temporary, outputText);
    fs.renameSync(temporary, output);
  }
}
