// Everything that comes from outside reaches the page through text nodes: no
// name of a topic, however it is written, can become markup.

/** h makes an element. Attributes whose value is null, undefined or false are left out. */
export function h(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes ?? {})) {
    if (v === null || v === undefined || v === false) continue;
    if (k === 'onclick' || k === 'ontoggle') e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v === true ? '' : String(v));
  }
  e.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

export const byId = (id) => document.getElementById(id);

const prefixes = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

// The units of signals, as the forecasts name them, in the field's short form.
const units = { bytes_per_second: 'B/s', messages_per_second: '/s', records_per_second: '/s', bytes: 'B', seconds: 's', cores: 'cores', messages: '', records: '', ratio: '', count: '' };

/** amount prints a number with a decimal prefix, as disks and networks are sold. */
export function amount(v, unit = '') {
  if (!Number.isFinite(v)) return '–';
  unit = units[unit] ?? unit;
  let i = 0;
  while (Math.abs(v) >= 999.95 && i < prefixes.length - 1) { v /= 1000; i++; }
  const digits = i === 0 && Number.isInteger(v) ? 0 : Math.abs(v) >= 100 ? 0 : 1;
  return `${v.toFixed(digits)} ${prefixes[i]}${unit}`.trim();
}

export const percent = (v, digits = 0) => (Number.isFinite(v) ? `${(100 * v).toFixed(digits)} %` : '–');

/** span prints a duration given in nanoseconds. */
export function span(ns) {
  let s = Math.round(Number(ns ?? 0) / 1e9);
  if (!(s > 0)) return '0 s';
  const d = Math.floor(s / 86400); s %= 86400;
  const hours = Math.floor(s / 3600); s %= 3600;
  const m = Math.floor(s / 60); s %= 60;
  const parts = [[d, 'd'], [hours, 'h'], [m, 'min'], [s, 's']].filter(([n]) => n > 0).slice(0, 2);
  return parts.map(([n, u]) => `${n} ${u}`).join(' ');
}

const sameDay = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const otherDay = new Intl.DateTimeFormat(undefined, { month: 'short', day: '2-digit', hour: '2-digit', minute: '2-digit', hour12: false });

/** when prints a time in the reader's zone; the element's title has it in UTC. */
export function when(text, now = new Date()) {
  const t = new Date(text);
  if (!text || Number.isNaN(t.getTime()) || t.getUTCFullYear() < 2) return h('span', null, '–');
  const f = t.toDateString() === now.toDateString() ? sameDay : otherDay;
  return h('time', { datetime: t.toISOString(), title: t.toISOString() }, f.format(t));
}

/** table makes a table in a box that scrolls and can be reached by keyboard. Cells: text, a node, or {n: …} for numbers. */
export function table(label, columns, rows, options = {}) {
  if (rows.length === 0) return h('p', { class: 'quiet' }, options.none ?? 'None.');
  const cell = (c) => {
    if (c instanceof HTMLTableCellElement) return c;
    if (c && typeof c === 'object' && 'n' in c) return h('td', { class: 'n' }, c.n);
    return h('td', { class: typeof c === 'string' && c.length > 30 ? 'text' : null }, c ?? '');
  };
  return h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': label },
    h('table', { class: options.class },
      h('thead', null, h('tr', null, columns.map((c) => h('th', { scope: 'col', class: c.endsWith('#') ? 'n' : null }, c.replace(/#$/, ''))))),
      h('tbody', null, rows.map((r) => (r instanceof HTMLElement ? r : h('tr', { class: r.class }, (r.cells ?? r).map(cell)))))));
}
