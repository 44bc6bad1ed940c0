/** `mgsd-lite play`: the page, served to this machine's own browser. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { errorCode } from '../runs/files.js';
import { packageRoot } from '../runs/package.js';
import { defineCommand } from './command.js';
import { InputError } from './errors.js';
import { option, TypedOption, wholeNumber } from './options.js';
import { catchSignals } from './signals.js';
import { serveFolder } from './static-server.js';

const defaultPort = 6076;

export const playCommand = defineCommand({
  name: 'play',
  summary: 'the model in your browser: what it writes down and plans on boards that it has never seen',
  description:
    'Serves the page on 127.0.0.1, to this machine alone, until Ctrl-C. All is computed in the browser. The folder dist/page\n' +
    'is the same page for any web host; threads need the headers COOP and COEP there.',
  options: {
    port: option('--port <n>', 'where to serve; 0 takes any that is free', wholeNumber(0, 65_535), defaultPort),
    open: new TypedOption<boolean>('--no-open', 'do not open the browser'),
  },
  examples: [
    ['play', `the page on http://127.0.0.1:${defaultPort}/`],
    ['play --port 8000 --no-open', 'elsewhere, for a browser that you open yourself'],
  ],
  async run({ port, open }, context) {
    const { terminal } = context;
    const folder = path.join(packageRoot(), 'dist/page');
    if (!fs.existsSync(path.join(folder, 'index.html')))
      throw new InputError(`the page is not built (${folder} is missing): run npm run build`);
    const server = await serveFolder(folder, port).catch((error: unknown) => {
      const code = errorCode(error);
      if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error;
      const why = code === 'EACCES' ? 'needs rights that you do not have' : 'is taken';
      throw new InputError(`port ${port} ${why}: choose another with --port, or --port 0`, { cause: error });
    });
    terminal.out(`${server.url} (Ctrl-C ends it)`);
    if (open) openBrowser(server.url, () => terminal.err('no browser could be opened: open the address yourself'));
    const signals = catchSignals(() => {});
    if (!signals.signal.aborted) await once(signals.signal, 'abort');
    await server.close();
    signals.release();
    return undefined;
  },
});

/** Opens an address as the desktop would. */
function openBrowser(url: string, onFailure: () => void): void {
  const openers: Readonly<Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>>> = {
    darwin: ['open', url],
    win32: ['explorer', url],
  };
  const [program, ...words] = openers[process.platform] ?? ['xdg-open', url];
  const child = spawn(program, words, { stdio: 'ignore', detached: true });
  child.on('error', onFailure);
  child.on('exit', code => {
    if (code !== 0 && process.platform !== 'win32') onFailure(); // explorer's codes mean nothing
  });
  child.unref();
}
