/** The engine in a browser's worker: answers one question at a time. */
import { miniatureConfig, miniatureModel } from '../../../bench/soak/miniature-config.js';
import { openDevice, sha256 } from '../../../core/index.js';
import type { BackendName } from '../../../core/index.js';
import { checkKernel } from '../../../kernels/cases.js';
import { kernels } from '../../../kernels/index.js';
import { MemoryStore } from '../../../mgsd/runs/memory-store.js';
import { train } from '../../../mgsd/runs/train.js';
import { hostBits } from '../../mgsd/host-bits.js';
import { losses, recordRollouts, steps, trajectory } from '../../mgsd/miniature-run.js';
import type { TrainedStage } from '../../mgsd/miniature-run.js';

export type Question =
  /** What the device says of itself. */
  | { readonly task: 'capabilities'; readonly device: BackendName }
  /** Every kernel against its reference: what differs, a line each. */
  | { readonly task: 'conformance'; readonly device: BackendName; readonly calls: number }
  /** Of each of 20 updates. */
  | { readonly task: 'losses'; readonly device: BackendName; readonly threads: number; readonly stage: TrainedStage }
  /** A miniature run to its table: that, and the hashes of its files. */
  | { readonly task: 'run'; readonly device: BackendName; readonly threads: number }
  /** What the host computes for a run. */
  | { readonly task: 'host' };
export type Answer = { readonly value: unknown } | { readonly error: string };

async function answer(question: Question): Promise<unknown> {
  if (question.task === 'host') return hostBits();
  const device = await openDevice(question.device, 'threads' in question ? { threads: question.threads } : {});
  try {
    switch (question.task) {
      case 'capabilities':
        return device.capabilities;
      case 'conformance': {
        const problems: string[] = [];
        for (const kernel of kernels) {
          const problem = await checkKernel(device.backend, kernel, 'f32', question.calls);
          if (problem !== undefined) problems.push(problem);
        }
        return problems;
      }
      case 'losses': {
        const rollouts = question.stage === 'stage2' ? await recordRollouts(steps) : [];
        return losses(await trajectory(device, question.stage, rollouts));
      }
      case 'run': {
        const folder = new MemoryStore();
        const config = miniatureConfig();
        const table = await train({ config, device, folder, model: miniatureModel, checkpointEvery: 3 });
        return { table, files: Object.fromEntries(folder.names().map(name => [name, sha256([folder.read(name)])])) };
      }
    }
  } finally {
    await device.close();
  }
}

globalThis.onmessage = ({ data }: MessageEvent<Question>) => {
  const failed = (error: unknown): Answer => ({
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  void answer(data)
    .then(value => ({ value }), failed)
    .then((reply: Answer) => globalThis.postMessage(reply));
};
