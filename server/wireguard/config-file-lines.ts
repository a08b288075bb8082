/**
 * The lines of NAME.conf as `wg` and `wg-quick` read them. Text here is latin1: one character a byte, so
 * that every byte comes back. Never use `\s` or `trim()` on it: byte 0xA0 is no blank but a part of a name.
 */

export interface Line {
  /** Without the line end. A carriage return before it belongs to the line end. */
  readonly text: string;
  /** Empty only for a last line without a line end. */
  readonly eol: Eol;
}

export type Eol = '' | '\n' | '\r\n';
export type Header = 'interface' | 'peer' | 'unknown';

/** Stands before each line of a disabled peer's section, with one space after it. */
export const DISABLED_PREFIX = '#wiremeter-disabled#';

/** The characters that `wg` calls blanks. */
export const BLANKS = '[ \\t\\n\\v\\f\\r]*';

/** One item of a list, where the caller knows that it is there. */
export function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new RangeError(`There is no item ${index} among ${items.length}.`);
  return item;
}

export function splitLines(text: string): Line[] {
  const lines: Line[] = [];
  let start = 0;
  while (start < text.length) {
    const end = text.indexOf('\n', start);
    if (end < 0) {
      lines.push({ text: text.slice(start), eol: '' });
      break;
    }
    const crlf = end > start && text.charCodeAt(end - 1) === 13;
    lines.push({ text: text.slice(start, crlf ? end - 1 : end), eol: crlf ? '\r\n' : '\n' });
    start = end + 1;
  }
  return lines;
}

export function joinLines(lines: readonly Line[]): string {
  let text = '';
  for (const line of lines) text += line.text + line.eol;
  return text;
}

/** The line end that most lines have; `\n` where there is none. */
export function commonEol(lines: readonly Line[]): '\n' | '\r\n' {
  let crlf = 0;
  let lf = 0;
  for (const line of lines) {
    if (line.eol === '\r\n') crlf++;
    else if (line.eol === '\n') lf++;
  }
  return crlf > lf ? '\r\n' : '\n';
}

/** What `wg` looks at: the line up to `#`, without any blanks, also those inside. */
export function significant(text: string): string {
  const hash = text.indexOf('#');
  return (hash < 0 ? text : text.slice(0, hash)).replace(/[ \t\n\v\f\r]+/g, '');
}

export function isBlank(text: string): boolean {
  return /^[ \t\n\v\f\r]*$/.test(text);
}

/**
 * `[Interface]`, `[Peer]` or another bracketed word that fills the whole line, else null. A command such as
 * `PostUp = [ -z "$X" ]` or `[ -z "$X" ] && …` is none.
 */
export function headerOf(text: string): Header | null {
  if (!text.includes('[')) return null;
  const word = significant(text).toLowerCase();
  if (word === '[interface]') return 'interface';
  if (word === '[peer]') return 'peer';
  return /^\[[a-z0-9_]+\]$/.test(word) ? 'unknown' : null;
}

/** Key in lower case and value, both without blanks, as `wg` compares them. Null for what is no `key = value`. */
export function keyValue(text: string): { key: string; value: string } | null {
  const line = significant(text);
  const equals = line.indexOf('=');
  if (equals < 1) return null;
  return { key: line.slice(0, equals).toLowerCase(), value: line.slice(equals + 1) };
}

export function isDisabledLine(text: string): boolean {
  return text.startsWith(DISABLED_PREFIX);
}

export function disableText(text: string): string {
  return `${DISABLED_PREFIX} ${text}`;
}

/** Undoes {@link disableText}; an editor may have taken the space off an empty line's end. */
export function enableText(text: string): string {
  const rest = text.slice(DISABLED_PREFIX.length);
  return rest.startsWith(' ') ? rest.slice(1) : rest;
}

/**
 * Gives each line an end: all but the last one of the file always, that one when `finalEol` says so.
 * A last line that is then wholly empty is none and goes.
 */
export function terminate(lines: Line[], eol: '\n' | '\r\n', finalEol: boolean): Line[] {
  const fixed = lines.map((line, i) => {
    const wanted = i < lines.length - 1 || finalEol;
    if (wanted === (line.eol !== '')) return line;
    // A text that ends in a carriage return keeps it only before a \r\n.
    return { text: line.text, eol: !wanted ? '' : line.text.endsWith('\r') ? '\r\n' : eol } as const;
  });
  const last = fixed.at(-1);
  if (last?.text === '' && last.eol === '') fixed.pop();
  return fixed;
}
