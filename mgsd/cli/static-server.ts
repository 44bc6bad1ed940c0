/** A web server for one folder of static files, on this machine alone. */
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

/** Threads need isolation from other origins. */
export const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
} as const;

/** The page's: nothing may be fetched from anywhere else. */
export const headers = {
  ...isolation,
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Content-Security-Policy': [
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; style-src 'self'",
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  ].join('; '),
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-cache',
} as const;

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.safetensors': 'application/octet-stream',
};

export interface StaticServer {
  /** `http://127.0.0.1:6076/` */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves the folder on 127.0.0.1.
 * @param port 0 takes any that is free
 * @param sent headers of every answer
 * @throws Error with the system's code, as EADDRINUSE, if the port cannot be had
 */
export async function serveFolder(
  folder: string,
  port: number,
  sent: Readonly<Record<string, string>> = headers,
): Promise<StaticServer> {
  const files = new Map(
    fs
      .readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => path.join(entry.parentPath, entry.name))
      .map(file => [`/${path.relative(folder, file).split(path.sep).join('/')}`, file]),
  );
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const file = files.get(pathname === '/' ? '/index.html' : pathname);
    // another site's name that points to this machine (DNS rebinding) gets nothing
    const isOurs = /^(?:127\.0\.0\.1|localhost)(?::\d+)?$/.test(request.headers.host ?? '');
    const status = !isOurs ? 403 : file === undefined ? 404 : request.method === 'GET' ? 200 : 405;
    const type = types[path.extname(file ?? '')] ?? 'text/plain';
    response.writeHead(status, { ...sent, ...(status === 200 && { 'Content-Type': type }) });
    if (status === 200)
      fs.createReadStream(file!)
        .on('error', error => response.destroy(error))
        .pipe(response);
    else response.end(`${http.STATUS_CODES[status]!}\n`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${taken}/`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
