/**
 * JSON that others wrote, read strictly. Node's own parser names no place for most mistakes, lets the last of two equal
 * keys win in silence, and makes trees so deep that whoever walks them runs out of stack.
 */

/** What is wrong with a JSON text, and where: `line 3, column 7: expected a colon`. */
export class JsonError extends Error {
  override name = 'JsonError';
}

/** Lists and objects within each other: as many as readers in other languages allow. */
const MAX_DEPTH = 127;

/** What must come next, in the words of the message. */
type Due =
  | 'a value'
  | 'a value or "]"'
  | 'a key in double quotes'
  | 'a key in double quotes or "}"'
  | 'a colon'
  | 'a comma or "]"'
  | 'a comma or "}"'
  | 'nothing more';

const SPACE = /[ \t\n\r]*/y;
const WORD = /(?:true|false|null)(?!\w)/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])/y;
// Strings are matched in parts: one pattern for all of a string runs out of stack where there are many escapes.
const PLAIN = /[^"\\\0-\x1f]*/y; // eslint-disable-line no-control-regex
const ESCAPES = /(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})){1,1000}/y;

/**
 * Parses JSON as RFC 8259 has it, without a byte order mark.
 * @param readNumber makes the value of a number from its text, as in `-1.5e3`
 * @throws JsonError at the first mistake, key that stands twice in its object, or bracket that is nested too deep
 */
export function parseStrictJson(text: string, readNumber: (literal: string) => unknown = Number): unknown {
  const open: { value: unknown[] | Record<string, unknown>; key: string }[] = []; // the brackets around this place
  let result: unknown;
  let due = 'a value' as Due;
  let at = 0;
  const fail = (what = `expected ${due}`): never => {
    const before = text.slice(0, at).split('\n');
    throw new JsonError(`line ${before.length}, column ${before.at(-1)!.length + 1}: ${what}`);
  };
  /** What a pattern matches here; goes on behind it. */
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return undefined;
    const start = at;
    at = pattern.lastIndex;
    return text.slice(start, at);
  };
  const takeString = (): string => {
    const start = at++;
    while (take(PLAIN) !== undefined && text[at] === '\\') if (!take(ESCAPES)) fail('a string has no such escape');
    if (text[at] !== '"') fail(at < text.length ? 'a control character in a string' : 'the string does not end');
    return JSON.parse(text.slice(start, ++at)) as string;
  };
  const endValue = () => {
    const inner = open.at(-1);
    due = !inner ? 'nothing more' : Array.isArray(inner.value) ? 'a comma or "]"' : 'a comma or "}"';
  };
  const put = (value: unknown) => {
    const inner = open.at(-1);
    if (!inner) result = value;
    else if (Array.isArray(inner.value)) inner.value.push(value);
    else if (inner.key !== '__proto__') inner.value[inner.key] = value;
    // an assignment would set the prototype
    else Object.defineProperty(inner.value, inner.key, { value, writable: true, enumerable: true, configurable: true });
    endValue();
  };

  while (take(SPACE) !== undefined && at < text.length) {
    const char = text[at]!;
    if (char === '"' && due.startsWith('a key')) {
      const start = at;
      const inner = open.at(-1)!;
      inner.key = takeString();
      if (Object.hasOwn(inner.value, inner.key)) {
        at = start;
        fail(`the key ${JSON.stringify(inner.key.slice(0, 60))} stands twice in its object`);
      }
      due = 'a colon';
    } else if (char === ':' && due === 'a colon') {
      at++;
      due = 'a value';
    } else if (char === ',' && due.startsWith('a comma')) {
      at++;
      due = due === 'a comma or "]"' ? 'a value' : 'a key in double quotes';
    } else if ((char === '}' || char === ']') && due.endsWith(`"${char}"`)) {
      at++;
      open.pop();
      endValue();
    } else if (!due.startsWith('a value')) fail();
    else if (char === '{' || char === '[') {
      if (open.length === MAX_DEPTH) fail(`brackets more than ${MAX_DEPTH} deep`);
      at++;
      const value = char === '{' ? {} : [];
      put(value);
      open.push({ value, key: '' });
      due = char === '{' ? 'a key in double quotes or "}"' : 'a value or "]"';
    } else if (char === '"') put(takeString());
    else {
      const word = take(WORD);
      const literal = word ?? take(NUMBER);
      if (literal === undefined) fail();
      else if (word === undefined && !Number.isFinite(Number(literal))) fail('a number too large');
      else put(word === undefined ? readNumber(literal) : (JSON.parse(word) as unknown));
    }
  }
  if (due !== 'nothing more') fail();
  return result;
}
