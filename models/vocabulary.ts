/**
 * The one closed vocabulary that the symbolic prompts, the perception targets and the plans of every world are written
 * in.
 *
 *     id       tokens
 *     0..4     PAD BOS EOS ANS IMG
 *     5..8     section marks ROUTE, WAVEFRONT, PLAN, and NONE (an empty list)
 *     9..15    Q1..Q7, the numbered perception questions
 *     16..18   task:frozenlake task:maze task:minibehaviour
 *     19..20   mode:perceive mode:plan
 *     21..27   size:2 .. size:8
 *     28..33   the actions L D R U PICK DROP
 *     34..49   the 16 sets of open directions, as a bit mask
 *     50..63   reserved (a further world takes its task token from here)
 *     64..127  the cells of the 8x8 grid, 64 + 8 * row + col
 *
 * Cells always count in the 8x8 grid, whatever the board's size, so that (1,0) is the same token on every board. A
 * model adds one row and one column embedding to every cell token, on its input and on its output side: `cellRow`,
 * `cellCol`.
 */

/** Number of ids, the width of the logits. A power of two, so that no kernel needs a ragged last tile. */
export const VOCABULARY_SIZE = 128;

/** Fills a sequence up to the length of its batch; never a target. */
export const PAD = 0;
/** Begins every response. */
export const BOS = 1;
/** Ends every response. */
export const EOS = 2;
/** Closes the recap and opens the answer. */
export const ANS = 3;
/** Placeholder for one image patch; the model puts the patch's projected features in its place. */
export const IMG = 4;
/** Section mark: a reference plan follows (a teacher's privileged context). */
export const PLAN = 7;
/** An empty list, for example no holes or no legal move. */
export const NONE = 8;

const FIRST_QUESTION = 9;
const QUESTION_COUNT = 7;

/** Opens a FrozenLake prompt. */
export const TASK_FROZENLAKE = 16;
/** Opens a Maze prompt. */
export const TASK_MAZE = 17;
/** Opens a MiniBehaviour prompt. */
export const TASK_MINIBEHAVIOUR = 18;

/** The response is facts about the state only. */
export const MODE_PERCEIVE = 19;
/** The response is a recap of the state and a plan. */
export const MODE_PLAN = 20;

const FIRST_SIZE = 21;
/** Smallest side of a board that has a token. */
export const MINIMUM_SIZE = 2;
/** Largest side of a board that has a token. */
export const MAXIMUM_SIZE = 8;

const FIRST_ACTION = 28;
/** The actions by index; `actionToken(i)` is the token of `ACTION_NAMES[i]`. L D R U are 0..3 as in gymnasium. */
export const ACTION_NAMES = ['L', 'D', 'R', 'U', 'PICK', 'DROP'] as const;

const FIRST_MASK = 34;
const MASK_COUNT = 16;

const FIRST_RESERVED = 50;
const RESERVED_COUNT = 14;

const FIRST_CELL = 64;
/** Side of the grid that the cell tokens span. */
export const GRID_SIDE = 8;
const CELL_COUNT = GRID_SIDE * GRID_SIDE;

/** What a token is; grammar checks and input noise work by kind. */
export type TokenKind =
  'special' | 'section' | 'question' | 'task' | 'mode' | 'size' | 'action' | 'mask' | 'reserved' | 'cell';

/** Row 0..7 of a cell token, -1 for every other id: (128). */
export const cellRow: Readonly<Int8Array> = Int8Array.from({ length: VOCABULARY_SIZE }, (_, id) =>
  id < FIRST_CELL ? -1 : (id - FIRST_CELL) >> 3,
);

/** Column 0..7 of a cell token, -1 for every other id: (128). */
export const cellCol: Readonly<Int8Array> = Int8Array.from({ length: VOCABULARY_SIZE }, (_, id) =>
  id < FIRST_CELL ? -1 : (id - FIRST_CELL) & 7,
);

/** The token that stands `index` places after `first`, of `count`; throws a RangeError that names the kind. */
function nth(first: number, count: number, index: number, kind: string): number {
  if (!Number.isInteger(index) || index < 0 || index >= count)
    throw new RangeError(`there is no ${kind} ${index}: the vocabulary has ${kind} 0 to ${count - 1}`);
  return first + index;
}

/** Token of cell index 8 * row + col (0..63), the form in which the worlds hold cells. */
export function cellIndexToken(index: number): number {
  return nth(FIRST_CELL, CELL_COUNT, index, 'cell');
}

/** Cell index 8 * row + col of a cell token, -1 for every other id. */
export function cellOf(id: number): number {
  return id >= FIRST_CELL && id < FIRST_CELL + CELL_COUNT ? id - FIRST_CELL : -1;
}

/** Token of action 0..5 in the order of `ACTION_NAMES`. */
export function actionToken(action: number): number {
  return nth(FIRST_ACTION, ACTION_NAMES.length, action, 'action');
}

/** Action 0..5 of an action token, -1 for every other id. */
export function actionOf(id: number): number {
  return id >= FIRST_ACTION && id < FIRST_ACTION + ACTION_NAMES.length ? id - FIRST_ACTION : -1;
}

/** Token of a board with side `size`, 2..8. */
export function sizeToken(size: number): number {
  if (!Number.isInteger(size) || size < MINIMUM_SIZE || size > MAXIMUM_SIZE)
    throw new RangeError(`there is no board size ${size}: sizes run from ${MINIMUM_SIZE} to ${MAXIMUM_SIZE}`);
  return FIRST_SIZE + size - MINIMUM_SIZE;
}

/** Board side 2..8 of a size token, -1 for every other id. */
export function sizeOf(id: number): number {
  return id >= FIRST_SIZE && id <= FIRST_SIZE + MAXIMUM_SIZE - MINIMUM_SIZE ? id - FIRST_SIZE + MINIMUM_SIZE : -1;
}

/** Token of a set of open directions, the sum of north 1, south 2, west 4 and east 8 as in stored wall masks: 0..15. */
export function maskToken(mask: number): number {
  return nth(FIRST_MASK, MASK_COUNT, mask, 'open-direction mask');
}

/** Open-direction mask 0..15 of a mask token, -1 for every other id. */
export function maskOf(id: number): number {
  return id >= FIRST_MASK && id < FIRST_MASK + MASK_COUNT ? id - FIRST_MASK : -1;
}

/** Token that opens the answer to perception question 1..7. */
export function questionToken(number: number): number {
  return nth(FIRST_QUESTION, QUESTION_COUNT, number - 1, 'question (counted from 0)');
}

/** One of the 14 reserved tokens; a further world takes its task token from them. */
export function reservedToken(index: number): number {
  return nth(FIRST_RESERVED, RESERVED_COUNT, index, 'reserved token');
}

const named = (kind: TokenKind, names: readonly string[]) => names.map(name => ({ name, kind }));
const counted = (kind: TokenKind, count: number, name: (i: number) => string) =>
  named(
    kind,
    Array.from({ length: count }, (_, i) => name(i)),
  );

/** Every token by its id. */
const TOKENS: readonly { readonly name: string; readonly kind: TokenKind }[] = [
  ...named('special', ['PAD', 'BOS', 'EOS', 'ANS', 'IMG']),
  ...named('section', ['ROUTE', 'WAVEFRONT', 'PLAN']), // a route's cells, cells by distance from the target, a plan
  ...named('special', ['none']),
  ...counted('question', QUESTION_COUNT, i => `Q${i + 1}`),
  ...named('task', ['task:frozenlake', 'task:maze', 'task:minibehaviour']),
  ...named('mode', ['mode:perceive', 'mode:plan']),
  ...counted('size', MAXIMUM_SIZE - MINIMUM_SIZE + 1, i => `size:${MINIMUM_SIZE + i}`),
  ...named('action', ACTION_NAMES),
  ...counted(
    'mask',
    MASK_COUNT,
    mask =>
      `open:${Array.from('NSWE')
        .filter((_, bit) => (mask >> bit) & 1)
        .join('')}`,
  ),
  ...counted('reserved', RESERVED_COUNT, i => `reserved:${i}`),
  ...counted('cell', CELL_COUNT, cell => `(${cell >> 3},${cell & 7})`),
];

function tokenAt(id: number) {
  const token = TOKENS[id];
  if (!token) throw new RangeError(`there is no token ${id}: ids run from 0 to ${VOCABULARY_SIZE - 1}`);
  return token;
}

/** The kind of token `id`; RangeError outside 0..127. */
export function tokenKind(id: number): TokenKind {
  return tokenAt(id).kind;
}

/** The readable, blank-free and unique name of token `id`: `ANS`, `size:4`, `(1,2)`; RangeError outside 0..127. */
export function tokenName(id: number): string {
  return tokenAt(id).name;
}

/** The names of `ids` with one blank between them, for logs and debugging. */
export function tokensToText(ids: Iterable<number>): string {
  return Array.from(ids, tokenName).join(' ');
}
