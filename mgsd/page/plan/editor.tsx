/** A board to paint on: the drawing, and over it a grid of cells that a pointer or the arrow keys reach. */
import { useRef, useState } from 'preact/hooks';
import { board as drawBoard } from '../../report/board.js';
import { boardCells, cellAt, cellText, DOWN, LEFT, neighbour, RIGHT, UP } from '../../worlds/grid.js';
import type { Action } from '../../worlds/grid.js';
import type { World, WorldInstance } from '../../worlds/world.js';
import { cellWords } from './brushes.js';

export interface EditorProps {
  readonly world: World;
  /** Need not be a puzzle. */
  readonly board: WorldInstance;
  /** Actions that are drawn on it. */
  readonly plan: readonly Action[];
  readonly onPaint: (cell: number) => void;
}

const moves: Readonly<Record<string, Action>> = {
  ArrowLeft: LEFT,
  ArrowDown: DOWN,
  ArrowRight: RIGHT,
  ArrowUp: UP,
};

export function Editor({ world, board, plan, onPaint }: EditorProps) {
  const { size } = board;
  const [at, setAt] = useState(0); // the cell that Tab leads to
  const grid = useRef<HTMLDivElement>(null);
  const focused = boardCells(size).includes(at) ? at : 0;
  const onKeyDown = (event: KeyboardEvent) => {
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault(); // the page would scroll
    const next = neighbour(size, focused, move);
    if (next < 0) return;
    setAt(next);
    grid.current?.querySelector<HTMLElement>(`[data-cell="${next}"]`)?.focus();
  };
  const drawing = drawBoard({ world, instance: board }, { plan, optimal: false, label: `${world.title}, a board` });
  const sides = Array.from({ length: size }, (_, k) => k);
  return (
    <div class="editor">
      <div dangerouslySetInnerHTML={{ __html: String(drawing) }} />
      <div ref={grid} role="grid" aria-label="Cells to paint" style={{ '--size': size }} onKeyDown={onKeyDown}>
        {sides.map(row => (
          <div key={row} role="row">
            {sides.map(col => {
              const cell = cellAt(row, col);
              return (
                <div key={col} role="gridcell">
                  <button
                    type="button"
                    data-cell={cell}
                    tabIndex={cell === focused ? 0 : -1}
                    aria-label={`${cellText(cell)} ${cellWords(world, board, cell)}`}
                    onFocus={() => setAt(cell)}
                    onClick={() => onPaint(cell)}
                  />
                </div>
              );
            })}
          </div>
        ))}
      </div>
    </div>
  );
}
