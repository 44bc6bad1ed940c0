import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const launcher = path.join(import.meta.dirname, '../../mgsd/mgsd-lite.js');

let folder: string; // a package of its own: the launcher and, in most tests, a small command line in dist/
let command: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mgsd-launcher-'));
  fs.mkdirSync(path.join(folder, 'mgsd'));
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  command = path.join(folder, 'mgsd/mgsd-lite.js');
  fs.copyFileSync(launcher, command);
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

function writeCli(body: string): void {
  fs.mkdirSync(path.join(folder, 'dist/mgsd/cli'), { recursive: true });
  fs.writeFileSync(
    path.join(folder, 'dist/mgsd/cli/main.js'),
    `import fs from 'node:fs';\nexport async function main(args) {\n${body}\n}`,
  );
}

describe('the launcher', () => {
  it.runIf(process.platform !== 'win32')('is executable', () => {
    expect(fs.statSync(launcher).mode & 0o111).toBe(0o111);
  });

  it('passes the arguments on and ends with the exit code of the command line', () => {
    writeCli('console.log(args.join("+")); return 7;');
    const { status, stdout } = spawnSync(process.execPath, [command, 'plan', '--json'], { encoding: 'utf8' });
    expect(stdout.trim()).toBe('plan+--json');
    expect(status).toBe(7);
  });

  it('says in one line what to do when dist/ is missing', () => {
    const { status, stderr } = spawnSync(process.execPath, [command], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(/dist\/ is missing.*npm ci/);
  });

  it.runIf(process.platform !== 'win32')('ends the trainer when the shell that npx put between is gone', async () => {
    const seen = path.join(folder, 'seen');
    writeCli(`
      const done = new Promise(resolve => process.once('SIGTERM', resolve));
      fs.writeFileSync(${JSON.stringify(seen)}, 'ready');
      const alive = setInterval(() => {}, 1000);
      await done;
      clearInterval(alive);
      fs.writeFileSync(${JSON.stringify(seen)}, 'ended');
      return 0;`);
    // The second command keeps the shell from replacing itself by node.
    const shell: ChildProcess = spawn('sh', ['-c', `"${process.execPath}" "${command}"; true`], {
      env: { ...process.env, npm_lifecycle_script: 'mgsd-lite' },
      stdio: 'ignore',
    });
    const reached = async (state: string): Promise<void> =>
      await expect
        .poll(() => (fs.existsSync(seen) ? fs.readFileSync(seen, 'utf8') : ''), { timeout: 30_000 })
        .toBe(state);
    await reached('ready');
    shell.kill('SIGTERM');
    await reached('ended');
  });
});
