/** The Machine panel: what this browser offers, and whether every kernel is right on it. */
import type { Panel, PanelProps } from '../panel.js';
import { Checks } from './checks.js';
import { Offers } from './offers-table.js';

function Machine(props: PanelProps) {
  return (
    <div class="panel">
      <Offers engine={props.engine} />
      <Checks {...props} />
    </div>
  );
}

export const machinePanel: Panel = { id: 'machine', title: 'Machine', View: Machine };
