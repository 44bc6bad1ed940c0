import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import pc from 'picocolors';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../../mgsd/cli/main.js';
import { packageRoot } from '../../../mgsd/runs/package.js';
import { run } from '../capture.js';

const page = path.join(packageRoot(), 'dist/page/index.html');

describe('play', () => {
  afterEach(() => vi.restoreAllMocks());

  it('serves the page with the headers that threads need, until Ctrl-C', async () => {
    let code: Promise<number> | undefined;
    const line = await new Promise<string>(resolve => {
      const terminal = {
        out: resolve,
        err: resolve,
        bar: undefined,
        columns: undefined,
        colours: pc.createColors(false),
      };
      code = main(['play', '--port', '0', '--no-open'], terminal);
    });
    const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(line)?.[0] ?? '';
    const response = await fetch(url);
    expect(response.headers.get('cross-origin-embedder-policy')).toBe('require-corp');
    expect(await response.text()).toBe(fs.readFileSync(page, 'utf8'));
    process.emit('SIGINT');
    expect(await code).toBe(0);
    await expect(fetch(url)).rejects.toThrow();
  });

  it('says in one line that its port is taken', async () => {
    const other = http.createServer();
    await new Promise<void>(resolve => void other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    expect(await run('play', '--no-open', '--port', String(port))).toEqual({
      code: 2,
      out: '',
      err: `error: port ${port} is taken: choose another with --port, or --port 0`,
    });
    other.close();
  });

  it('says in one line that the page is not built', async () => {
    const exists = fs.existsSync;
    vi.spyOn(fs, 'existsSync').mockImplementation(file => file !== page && exists(file));
    const { code, err } = await run('play', '--no-open');
    expect(code).toBe(2);
    expect(err).toMatch(/^error: the page is not built \(.*\): run npm run build$/);
  });
});
