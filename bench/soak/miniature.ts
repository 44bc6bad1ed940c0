/** Miniature runs in folders. */
import type { Device } from '../../core/index.js';
import { RunFolder } from '../../mgsd/runs/run-folder.js';
import { train } from '../../mgsd/runs/train.js';
import type { TrainOptions } from '../../mgsd/runs/train-options.js';
import type { TableRow } from '../../mgsd/evaluation/table.js';
import { miniatureConfig, miniatureModel } from './miniature-config.js';

export * from './miniature-config.js';

interface MiniatureOptions extends Partial<Omit<TrainOptions, 'device' | 'folder'>> {
  /** Given the folder before the run begins. */
  readonly onFolder?: (folder: RunFolder) => void;
}

/** Starts a run, or resumes the one in the folder. */
export async function runMiniature(
  device: Device,
  path: string,
  { config = miniatureConfig(), onFolder, ...options }: MiniatureOptions = {},
): Promise<TableRow[]> {
  const resume = RunFolder.isRun(path);
  const access = { warn: (message: string) => options.observer?.onNote?.(message) };
  const folder = resume ? RunFolder.open(path, access) : RunFolder.create(path, config, access);
  onFolder?.(folder);
  try {
    return await train({ config, device, folder, resume, model: miniatureModel, checkpointEvery: 3, ...options });
  } finally {
    folder.close();
  }
}
