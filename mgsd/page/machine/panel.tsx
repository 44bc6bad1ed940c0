/** The Machine panel: what this browser offers, whether every kernel is right on it, and how fast it is. */
import { useEffect, useState } from 'preact/hooks';
import type { Panel, PanelProps } from '../panel.js';
import { messageOf } from '../protocol.js';
import type { MachineReport } from './calls.js';
import type { Checked } from './check.js';
import { Checks } from './checks.js';
import { CopyButton } from './copy.js';
import { Figures } from './figures.js';
import type { Measured } from './measure.js';
import { Offers } from './offers-table.js';

function Machine(props: PanelProps) {
  const { engine } = props;
  const [report, setReport] = useState<MachineReport>();
  const [problem, setProblem] = useState('');
  const [checked, setChecked] = useState<Checked>();
  const [measured, setMeasured] = useState<Measured>();
  useEffect(() => {
    engine.call('describeMachine', undefined).then(setReport, (error: unknown) => setProblem(messageOf(error)));
  }, [engine]);
  return (
    <div class="panel">
      {problem && <p role="alert">{problem}</p>}
      {report ? <Offers offers={report.offers} /> : !problem && <p>Asking this browser ...</p>}
      <Checks {...props} onChecked={setChecked} />
      <Figures {...props} onMeasured={setMeasured} />
      {report && <CopyButton {...{ report, checked, measured }} announce={props.announce} />}
    </div>
  );
}

export const machinePanel: Panel = { id: 'machine', title: 'Machine', View: Machine };
