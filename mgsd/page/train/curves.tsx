/** The curves of each stage, as the report draws them. */
import { useMemo } from 'preact/hooks';
import type { StageName } from '../../method/stages/stage.js';
import { fold, html } from '../../pictures/html.js';
import { plotFigure, plotsOf } from '../../report/curves.js';
import { stageNames } from '../../runs/order.js';
import { Markup } from '../markup.js';
import type { Told } from './training.js';

export function Curves({ log, looks }: Told) {
  const begun = stageNames.filter(stage => log.some(record => record.stage === stage));
  return (
    <>
      {begun.reverse().map(stage => (
        <StageCurves key={stage} stage={stage} log={log} looks={looks} />
      ))}
    </>
  );
}

function StageCurves({ stage, ...told }: Told & { readonly stage: StageName }) {
  const log = told.log.filter(record => record.stage === stage);
  const looks = told.looks.filter(look => look.stage === stage);
  const markup = useMemo(() => {
    const plots = plotsOf([{ name: 'this run', log, looks }], stage);
    const grid = (leads: boolean) =>
      html`<div class="grid">${plots.filter(plot => plot.leads === leads).map(plotFigure)}</div>`;
    return html`${grid(true)} ${fold('Further curves', grid(false))}`;
  }, [log.length, looks.length]);
  return (
    <>
      <h2>Stage {stage.replace('stage', '')}: curves</h2>
      <Markup of={markup} />
    </>
  );
}
