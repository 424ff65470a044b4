import { amount, h, percent, span, table, when } from './dom.js';

const resources = [['cpu', 'CPU'], ['networkIn', 'network in'], ['networkOut', 'network out'], ['disk', 'disk']];
const known = (v) => v !== undefined && v !== null;

export function facts(d) {
  const fact = (name, value, detail) => h('div', null, h('dt', null, name), h('dd', null, value, detail ? h('small', null, detail) : null));
  const q = d.requirement ?? {};
  const peaks = (d.forecasts ?? []).filter((f) => f.peakAt).sort((a, b) => a.peakAt.localeCompare(b.peakAt));
  const untrusted = (d.forecasts ?? []).filter((f) => !f.trusted).length;
  return [
    fact('Brokers alive', `${d.seen.aliveBrokers} of ${d.seen.brokers}`, d.limits?.maxBrokers ? `policy: ${d.limits.minBrokers} to ${d.limits.maxBrokers}` : ''),
    fact('Brokers required', q.brokers || '–', q.complete === false ? 'at least: something is unknown' : q.headroom),
    fact('What binds', q.bottleneck || '–'),
    fact('Lead time', span((q.leadTimeSeconds ?? (q.leadTimeNanoseconds ?? 0) / 1e9) * 1e9), 'until a new broker carries its share'),
    fact('Produced', amount(d.seen.bytesInPerSecond, 'B/s'), `${d.seen.topics} topics, ${d.seen.partitions} partitions`),
    peaks.length ? fact('Next peak', when(peaks[0].peakAt), peaks[0].signal) : fact('Next peak', '–'),
    fact('Forecasts', untrusted ? `${untrusted} not trusted` : (d.forecasts ?? []).length ? 'trusted' : '–'),
  ];
}

const loud = { critical: 'bad', warning: 'warn', info: 'quiet' };

export function concerns(all) {
  return all.map((c) => h('li', { class: loud[c.severity] ?? 'warn' },
    h('strong', null, c.kind), h('span', null, ` ${c.subject ?? ''}${c.gate ? ` (${c.gate})` : ''}: ${c.detail}`)));
}

export function heat(d) {
  const all = d.seen.brokerLoads ?? [];
  if (all.length === 0) return h('p', { class: 'quiet' }, 'The load of single brokers is not known.');
  const zones = Map.groupBy ? Map.groupBy(all, (b) => b.zone) : group(all);
  const rows = [];
  for (const zone of [...zones.keys()].sort()) {
    rows.push(h('tr', null, h('th', { scope: 'rowgroup', colspan: resources.length + 2 }, `zone ${zone || 'unknown'}: ${zones.get(zone).length} brokers`)));
    for (const b of zones.get(zone)) {
      rows.push(h('tr', null, h('th', { scope: 'row' }, `broker ${b.id}`), h('td', { class: b.state === 'alive' ? null : 'warn' }, b.state),
        resources.map(([key]) => {
          const u = b.utilisation?.[key];
          const td = h('td', { class: 'u' }, known(u) ? percent(u) : '–');
          td.style.setProperty('--u', known(u) ? u : 0); // through the CSSOM: the policy allows no style attribute
          return td;
        })));
    }
  }
  return table('Brokers by resource', ['broker', 'state', ...resources.map(([, name]) => `${name}#`)], rows, { class: 'heat' });
}

function group(all) {
  const m = new Map();
  for (const b of all) m.set(b.zone, [...(m.get(b.zone) ?? []), b]);
  return m;
}

export function need(q) {
  const rows = (q?.constraints ?? []).map((c) => ({
    class: c.name === q.bottleneck ? 'binds' : null,
    cells: [c.name + (c.name === q.bottleneck ? ' (binds)' : c.advisory ? ' (advisory)' : ''), { n: c.unknown ? '?' : c.brokers }, { n: c.unknown ? '–' : percent(c.utilisation) },
      { n: amount(c.demand, c.unit) }, { n: amount(c.perBroker, c.unit) }, c.unknown ? `unknown: ${c.unknown}` : c.formula],
  }));
  return table('Constraints', ['constraint', 'brokers#', 'used now#', 'demand#', 'a broker carries#', 'how'], rows, { none: 'Nothing is required yet.' });
}

export function consumers(q) {
  const rows = (q?.consumers ?? []).map((c) => [c.group, { n: c.unknown ? '?' : c.replicas }, { n: c.partitions }, { n: amount(c.demandRecordsPerSecond, '/s') },
    { n: amount(c.perReplicaRecordsPerSecond, '/s') }, { n: amount(c.lagRecords) }, c.unknown ? `unknown: ${c.unknown}` : c.why]);
  if (rows.length === 0) return null;
  return [h('h3', null, 'Consumers'), table('Consumers', ['group', 'replicas#', 'partitions#', 'demand#', 'a replica does#', 'lag#', 'why'], rows)];
}

export function moves(d) {
  const m = d.moving;
  if (!m || m.state === 'idle' || !m.state) return h('p', { class: 'quiet' }, 'Nothing is being moved.');
  const eta = m.etaSeconds ?? (m.etaNanoseconds ?? 0) / 1e9;
  const share = m.bytesTotal > 0 ? m.bytesMoved / m.bytesTotal : m.movesTotal > 0 ? m.movesDone / m.movesTotal : 0;
  return h('div', null,
    h('p', { class: m.state === 'holding' || m.state === 'failed' ? 'warn' : null }, `${m.state}${m.why ? `: ${m.why}` : ''}`),
    h('progress', { max: 1, value: Math.min(1, share), 'aria-label': 'share moved' }),
    h('dl', { class: 'facts' },
      [['Moved', `${amount(m.bytesMoved, 'B')} of ${amount(m.bytesTotal, 'B')}`, percent(share)], ['Moves', `${m.movesDone} of ${m.movesTotal}`], ['Rate', amount(m.bytesPerSecond, 'B/s')], ['Done in', eta > 0 ? span(eta * 1e9) : '–']]
        .map(([k, v, s]) => h('div', null, h('dt', null, k), h('dd', null, v, s ? h('small', null, s) : null)))));
}

export function accuracy(d) {
  const rows = (d.accuracy ?? []).map((a) => [a.subject ? `${a.signal}/${a.subject}` : a.signal, { n: percent(a.wape, 1) },
    h('td', { class: `n ${Math.abs(a.coverage - a.nominal) > 0.1 ? 'warn' : 'good'}` }, percent(a.coverage, 1)), { n: percent(a.nominal) }, { n: a.points }, when(a.since)]);
  return table('Accuracy', ['signal', 'WAPE#', 'covered#', 'should be#', 'points#', 'since'], rows, { none: 'Not enough forecasts have come true yet.' });
}

/** scheduled renders what comes next and what it costs. */
export function scheduled(d) {
  const s = d.schedule;
  if (!s) return h('p', { class: 'quiet' }, 'Nothing is scheduled: something is not known, or no forecast is trusted.');
  const money = (v) => `${v.toFixed(2)} ${s.unit}`;
  const rows = (s.changes ?? []).map((c) => [when(c.at), { n: `${c.from} → ${c.to}` }, when(c.ready), c.for ? when(c.for) : '–', { n: amount(c.movedBytes, 'B') }, { n: money(c.cost) }]);
  const w = s.waived;
  return h('div', null,
    table('Scheduled changes', ['begins', 'brokers#', 'serves from', 'needed at', 'to move#', 'costs#'], rows, { none: ['No change until ', when(s.until), '.'] }),
    h('p', { class: 'quiet' }, 'Until ', when(s.until), `: ${money(s.cost.brokers)} for brokers, ${money(s.cost.moves)} for moves and changes.`,
      w ? [` ${w.to - w.from} at `, when(w.at), ` would save ${money(w.saves)} and cost ${money(w.costs)}: not worth it.`] : null));
}

/** whole renders all of one decision. approve is called with the index of a proposal, or null when the reader may not. */
export function whole(d, all, approve) {
  const seen = d.seen ?? {};
  const verdicts = (i) => (d.verdicts ?? []).filter((v) => v.proposal === i);
  const forecasts = (d.forecasts ?? []).map((f) => [f.subject ? `${f.signal}/${f.subject}` : f.signal, { n: amount(f.now, f.unit) },
    Object.entries(f.quantiles ?? {}).sort().map(([q, v]) => `${percent(Number(q))}: ${amount(v, f.unit)}`).join(', '), when(f.peakAt), f.model, f.trusted ? 'trusted' : `not trusted: ${f.why ?? ''}`]);
  return h('div', null,
    all.length ? h('ul', { class: 'concerns' }, concerns(all)) : null,
    h('h3', null, 'Seen'),
    h('p', null, `${seen.aliveBrokers} of ${seen.brokers} brokers alive, ${seen.topics} topics, ${seen.partitions} partitions, ${amount(seen.bytesInPerSecond, 'B/s')} in, ${amount(seen.bytesOutPerSecond, 'B/s')} out, ${amount(seen.diskBytes, 'B')} stored.`),
    (seen.sources ?? []).length ? table('Read by', ['catalogue', 'signals', 'to remark'], seen.sources.map((s) => [s.catalogue, (s.signals ?? []).join(', '), (s.remarks ?? []).join('; ')])) : null,
    (seen.stale ?? []).length ? table('Stale readings', ['missing or old', 'why', 'last seen'], seen.stale.map((s) => [s.signal, s.reason, when(s.lastSeen)])) : null,
    (seen.observations ?? []).length ? table('Said from outside', ['said by', 'effect', 'about', 'factor', 'until'], seen.observations.map((o) => [o.source, o.effect, o.subject ?? '', o.value ? String(o.value) : '', when(o.until)])) : null,
    h('h3', null, 'Forecast'), table('Forecasts', ['signal', 'now#', 'highest within the horizon', 'peak', 'model', 'trust'], forecasts, { none: 'No forecast.' }),
    h('h3', null, 'Required'), need(d.requirement), consumers(d.requirement),
    h('h3', null, 'Scheduled'), scheduled(d),
    h('h3', null, 'Proposed, and what every gate said'),
    (d.proposals ?? []).length === 0 ? h('p', { class: 'quiet' }, 'Nothing: the size is right.') : (d.proposals ?? []).map((p, i) => h('div', null,
      h('p', null, h('strong', null, `${p.kind} ${p.target}: ${p.from} → ${p.to}`), ` ${p.reactive ? '(asked for by the load itself) ' : ''}${p.why} `,
        approve && d.mode === 'Approve' ? h('button', { type: 'button', onclick: () => approve(i) }, 'Approve…') : null),
      table(`Verdicts on ${p.kind}`, ['gate', 'ruling', 'why'], verdicts(i).map((v) => [v.gate, h('td', { class: v.ruling === 'Allow' ? 'good' : 'warn' }, v.ruling || 'Undecided (holds)'), v.why ?? '']), { none: 'No gate was asked.' }))),
    h('h3', null, 'Done'),
    table('Actions', ['at', 'what', 'error'], (d.actions ?? []).map((a) => [when(a.at), `${a.dryRun ? '(dry run) ' : ''}${a.done}`, h('td', { class: 'bad text' }, a.error ?? '')]), { none: 'Nothing was done.' }),
    (d.notes ?? []).map((n) => h('p', { class: 'quiet' }, n)),
    h('details', null, h('summary', null, 'The whole decision as JSON'), h('pre', { tabindex: 0 }, JSON.stringify(d, null, 2))));
}
