/** The worker thread of generate.ts: one job after another. */
import { parentPort } from 'node:worker_threads';
import { runJob } from './generate.js';
import type { GenerateJob, WorkerAnswer } from './generate.js';

parentPort?.on('message', (job: GenerateJob) => {
  let answer: WorkerAnswer;
  try {
    answer = { report: runJob(job) };
  } catch (error) {
    answer = { error: error instanceof Error ? error.message : String(error) };
  }
  parentPort?.postMessage(answer);
});
