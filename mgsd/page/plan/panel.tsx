/** The Plan panel: a puzzle in, what the student sees, writes and plans out. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { SurePlan } from '../../evaluation/planner.js';
import { numberedPuzzle } from '../../method/numbered.js';
import type { Puzzle } from '../../method/puzzles.js';
import type { RgbImage } from '../../pictures/png.js';
import { createWorldByName } from '../../worlds/registry.js';
import type { World, WorldInstance } from '../../worlds/world.js';
import { Choice } from '../choice.js';
import type { Panel, PanelProps } from '../panel.js';
import { messageOf } from '../protocol.js';
import { Answer } from './answer.js';
import { brushes } from './brushes.js';
import type { ModelFacts } from './calls.js';
import { Editor } from './editor.js';
import { Inputs } from './inputs.js';
import { Moves } from './moves.js';
import { Pictures } from './pictures.js';
import { outcomeOf, questionOf } from './question.js';
import type { Input, Look, Question } from './question.js';
import { Tokens } from './tokens.js';

/** What came of a question. */
interface Reply {
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
  const [input, setInput] = useState<Input>('image');
  const [file, setFile] = useState<RgbImage>();
  const [reply, setReply] = useState<Reply>();
  const [moves, setMoves] = useState<number>(); // drawn of a plan; undefined: all
  const { world: name, level } = sizes[chosen]!;
  const world = useMemo((): World => createWorldByName(name), [name]);
  const [puzzle, other] = useMemo(
    () => [seed, seed + 1].map(number => numberedPuzzle(world, level, number, 'test')) as [Puzzle, Puzzle],
    [world, level, seed],
  );
  const question = useMemo(
    () => questionOf({ name, world, board: painted ?? puzzle.instance, other, look, input, file }, config),
    [name, world, puzzle, other, painted, look, input, file, config],
  );
  const { board, problem } = question;
  const { plan, failure } = reply?.question === question ? reply : {}; // a late one is of the board before
  const actions = question.input === 'file' ? [] : (plan?.actions ?? []);
  const selected = brushes[name][brush] ?? brushes[name][0]!;

  const show = (index: number, number: number) => {
    setChosen(index);
    setSeed(number);
    setPainted(undefined);
    leaveFile();
  };
  const leaveFile = () => setInput(input === 'file' ? 'image' : input);
  const ask = async () => {
    try {
      const written = await engine.call('plan', question.shown);
      setReply({ question, plan: written });
      setMoves(undefined);
      announce(outcomeOf(question, written).sentence);
    } catch (error) {
      setReply({ question, failure: messageOf(error) });
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
        <button
          type="button"
          class="primary"
          disabled={problem !== undefined && question.input !== 'file'}
          onClick={() => void ask()}
        >
          Plan
        </button>
      </div>
      <Inputs
        input={question.input}
        imageSize={config.imageSize}
        hasFile={file !== undefined}
        onInput={setInput}
        onFile={picture => {
          setFile(picture);
          setInput('file');
        }}
      />
      <div class="boards">
        <div>
          <Editor
            world={world}
            board={board}
            plan={actions.slice(0, moves)}
            onPaint={cell => {
              setPainted(selected.paint(board, cell));
              leaveFile();
            }}
          />
          {actions.length > 0 && <Moves count={actions.length} drawn={moves ?? actions.length} onDraw={setMoves} />}
          <Choice
            legend="Paint cells with"
            options={brushes[name].map(option => [option, option.name] as const)}
            value={selected}
            onChoose={option => setBrush(brushes[name].indexOf(option))}
          />
          <p role="status">{problem !== undefined && `This is no puzzle: ${problem}.`}</p>
        </div>
        <Pictures question={question} imageSize={config.imageSize} onLook={setLook} />
      </div>
      {failure !== undefined && <p role="alert">{failure}</p>}
      {plan && <Answer question={question} plan={plan} />}
      {plan && <Tokens engine={engine} question={question} plan={plan} />}
    </div>
  );
}

export const planPanel: Panel = { id: 'plan', title: 'Plan', usesStudent: true, View: Plan };
