/** The worker thread of generate.ts: one job after another. */
import { parentPort } from 'node:worker_threads';
import { errorCode } from '../runs/files.js';
import { runJob } from './generate.js';
import type { GenerateJob, WorkerAnswer } from './generate.js';

parentPort?.on('message', (job: GenerateJob) => {
  let answer: WorkerAnswer;
  try {
    answer = { report: runJob(job) };
  } catch (error) {
    const { message, cause } = error instanceof Error ? error : new Error(String(error));
    answer = { error: message, code: errorCode(cause) };
  }
  parentPort?.postMessage(answer);
});
