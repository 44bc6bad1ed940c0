/** The engine in a browser's worker: answers one question at a time. */
import { openDevice } from '../../../core/index.js';
import type { BackendName } from '../../../core/index.js';
import { checkCase, conformanceCase, seededDraw } from '../../../kernels/cases.js';
import { kernels } from '../../../kernels/index.js';
import { losses, recordRollouts, steps, trajectory } from '../../mgsd/miniature-run.js';
import type { TrainedStage } from '../../mgsd/miniature-run.js';

export type Question =
  /** What the device says of itself. */
  | { readonly task: 'capabilities'; readonly device: BackendName }
  /** Every kernel against its reference: what differs, a line each. */
  | { readonly task: 'conformance'; readonly device: BackendName; readonly calls: number }
  /** Of each of 20 updates. */
  | { readonly task: 'losses'; readonly device: BackendName; readonly threads: number; readonly stage: TrainedStage };
export type Answer = { readonly value: unknown } | { readonly error: string };

async function answer(question: Question): Promise<unknown> {
  const device = await openDevice(question.device, 'threads' in question ? { threads: question.threads } : {});
  try {
    switch (question.task) {
      case 'capabilities':
        return device.capabilities;
      case 'conformance': {
        const problems: string[] = [];
        const checks = kernels.flatMap(kernel =>
          Array.from({ length: question.calls }, (_, call) => ({ kernel, call })),
        );
        for (const { kernel, call } of checks) {
          const example = kernel.example(seededDraw(20260606, call));
          const test = conformanceCase(kernel, example, 'f32', [1, 10, 0.01][call % 3]!, call);
          const problem = await checkCase(device.backend, kernel, test);
          if (problem !== undefined) problems.push(problem);
        }
        return problems;
      }
      case 'losses': {
        const rollouts = question.stage === 'stage2' ? await recordRollouts(steps) : [];
        return losses(await trajectory(device, question.stage, rollouts));
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
