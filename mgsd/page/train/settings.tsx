/** What is trained: a preset, a seed, and any other setting by its name. */
import { useMemo, useState } from 'preact/hooks';
import { parseOverride, resolveConfig } from '../../method/config.js';
import type { RunConfig } from '../../method/config.js';
import { createWorldByName } from '../../worlds/registry.js';
import { messageOf } from '../protocol.js';

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
  const [others, setOthers] = useState('');
  const config = useMemo(() => resolved(preset, seed, others), [preset, seed, others]);
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
        <summary>Any other setting</summary>
        <label>
          One a line, as <code>--set</code> on the command line takes them: <code>stage2.steps=200</code>
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
function resolved(preset: keyof typeof offered, seed: string, others: string): RunConfig | string {
  try {
    const lines = others.split('\n').filter(line => line.trim() !== '');
    return resolveConfig(preset, { seed: seed.trim() === '' ? undefined : Number(seed) }, ...lines.map(parseOverride));
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
