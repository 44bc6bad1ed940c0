// Bundles programs for the browser with Vite: the page (part of `npm run build`), and what the browser tests run. Their
// own files are bundled as they are; of the rooms below them they get what was compiled into dist/, beside which lie
// the WebAssembly kernels and the script of their threads.
import path from 'node:path';
import { build } from 'vite';

const root = path.dirname(import.meta.dirname);

/** @type {import('vite').Plugin} */
const compiled = {
  name: 'mgsd-compiled',
  enforce: 'pre',
  resolveId(specifier, importer) {
    if (importer === undefined || !/^\..*\.js$/.test(specifier)) return undefined;
    const file = path
      .relative(root, path.resolve(path.dirname(importer), specifier))
      .split(path.sep)
      .join('/');
    return /^(?:core|kernels|models|mgsd\/(?!page\/))/.test(file) ? path.join(root, 'dist', file) : undefined;
  },
};

/**
 * @param {string} folder holds index.html
 * @param {string} outDir emptied first
 * @returns {Promise<void>}
 */
export async function bundle(folder, outDir) {
  await build({
    configFile: false,
    root: folder,
    base: './', // any folder of any host
    logLevel: 'warn',
    plugins: [compiled],
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    worker: { format: 'es', plugins: () => [compiled] },
    build: {
      outDir,
      emptyOutDir: true,
      target: 'es2023',
      assetsInlineLimit: 0, // the content security policy allows no data: scripts
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      rolldownOptions: { checks: { bundlerTimings: false } },
    },
  });
}
