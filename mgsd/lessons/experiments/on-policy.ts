/** On-policy against off-policy: the same student, teacher and updates, but who writes what is learnt from? */
import type { RunConfig } from '../../method/config.js';
import { classConfig, curveChart, distil, openClassroom, trainGrounding, trainPlanner } from './classroom.js';
import { percent, scaled, textTable } from './experiment.js';
import type { Experiment, ExperimentOptions, ExperimentResult } from './experiment.js';

const ways: readonly { readonly label: string; readonly stage2: Partial<RunConfig['stage2']> }[] = [
  { label: 'on-policy, reverse KL', stage2: {} },
  { label: 'off-policy, reverse KL', stage2: { writer: 'teacher' } },
  { label: 'off-policy, forward KL', stage2: { writer: 'teacher', divergence: 'forward_kl' } },
];

async function run({ device, seed, effort, onProgress }: ExperimentOptions): Promise<ExperimentResult> {
  const full = classConfig(seed);
  const changes = {
    stage0: { steps: scaled(full.stage0.steps, effort, 2), warmup: scaled(20, effort) },
    stage1: { steps: scaled(150, effort, 2), warmup: scaled(20, effort) },
    stage2: { steps: scaled(60, effort, 4) },
  };
  const base = classConfig(seed, changes);
  const room = openClassroom(device, base);
  onProgress(`stages 0 and 1: ${base.stage0.steps} and ${base.stage1.steps} updates make planner and student`);
  const planner = await trainPlanner(room);
  const student = await trainGrounding(room, planner);
  const { steps } = base.stage2;
  const results = [];
  for (const { label, stage2 } of ways) {
    onProgress(`${label}: ${steps} updates`);
    results.push({ label, ...(await distil(room, classConfig(seed, changes, { stage2 }), planner, student)) });
  }
  student.dispose();
  planner.dispose();
  const { before } = results[0]!;
  const rows = results.map(({ label, after, curve }) => ({ label, ...after, curve }));
  const [onPolicyRow, ...offPolicy] = rows as [(typeof rows)[0], ...typeof rows];
  const best = offPolicy.reduce((a, b) => (b.success > a.success ? b : a));
  const points = Math.round(100 * (onPolicyRow.success - best.success));
  return {
    lines: [
      `Before: ${percent(before.success)} of ${room.heldOut[0]!.puzzles.length} held-out boards solved, ${percent(before.recapExact)} written down right.`,
      ...textTable([
        [`after ${steps} updates`, 'success', 'recap exact'],
        ...rows.map(({ label, success, recapExact }) => [label, percent(success), percent(recapExact)]),
      ]),
      points === 0
        ? 'On-policy and the better off-policy student end level here.'
        : `On-policy is ${Math.abs(points)} points ${points > 0 ? 'better' : 'worse'} than the better off-policy student; one seed, so repeat it with --seed.`,
    ],
    data: { seed, before, updates: steps, rows },
    svg: curveChart('Who writes what is learnt from', rows),
  };
}

export const onPolicy: Experiment = {
  name: 'on-policy',
  question: "Is it better to learn from one's own prefixes than from the teacher's?",
  lesson: 'mgsd/lessons/on-policy.md',
  run,
};
