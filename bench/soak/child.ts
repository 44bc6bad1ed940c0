/** A miniature run as a process to be killed, which resumes where it stopped: child.js FOLDER SEED CHECKPOINT-EVERY. */
import { openDevice } from '../../core/index.js';
import { catchSignals } from '../../mgsd/cli/signals.js';
import { Interrupted } from '../../mgsd/runs/train-options.js';
import { longerConfig, runMiniature } from './miniature.js';

const [, , folder = '', seed = '1', checkpointEvery = '1'] = process.argv;
const device = await openDevice('wasm', { threads: 1 });
const signals = catchSignals(() => {});
try {
  await runMiniature(device, folder, {
    config: longerConfig(Number(seed)),
    checkpointEvery: Number(checkpointEvery),
    signal: signals.signal,
    observer: { onStage: ({ stage }) => process.stdout.write(`${stage}\n`) },
  });
} catch (error) {
  if (!(error instanceof Interrupted)) throw error;
  process.exitCode = signals.exitCode;
}
await device.close();
