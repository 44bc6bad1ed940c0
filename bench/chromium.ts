/** The Chromium of benches and tests. */
import fs from 'node:fs';
import path from 'node:path';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

/** The path of an installed Chromium or Chrome: `CHROMIUM`, or the first on the path. */
export function findChromium(): string | undefined {
  const onPath = (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .flatMap(folder => names.map(name => path.join(folder, name)));
  return [...(process.env['CHROMIUM'] ? [process.env['CHROMIUM']] : []), ...onPath].find(file => fs.existsSync(file));
}

/** WebGPU on Chromium's software adapter, as a browser grants it; and no pace for the eye, which would take time. */
export const chromiumFlags = [
  ...['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
  '--force-prefers-reduced-motion',
];
