import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'vitest';

/**
 * A fresh folder for each test of a file, removed after it: `const folder = useTemporaryFolder()`, then `folder.path`.
 */
export function useTemporaryFolder(): { readonly path: string; file(name: string): string } {
  let current = '';
  beforeEach(() => {
    current = fs.mkdtempSync(path.join(os.tmpdir(), 'mgsd-test-'));
  });
  afterEach(() => {
    fs.rmSync(current, { recursive: true, force: true });
  });
  return {
    get path() {
      return current;
    },
    file: name => path.join(current, name),
  };
}
