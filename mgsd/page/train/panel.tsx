/** The Train panel: the method from random weights, in this tab. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { RunConfig } from '../../method/config.js';
import type { Panel, PanelProps } from '../panel.js';
import { messageOf } from '../protocol.js';
import { takeStudent } from '../student-line.js';
import type { StudentProps } from '../student-line.js';
import type { NamedFile } from '../student.js';
import { CheckpointButtons } from './checkpoint.js';
import { Curves } from './curves.js';
import { Looks } from './looks.js';
import { Progress } from './progress.js';
import { Results } from './results.js';
import { Settings } from './settings.js';
import { idle, Training } from './training.js';
import type { TrainState } from './training.js';

const isRunning = ({ phase }: TrainState) => phase === 'measuring' || phase === 'training' || phase === 'pausing';

function Train({ engine, announce, onStudent }: PanelProps & StudentProps) {
  const [state, setState] = useState(idle);
  const [damaged, setDamaged] = useState('');
  const training = useMemo(() => new Training(setState), []);
  const { phase, config, told, table } = state;
  useEffect(() => {
    const failed = (error: unknown) => setDamaged(`The run that this browser kept cannot be read: ${messageOf(error)}`);
    engine.call('storedRun', undefined).then(run => run && training.restore(run), failed);
  }, [engine]);
  useNews(state, announce);
  useGuard(isRunning(state));
  const start = (chosen: RunConfig) => {
    if (phase !== 'paused' || confirm('A new run takes the place of the one that is paused. Start it?'))
      training.start(chosen);
  };
  const stop = () => {
    if (phase !== 'measuring' && !confirm('Stop this run and delete it?')) return;
    training.stop();
    if (phase !== 'measuring') void engine.call('deleteRun', undefined);
  };
  const plan = async (file: NamedFile) => {
    onStudent(await takeStudent(engine, file));
    location.hash = 'plan';
  };
  return (
    <div class="panel">
      <Settings disabled={isRunning(state)} onMeasure={chosen => training.measure(chosen)} onStart={start} />
      {damaged && <p class="bad">{damaged}</p>}
      <div class="row">
        {phase === 'training' && (
          <button type="button" onClick={() => training.pause()}>
            Pause
          </button>
        )}
        {phase === 'paused' && (
          <button type="button" class="primary" onClick={() => training.goOn()}>
            Go on
          </button>
        )}
        {(isRunning(state) || phase === 'paused') && (
          <button type="button" onClick={stop}>
            Stop
          </button>
        )}
        {phase !== 'idle' && phase !== 'measuring' && (
          <CheckpointButtons newest={() => training.newestCheckpoint(engine)} onPlan={plan} />
        )}
      </div>
      <Progress {...state} />
      {table && <Results rows={table} />}
      {config && <Looks config={config} looks={told.looks} />}
      <Curves {...told} />
    </div>
  );
}

/** Says what people cannot see change. */
function useNews({ phase, place, table }: TrainState, announce: (text: string) => void): void {
  const said = { training: place?.title, paused: 'The training is paused.', done: table && 'The training is done.' };
  const news = said[phase as keyof typeof said];
  useEffect(() => {
    if (news !== undefined) announce(news);
  }, [news]);
}

/** Has the browser ask before the page is left. */
function useGuard(isNeeded: boolean): void {
  useEffect(() => {
    if (!isNeeded) return undefined;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [isNeeded]);
}

export const trainPanel: Panel = { id: 'train', title: 'Train', View: Train };
