/** What this browser offers, a row each. */
import { useEffect, useState } from 'preact/hooks';
import { table } from '../../pictures/html.js';
import type { Engine } from '../engine.js';
import { Markup } from '../markup.js';
import { messageOf } from '../protocol.js';
import type { MachineReport } from './calls.js';

export function Offers({ engine }: { readonly engine: Engine }) {
  const [report, setReport] = useState<MachineReport>();
  const [problem, setProblem] = useState('');
  useEffect(() => {
    engine.call('describeMachine', undefined).then(setReport, (error: unknown) => setProblem(messageOf(error)));
  }, [engine]);
  if (problem) return <p role="alert">{problem}</p>;
  if (!report) return <p>Asking this browser ...</p>;
  const rows = report.offers.map(({ name, value, cost }) => [name, value, cost] as const);
  return <Markup of={table('What this browser offers', ['what', 'here', 'what a lack costs'], rows)} />;
}
