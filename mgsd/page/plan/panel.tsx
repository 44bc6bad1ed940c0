/** The Plan panel: a puzzle in, what the student sees, writes and plans out. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { verdictText } from '../../evaluation/evaluate.js';
import type { SurePlan } from '../../evaluation/planner.js';
import { numberedPuzzle } from '../../method/numbered.js';
import { createWorldByName } from '../../worlds/registry.js';
import type { World, WorldInstance } from '../../worlds/world.js';
import { Choice } from '../choice.js';
import type { Panel, PanelProps } from '../panel.js';
import { messageOf } from '../protocol.js';
import { brushes } from './brushes.js';
import type { ModelFacts } from './calls.js';
import { Editor } from './editor.js';
import { Pictures } from './pictures.js';
import { questionOf } from './question.js';
import type { Look, Question } from './question.js';

/** What came of a question. */
interface Answer {
  readonly question: Question;
  readonly plan?: SurePlan;
  readonly failure?: string;
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
  const { config, tasks } = facts;
  const sizes = tasks.flatMap(({ world, levels }) => levels.map(level => ({ world, level })));
  const usual = sizes.findIndex(({ level }) => level === 4);
  const [chosen, setChosen] = useState(Math.max(0, usual));
  const [seed, setSeed] = useState(1);
  const [painted, setPainted] = useState<WorldInstance>(); // else the puzzle of this number
  const [brush, setBrush] = useState(0);
  const [look, setLook] = useState<Look>('training');
  const [answer, setAnswer] = useState<Answer>();
  const { world: name, level } = sizes[chosen]!;
  const world = useMemo((): World => createWorldByName(name), [name]);
  const question = useMemo(
    () => questionOf(name, world, painted ?? numberedPuzzle(world, level, seed, 'test').instance, look, config),
    [name, world, level, seed, painted, look, config],
  );
  const { board, problem } = question;
  const puzzle = { world, instance: board };
  const { plan, failure } = answer?.question === question ? answer : {}; // a late one is of the board before
  const selected = brushes[name][brush] ?? brushes[name][0]!;

  const show = (index: number, number: number) => {
    setChosen(index);
    setSeed(number);
    setPainted(undefined);
  };
  const ask = async () => {
    try {
      const written = await engine.call('plan', question.shown);
      setAnswer({ question, plan: written });
      announce(`The plan ${verdictText(puzzle, written)}.`);
    } catch (error) {
      setAnswer({ question, failure: messageOf(error) });
    }
  };
  return (
    <div class="panel">
      <div class="row">
        <label>
          Board{' '}
          <select value={chosen} onChange={event => show(Number(event.currentTarget.value), seed)}>
            {sizes.map(({ world: of, level: side }, at) => (
              <option key={at} value={at}>
                {createWorldByName(of).title} {side} × {side}
              </option>
            ))}
          </select>
        </label>
        <button type="button" onClick={() => show(chosen, seed + 1)}>
          Next puzzle
        </button>
        <button type="button" class="primary" disabled={problem !== undefined} onClick={() => void ask()}>
          Plan
        </button>
      </div>
      <div class="boards">
        <div>
          <Editor
            world={world}
            board={board}
            plan={plan?.actions ?? []}
            onPaint={cell => setPainted(selected.paint(board, cell))}
          />
          <Choice
            legend="Paint cells with"
            options={brushes[name].map(option => [option, option.name] as const)}
            value={selected}
            onChoose={option => setBrush(brushes[name].indexOf(option))}
          />
          <p role="status">{problem !== undefined && `This is no puzzle: ${problem}.`}</p>
        </div>
        <Pictures question={question} imageSize={config.imageSize} look={look} onLook={setLook} />
      </div>
      {failure !== undefined && <p role="alert">{failure}</p>}
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
