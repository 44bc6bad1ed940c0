/** Reads HTML strictly, as no browser does: every element closed in its turn, every attribute quoted and once. */

const voids = new Set(['meta', 'link', 'img', 'br', 'hr', 'input', 'path', 'circle', 'image', 'use']);

export interface HtmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** All text inside, entities not resolved. */
  text: string;
}

/** The elements of a page in their order. @throws Error that names the place of the first mistake */
export function readHtml(page: string): HtmlElement[] {
  const elements: HtmlElement[] = [];
  const open: HtmlElement[] = [];
  const ids = new Set<string>();
  let at = /^<!doctype html>\n/.exec(page)?.[0].length ?? -1;
  const fail = (what: string): never => {
    throw new Error(`${what} at ${JSON.stringify(page.slice(Math.max(0, at - 60), at + 80))}`);
  };
  if (at < 0) fail('no doctype');
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(page);
    if (match) at += match[0].length;
    return match;
  };
  while (at < page.length) {
    const inside = open.at(-1);
    if (inside?.name === 'script' || inside?.name === 'style') {
      const end = page.indexOf(`</${inside.name}`, at);
      if (end < 0) fail(`no end of <${inside.name}>`);
      inside.text = page.slice(at, end);
      at = end;
    }
    const text = take(/[^<]+/y)?.[0];
    if (text !== undefined) {
      if (/&(?!(amp|lt|gt|quot|#39);)/.test(text)) fail('a bare & in the text');
      for (const element of open) element.text += text;
      continue;
    }
    const closed = take(/<\/([a-z][a-z0-9]*)\s*>/y)?.[1];
    if (closed !== undefined) {
      if (open.pop()?.name !== closed) fail(`</${closed}> closes another element`);
      continue;
    }
    const name = take(/<([a-z][a-z0-9]*)/y)?.[1] ?? fail('a bare <');
    const attributes = new Map<string, string>();
    for (
      let match = take(/\s+([a-zA-Z][\w-]*)(?:="([^"<]*)")?/y);
      match;
      match = take(/\s+([a-zA-Z][\w-]*)(?:="([^"<]*)")?/y)
    ) {
      const [, key = '', value = ''] = match;
      if (attributes.has(key)) fail(`two attributes ${key}`);
      attributes.set(key, value);
    }
    const end = take(/\s*(\/?)>/y) ?? fail(`a mistake inside <${name}>`);
    const id = attributes.get('id');
    if (id !== undefined && ids.has(id)) fail(`two elements have the id ${id}`);
    if (id !== undefined) ids.add(id);
    const element = { name, attributes, text: '' };
    elements.push(element);
    if (end[1] === '' && !voids.has(name)) open.push(element);
  }
  if (open.length > 0) fail(`<${open.at(-1)!.name}> is never closed`);
  return elements;
}
