/** The declarations as a user's compiler sees them: default libraries, no types of Node or WebGPU, nothing skipped. */
import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { useTemporaryFolder } from '../mgsd/temporary.js';

const root = path.resolve(import.meta.dirname, '../..');
const folder = useTemporaryFolder();

it('compile in a project that has no types but its own', () => {
  fs.mkdirSync(folder.file('node_modules'));
  fs.symlinkSync(root, folder.file('node_modules/mgsd-lite'), 'junction');
  const { exports } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as { exports: object };
  const entries = Object.keys(exports).filter(entry => !entry.endsWith('.json'));
  expect(entries.length).toBeGreaterThan(3);
  const file = folder.file('user.mts');
  const imports = entries.map((entry, i) => `import * as part${i} from '${path.posix.join('mgsd-lite', entry)}';`);
  fs.writeFileSync(file, [...imports, `console.log(${entries.map((_, i) => `part${i}`).join()});`].join('\n'));
  const program = ts.createProgram([file], {
    module: ts.ModuleKind.NodeNext,
    strict: true,
    noEmit: true,
    types: [],
    preserveSymlinks: true,
  });
  const messages = ts
    .getPreEmitDiagnostics(program)
    .map(({ file: at, messageText }) => `${at?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`);
  expect(messages).toEqual([]);
});
