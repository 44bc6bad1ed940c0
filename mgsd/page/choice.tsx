/** One of a few options, each a click away: radio buttons, so that Tab reaches the group and arrow keys move in it. */
import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

export interface ChoiceProps<T> {
  readonly legend: string;
  readonly options: readonly (readonly [value: T, label: ComponentChildren])[];
  readonly value: T;
  readonly onChoose: (value: T) => void;
}

export function Choice<T>({ legend, options, value, onChoose }: ChoiceProps<T>) {
  const name = useId();
  return (
    <fieldset class="choice">
      <legend>{legend}</legend>
      {options.map(([option, label], at) => (
        <label key={at}>
          <input type="radio" name={name} checked={option === value} onChange={() => onChoose(option)} />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  );
}
