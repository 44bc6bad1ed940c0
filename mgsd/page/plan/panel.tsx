/** The Plan panel: a puzzle in, what the student sees, writes and plans out. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { readPlan } from '../../evaluation/planner.js';
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

/** Milliseconds from token to token, so that one can follow. */
const pace = 40;

/** What came of a question. */
interface Reply {
  readonly question: Question;
  /** As far as it is written. */
  readonly tokens: readonly number[];
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
  const { tokens, plan, failure }: Partial<Reply> = reply?.question === question ? reply : {}; // or of the one before
  const actions = !tokens || question.input === 'file' ? [] : readPlan(world, tokens).actions;
  const writing = useRef<AbortController>(undefined);
  useEffect(() => () => writing.current?.abort(), [question]);
  const selected = brushes[name][brush] ?? brushes[name][0]!;

  const show = (index: number, number: number) => {
    setChosen(index);
    setSeed(number);
    setPainted(undefined);
    leaveFile();
  };
  const leaveFile = () => setInput(input === 'file' ? 'image' : input);
  const ask = async () => {
    writing.current?.abort();
    const { signal } = (writing.current = new AbortController());
    const hear = (sofar: readonly number[]) => setReply({ question, tokens: sofar });
    hear([]);
    setMoves(undefined);
    announce(''); // or the same sentence would not be said again
    try {
      const request = { shown: question.shown, pace: prefersLessMotion() ? 0 : pace };
      const written = await engine.call('plan', request, { signal, onEvent: hear });
      setReply({ question, tokens: written.tokens, plan: written });
      announce(outcomeOf(question, written).sentence);
    } catch (error) {
      if (!signal.aborted) setReply({ question, tokens: [], failure: messageOf(error) });
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
        {tokens && failure === undefined && (
          <Tokens {...{ engine, announce, question, tokens, plan }}>
            {plan && <Answer question={question} plan={plan} />}
          </Tokens>
        )}
      </div>
      {failure !== undefined && <p role="alert">{failure}</p>}
    </div>
  );
}

const prefersLessMotion = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

export const planPanel: Panel = { id: 'plan', title: 'Plan', usesStudent: true, View: Plan };
