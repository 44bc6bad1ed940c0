/** How many moves of the plan are drawn on the board: one after another, or all. */
export interface MovesProps {
  readonly count: number;
  readonly drawn: number;
  readonly onDraw: (moves: number) => void;
}

export function Moves({ count, drawn, onDraw }: MovesProps) {
  return (
    <label>
      Moves drawn{' '}
      <input
        type="range"
        min={0}
        max={count}
        value={drawn}
        onInput={event => onDraw(event.currentTarget.valueAsNumber)}
      />{' '}
      <data value={String(drawn)}>
        {drawn} of {count}
      </data>
    </label>
  );
}
