/** The installed package: its folder and version. */
import path from 'node:path';
import { readJson } from './files.js';
import { errorCode } from './files.js';
import fs from 'node:fs';

/** The folder that holds package.json: above mgsd/ in the sources, above dist/ when built. */
export function packageRoot(): string {
  for (let folder = import.meta.dirname; ; folder = path.dirname(folder)) {
    try {
      fs.accessSync(path.join(folder, 'package.json'));
      return folder;
    } catch (error) {
      if (errorCode(error) === undefined || folder === path.dirname(folder))
        throw new Error('package.json of mgsd-lite is missing: install the package again.', { cause: error });
    }
  }
}

export function packageVersion(): string {
  const { version } = readJson(path.join(packageRoot(), 'package.json')) as { version: string };
  return version;
}

/** The small trained model that comes with the package. */
export function pretrainedPath(): string {
  return path.join(packageRoot(), 'mgsd/pretrained/tiny.safetensors');
}
