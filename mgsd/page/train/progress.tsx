/** How far a training is: its estimate first, then stage, update, speed and the time that is left. */
import { rowTitles } from '../../evaluation/table.js';
import { formatDuration } from '../../runs/duration.js';
import type { RunEstimate } from '../../runs/estimate.js';
import { secondsLeft } from './training.js';
import type { TrainState } from './training.js';

export function Progress({ phase, config, estimate, place, evaluation, told, notes, problem }: TrainState) {
  const at = told.log.at(-1);
  const isTraining = phase === 'training' || phase === 'pausing';
  return (
    <>
      {phase === 'measuring' && <p>Measuring a few updates of each stage ...</p>}
      {estimate && <p>{estimateText(estimate)}</p>}
      {isTraining && place && (
        <p>
          <progress aria-label={place.title} value={place.step} max={Math.max(1, place.steps)} />{' '}
          {evaluation
            ? `Evaluating ${rowTitles[evaluation.row]}: ${evaluation.done} of ${evaluation.total} puzzles`
            : `${place.title}: update ${place.step} of ${place.steps}`}
          {!evaluation && place.updatesPerSecond !== undefined && `, ${place.updatesPerSecond.toFixed(1)} a second`}
          {estimate && `; about ${formatDuration(secondsLeft(estimate, place))} left`}
        </p>
      )}
      {phase === 'pausing' && <p>Pausing after this update ...</p>}
      {phase === 'paused' && config && (
        <p>
          Paused: preset {config.preset}, seed {config.seed}
          {at && `, update ${at.step} of stage ${at.stage.replace('stage', '')}`}. This browser keeps it until another
          run takes its place.
        </p>
      )}
      {notes.map((note, k) => (
        <p key={k} class="note">
          {note}
        </p>
      ))}
      {problem !== undefined && (
        <p class="bad" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}

function estimateText({ seconds, stages }: RunEstimate): string {
  const each = stages.map(
    ({ stage, trainingSeconds, evaluationSeconds }) =>
      `${stage} ${formatDuration(trainingSeconds)} and ${formatDuration(evaluationSeconds)} of evaluation`,
  );
  return `Here it takes about ${formatDuration(seconds)}: ${each.join(', ')}.`;
}
