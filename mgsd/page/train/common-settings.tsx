/** The settings that change most of what one sees, with a word on each; empty fields leave the preset's value. */
import type { RunConfig } from '../../method/config.js';

/** What each decides, by its name on the command line. */
const common = {
  'stage0.steps': 'Stage 0: updates in which the planner learns from symbols',
  'stage0.learningRate': 'Stage 0: learning rate; too high and the loss rises',
  'stage1.steps': 'Stage 1: updates in which the student learns to write down what it sees',
  'stage1.visionRate': 'Stage 1: learning rate of the eye',
  'stage1.decoderRate': 'Stage 1: learning rate of the planner; 0 freezes it',
  'stage2.steps': 'Stage 2: updates in which the student plans from pictures and the teacher scores every token',
  'stage2.divergence': 'Stage 2: reverse_kl, forward_kl or jsd between student and teacher',
  'stage2.temperature': 'Stage 2: how freely the student samples its own responses',
  'evaluation.puzzles': 'Held-out puzzles per board size, for the table',
} as const;

/** What has been typed, by name. */
export type Typed = Readonly<Partial<Record<string, string>>>;

interface Props {
  readonly preset: RunConfig;
  readonly typed: Typed;
  readonly onType: (typed: Typed) => void;
}

export function CommonSettings({ preset, typed, onType }: Props) {
  return (
    <div class="settings">
      {Object.entries(common).map(([name, word]) => (
        <label key={name}>
          <input
            size={10}
            spellcheck={false}
            placeholder={valueOf(preset, name)}
            value={typed[name] ?? ''}
            onInput={event => onType({ ...typed, [name]: event.currentTarget.value })}
          />{' '}
          <span>
            {word} <code>{name}</code>
          </span>
        </label>
      ))}
    </div>
  );
}

/** The lines `name=value` of the fields that are filled. */
export function linesOf(typed: Typed): string[] {
  return Object.entries(typed).flatMap(([name, value = '']) =>
    value.trim() === '' ? [] : [`${name}=${value.trim()}`],
  );
}

/** The value at `stage0.steps`, say. */
function valueOf(config: RunConfig, name: string): string {
  return String(name.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], config));
}
