/** What the package depends on: exact versions, no install scripts, and a reason for each in the README. */
import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const root = path.join(import.meta.dirname, '../..');
const read = (name: string) => fs.readFileSync(path.join(root, name), 'utf8');

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
}
interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  readonly optional?: boolean;
}

const manifest = JSON.parse(read('package.json')) as Manifest;
const lock = (JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> }).packages;
const direct = { ...manifest.dependencies, ...manifest.devDependencies };

it('names exact versions, and the lock file has them with checksums', () => {
  for (const [name, version] of Object.entries(direct)) {
    expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
    expect(lock[`node_modules/${name}`]?.version, name).toBe(version);
  }
  for (const [name, { integrity, link }] of Object.entries(lock))
    if (name !== '' && !link) expect(integrity, name).toMatch(/^sha512-/);
});

it('runs no install script of any dependency', () => {
  // Dawn's takes a quarantine mark off its binary on macOS, which files that npm has unpacked do not carry.
  const scripted = Object.entries(lock).filter(([name, { hasInstallScript }]) => name !== '' && hasInstallScript);
  const names = scripted.map(([name]) => name.replace(/^.*node_modules\//, ''));
  for (const name of names) expect(manifest.allowScripts[name], name).toBe(false);
});

it('says in the README why each dependency is there', () => {
  const readme = read('README.md');
  for (const name of Object.keys(direct)) expect(readme, name).toContain(`\`${name}\``);
});
