/** The Plan panel: a puzzle in, what the student sees, writes and plans out. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { verdictText } from '../../evaluation/evaluate.js';
import type { SurePlan } from '../../evaluation/planner.js';
import { numberedPuzzle } from '../../method/numbered.js';
import type { Puzzle } from '../../method/puzzles.js';
import { board } from '../../report/board.js';
import { createWorldByName } from '../../worlds/registry.js';
import type { WorldName } from '../../worlds/registry.js';
import type { World } from '../../worlds/world.js';
import type { Panel, PanelProps } from '../panel.js';
import { messageOf } from '../protocol.js';
import type { ModelFacts } from './calls.js';

/** What came of a puzzle that the model was asked. */
interface Answer {
  readonly puzzle: Puzzle;
  readonly plan?: SurePlan;
  readonly problem?: string;
}

function Plan({ engine, announce }: PanelProps) {
  const [facts, setFacts] = useState<ModelFacts>();
  const [failure, setFailure] = useState('');
  useEffect(() => {
    engine.call('describeModel', undefined).then(setFacts, (error: unknown) => setFailure(messageOf(error)));
  }, [engine]);
  if (failure) return <p role="alert">{failure}</p>;
  return facts ? <Board engine={engine} announce={announce} facts={facts} /> : <p>Loading the model ...</p>;
}

function Board({ engine, announce, facts }: PanelProps & { readonly facts: ModelFacts }) {
  const sizes = facts.tasks.flatMap(({ world, levels }) => levels.map(level => ({ world, level })));
  const usual = sizes.findIndex(({ level }) => level === 4);
  const [chosen, choose] = useState(Math.max(0, usual));
  const [seed, setSeed] = useState(1);
  const [answer, setAnswer] = useState<Answer>();
  const { world: name, level } = sizes[chosen]!;
  const puzzle = useMemo((): Puzzle & { name: WorldName } => {
    const world: World = createWorldByName(name);
    return { name, ...numberedPuzzle(world, level, seed, 'test') };
  }, [name, level, seed]);
  const { plan, problem } = answer?.puzzle === puzzle ? answer : {}; // a late one is of the board before
  const ask = async () => {
    const image = puzzle.world.render(puzzle.instance, facts.imageSize);
    try {
      const written = await engine.call('plan', { world: puzzle.name, image });
      setAnswer({ puzzle, plan: written });
      announce(`The plan ${verdictText(puzzle, written)}.`);
    } catch (error) {
      setAnswer({ puzzle, problem: messageOf(error) });
    }
  };
  const drawing = board(puzzle, { plan: plan?.actions ?? [], optimal: false, label: `${puzzle.world.title}, a board` });
  return (
    <div class="panel">
      <div class="row">
        <label>
          Board{' '}
          <select value={chosen} onChange={event => choose(Number(event.currentTarget.value))}>
            {sizes.map(({ world, level: side }, at) => (
              <option key={at} value={at}>
                {createWorldByName(world).title} {side} × {side}
              </option>
            ))}
          </select>
        </label>
        <button type="button" onClick={() => setSeed(seed + 1)}>
          Next puzzle
        </button>
        <button type="button" class="primary" onClick={() => void ask()}>
          Plan
        </button>
      </div>
      <div class="views" dangerouslySetInnerHTML={{ __html: String(drawing) }} />
      {problem !== undefined && <p role="alert">{problem}</p>}
      {plan && (
        <p>
          It wrote <code>{plan.recapText}</code> and plans <code>{plan.answer || 'nothing'}</code>, which{' '}
          {verdictText(puzzle, plan)}.
        </p>
      )}
    </div>
  );
}

export const planPanel: Panel = { id: 'plan', title: 'Plan', View: Plan };
