/** What is trained: a preset, a seed, a few settings with a word on each, and any other by its name. */
import { useMemo, useState } from 'preact/hooks';
import { parseOverride, presets, resolveConfig } from '../../method/config.js';
import type { RunConfig } from '../../method/config.js';
import { createWorldByName } from '../../worlds/registry.js';
import { messageOf } from '../protocol.js';
import { CommonSettings, linesOf } from './common-settings.js';
import type { Typed } from './common-settings.js';

/** Those that a browser trains while one waits. */
const offered = { classroom: 'for a lesson', tiny: 'larger boards, many times as long' } as const;

interface Props {
  readonly disabled: boolean;
  readonly onMeasure: (config: RunConfig) => void;
  readonly onStart: (config: RunConfig) => void;
}

export function Settings({ disabled, onMeasure, onStart }: Props) {
  const [preset, setPreset] = useState<keyof typeof offered>('classroom');
  const [seed, setSeed] = useState('1');
  const [typed, setTyped] = useState<Typed>({});
  const [others, setOthers] = useState('');
  const lines = [...linesOf(typed), ...others.split('\n').filter(line => line.trim() !== '')].join('\n');
  const config = useMemo(() => resolved(preset, seed, lines), [preset, seed, lines]);
  const problem = typeof config === 'string' ? config : undefined;
  const use = (then: (config: RunConfig) => void) => () => {
    if (typeof config !== 'string') then(config);
  };
  return (
    <fieldset disabled={disabled}>
      <legend>A model from random weights</legend>
      <div class="row">
        <label>
          Preset{' '}
          <select value={preset} onChange={event => setPreset(event.currentTarget.value as keyof typeof offered)}>
            {Object.entries(offered).map(([name, word]) => (
              <option key={name} value={name}>
                {name}: {word}
              </option>
            ))}
          </select>
        </label>
        <label>
          Seed{' '}
          <input
            inputMode="numeric"
            size={6}
            value={seed}
            aria-invalid={problem !== undefined}
            onInput={event => setSeed(event.currentTarget.value)}
          />
        </label>
        <button type="button" disabled={problem !== undefined} onClick={use(onMeasure)}>
          How long?
        </button>
        <button type="button" class="primary" disabled={problem !== undefined} onClick={use(onStart)}>
          Start
        </button>
      </div>
      <details>
        <summary>Settings</summary>
        <CommonSettings preset={presets[preset]} typed={typed} onType={setTyped} />
        <label>
          Any other, one a line, as <code>--set</code> on the command line takes them: <code>stage2.looks=0.5</code>
          <textarea
            rows={3}
            spellcheck={false}
            value={others}
            onInput={event => setOthers(event.currentTarget.value)}
          />
        </label>
      </details>
      <p class={problem === undefined ? 'note' : 'bad'} role={problem === undefined ? undefined : 'alert'}>
        {typeof config === 'string' ? config : described(config)}
      </p>
    </fieldset>
  );
}

/** The configuration, or what is wrong with it. */
function resolved(preset: keyof typeof offered, seed: string, lines: string): RunConfig | string {
  try {
    const settings = lines === '' ? [] : lines.split('\n').map(parseOverride);
    return resolveConfig(preset, { seed: seed.trim() === '' ? undefined : Number(seed) }, ...settings);
  } catch (error) {
    return messageOf(error);
  }
}

/** `FrozenLake 3 × 3, 4 × 4; 650 + 260 + 130 updates of 64 puzzles` */
function described({ tasks, stage0, stage1, stage2 }: RunConfig): string {
  const boards = tasks.map(
    ({ world, levels }) => `${createWorldByName(world).title} ${levels.map(side => `${side} × ${side}`).join(', ')}`,
  );
  const stages = [stage0, stage1, stage2].map(
    ({ steps, batch }, k) => `stage ${k}: ${steps} updates of ${batch} puzzles`,
  );
  return [...boards, ...stages].join('; ');
}
