import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonError, parseStrictJson } from '../../models/index.js';

describe('parseStrictJson', () => {
  it('reads what JSON.parse reads, and writes no prototype', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(undefined, 2, '\t'), (text, indent) => {
        const value: unknown = JSON.parse(text);
        expect(parseStrictJson(JSON.stringify(value, null, indent))).toEqual(value);
      }),
    );
    const odd = '{"__proto__":{"a":1},"0":"\\u00e9\\ud83d\\ude00\\n\\"","e":-1.5e-3,"t":[true,false,null,[],{}]}';
    expect(JSON.stringify(parseStrictJson(odd))).toBe(JSON.stringify(JSON.parse(odd)));
    expect(Object.hasOwn(parseStrictJson('{"__proto__":1}') as object, '__proto__')).toBe(true);
  });

  it('refuses what JSON.parse refuses', () => {
    const pieces = fc.constantFrom(
      ...'{}[]:,"\\-+.0123eEtrufalsn \n\t'.split(''),
      'true',
      'null',
      '"a"',
      '"a":',
      '1.5',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), parts => {
        const text = parts.join('');
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          expect(() => parseStrictJson(text)).toThrow(JsonError);
          return;
        }
        // the one thing that JSON.parse lets pass here
        if (!/"a".*:.*"a".*:/s.test(text)) expect(parseStrictJson(text)).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['', 'line 1, column 1: expected a value'],
    ['{"a": 1,\n  "b": x}', 'line 2, column 8: expected a value'],
    ['{"a": 1\n "b": 2}', 'line 2, column 2: expected a comma or "}"'],
    ['{"a": 1,}', 'line 1, column 9: expected a key in double quotes'],
    ["{'a': 1}", 'line 1, column 2: expected a key in double quotes or "}"'],
    ['{"a" 1}', 'line 1, column 6: expected a colon'],
    ['[1, 2', 'line 1, column 6: expected a comma or "]"'],
    ['[1, ]', 'line 1, column 5: expected a value'],
    ['[01]', 'line 1, column 2: expected a value or "]"'],
    ['[1] 2', 'line 1, column 5: expected nothing more'],
    ['["a\n"]', 'line 1, column 4: a control character in a string'],
    ['["a', 'line 1, column 4: the string does not end'],
    ['["\\x"]', 'line 1, column 3: a string has no such escape'],
    ['{"a": 1, "b": {"a": 2, "\\u0061": 3}}', 'line 1, column 24: the key "a" stands twice in its object'],
    ['[1e999]', 'line 1, column 7: a number too large'],
    ['\uFEFF{}', 'line 1, column 1: expected a value'],
  ])('says where %j is wrong', (text, message) => {
    expect(() => parseStrictJson(text)).toThrow(message);
  });

  it('runs out of stack neither for nesting nor for escapes', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(parseStrictJson(nested(127))).toBeInstanceOf(Array);
    expect(() => parseStrictJson(nested(1_000_000))).toThrow('line 1, column 128: brackets more than 127 deep');
    expect(parseStrictJson(`"${'\\n'.repeat(8_000_000)}"`)).toHaveLength(8_000_000);
  });
});
