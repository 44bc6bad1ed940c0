/** Break the cold start: stage 2 from students that have seen no, few or all images of stage 1. */
import { classConfig, curveChart, distil, openClassroom, scoreOf, trainGrounding, trainPlanner } from './classroom.js';
import { percent, scaled, textTable } from './experiment.js';
import type { Experiment, ExperimentOptions, ExperimentResult } from './experiment.js';

/** Share of the updates of stage 1 that each student gets. */
const shares = [0, 0.12, 1] as const;

async function run({ device, seed, effort, onProgress }: ExperimentOptions): Promise<ExperimentResult> {
  const full = classConfig(seed);
  const steps = scaled(full.stage2.steps, effort, 4);
  const base = classConfig(seed, {
    stage0: { steps: scaled(full.stage0.steps, effort, 2), warmup: scaled(20, effort) },
    stage2: { steps },
  });
  const room = openClassroom(device, base);
  onProgress(`stage 0: ${base.stage0.steps} updates make a planner`);
  const planner = await trainPlanner(room);
  const bound = await scoreOf(room, planner, 'symbolic');
  const rows = [];
  for (const share of shares) {
    const updates = Math.round(share * scaled(full.stage1.steps, effort, 8));
    onProgress(`stage 1 with ${updates} updates, then ${steps} updates of stage 2`);
    const grounding = openClassroom(
      device,
      classConfig(seed, { stage1: { steps: updates, warmup: Math.min(20, updates) } }),
    );
    const student = updates === 0 ? planner : await trainGrounding(grounding, planner);
    rows.push({ updates, ...(await distil(room, base, planner, student)) });
    if (student !== planner) student.dispose();
  }
  planner.dispose();
  const [none, , all] = rows as [(typeof rows)[0], (typeof rows)[0], (typeof rows)[0]];
  return {
    lines: [
      `The teacher solves ${percent(bound.success)} of the held-out boards from symbols. Students, from images:`,
      ...textTable([
        ['updates of stage 1', 'recap exact before', 'success before', 'success after stage 2'],
        ...rows.map(({ updates, before, after }) => [
          String(updates),
          percent(before.recapExact),
          percent(before.success),
          percent(after.success),
        ]),
      ]),
      all.after.success > none.after.success
        ? `Without the cold start, stage 2 ends at ${percent(none.after.success)}; with all of it, at ${percent(all.after.success)}.`
        : `Here the cold start made no difference (${percent(none.after.success)} without, ${percent(all.after.success)} with).`,
    ],
    data: { seed, teacherSymbolic: bound, stage2Updates: steps, rows },
    svg: curveChart(
      'Stage 2 after a whole, a short and no cold start',
      rows.map(({ updates, curve }) => ({ label: `${updates} updates of stage 1`, curve })),
    ),
  };
}

export const coldStart: Experiment = {
  name: 'cold-start',
  question: 'What becomes of stage 2 if the student has not learnt to see before?',
  lesson: 'mgsd/lessons/stage1.md',
  run,
};
