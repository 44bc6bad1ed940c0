/** What a panel of the page is: one component, which main.tsx lists. */
import type { ComponentType } from 'preact';
import type { Engine } from './engine.js';
import type { StudentProps } from './student-line.js';

export interface PanelProps {
  readonly engine: Engine;
  /** Says something to people who cannot see the page change. */
  readonly announce: (text: string) => void;
}

export interface Panel {
  /** Its part of the page's address: `#plan`. */
  readonly id: string;
  readonly title: string;
  /** Begins anew when the student is another one. */
  readonly usesStudent?: boolean;
  readonly View: ComponentType<PanelProps & StudentProps>;
}
