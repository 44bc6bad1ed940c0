/** The Train panel: the method from random weights, in this tab. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Panel, PanelProps } from '../panel.js';
import { Progress } from './progress.js';
import { Results } from './results.js';
import { Settings } from './settings.js';
import { Training } from './training.js';
import type { TrainState } from './training.js';

function Train({ announce }: PanelProps) {
  const [state, setState] = useState<TrainState>({ phase: 'idle', notes: [] });
  const training = useMemo(() => new Training(setState), []);
  const { phase, place, table } = state;
  const isBusy = phase === 'measuring' || phase === 'training';
  const news = phase === 'training' ? place?.title : table ? 'The training is done.' : undefined;
  useEffect(() => {
    if (news !== undefined) announce(news);
  }, [news]);
  return (
    <div class="panel">
      <Settings
        disabled={isBusy}
        onMeasure={config => training.measure(config)}
        onStart={config => training.start(config)}
      />
      <Progress {...state} />
      {isBusy && (
        <button type="button" onClick={() => training.stop()}>
          Stop
        </button>
      )}
      {table && <Results rows={table} />}
    </div>
  );
}

export const trainPanel: Panel = { id: 'train', title: 'Train', View: Train };
