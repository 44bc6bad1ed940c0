import { VOCABULARY_SIZE, tokenName } from '../../models/vocabulary.js';

const names = Array.from({ length: VOCABULARY_SIZE }, (_, id) => tokenName(id));

/** The ids of blank-separated token names, as `tokenName` gives them. */
export function textToTokens(text: string): number[] {
  const words = text.split(' ').filter(name => name !== '');
  return words.map(name => {
    if (!names.includes(name)) throw new Error(`'${name}' is no token`);
    return names.indexOf(name);
  });
}
