/** The paragraphs of bench/README.md that benches rewrite with their latest result. */

/**
 * Replaces the text between the lines `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
 * @throws Error if they are missing
 */
export function withBlock(document: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from < 0 || to < from)
    throw new Error(`bench/README.md has no block ${name}: it must have a line ${begin} and, below it, ${end}`);
  return `${document.slice(0, from)}${begin}\n\n${text.trim()}\n\n${document.slice(to)}`;
}
