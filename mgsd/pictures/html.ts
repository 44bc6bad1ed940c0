/**
 * HTML as a tagged template. Everything that is put into it is escaped, unless it is itself the result of a template,
 * so a text from a file can never become markup.
 */

/** Markup that is safe to put into a page. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** What can stand in a template: lists are joined, `null`, `undefined` and `false` are nothing. */
export type Content = Html | string | number | null | undefined | false | readonly Content[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Text for element contents and quoted attribute values. Control characters, which HTML does not allow, become U+FFFD.
 */
export function escapeHtml(text: string): string {
  return text.replace(/[^\P{Cc}\t\n\r]/gu, '\ufffd').replace(/[&<>"']/g, c => entities[c]!);
}

function toText(content: Content): string {
  if (content === null || content === undefined || content === false) return '';
  if (content instanceof Html) return content.text;
  if (typeof content === 'object') return content.map(toText).join('');
  return escapeHtml(String(content));
}

/** html`<td>${text}</td>`; attribute values must be quoted in the template. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(strings.map((part, k) => part + (k < values.length ? toText(values[k]) : '')).join(''));
}

/** Markup of this program's own, taken as it is. */
export function trusted(text: string): Html {
  return new Html(text);
}

/** A value as JSON inside a script element: nothing in it can end the element or open a comment. */
export function jsonForScript(value: unknown): Html {
  return new Html(
    JSON.stringify(value)
      .replace(/</g, '\\u003c')
      .replace(/\u2028/g, '\\u2028')
      .replace(/\u2029/g, '\\u2029'),
  );
}

/** A row of a table: what it is about, and its cells. */
export type Row = readonly [head: Content, ...cells: Content[]];

/** A table that scrolls sideways where the page is narrow. */
export function table(caption: Content, head: Row, rows: readonly Row[], className = ''): Html {
  const lines = rows.map(
    ([title, ...cells]) =>
      html`<tr>
        <th scope="row">${title}</th>
        ${cells.map(cell => html`<td>${cell}</td>`)}
      </tr>`,
  );
  return html`<div class="scroll" tabindex="0">
    <table class="${className}">
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${head.map(title => html`<th scope="col">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${lines}
      </tbody>
    </table>
  </div>`;
}

/** A picture and what is said below it. */
export function figure(picture: Content, caption: Content, className = ''): Html {
  return html`<figure class="${className}">
    ${picture}
    <figcaption>${caption}</figcaption>
  </figure>`;
}

/** What opens when its summary is clicked. */
export function fold(summary: Content, content: Content): Html {
  return html`<details>
    <summary>${summary}</summary>
    ${content}
  </details>`;
}
