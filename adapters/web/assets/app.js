import * as charts from './charts.js';
import * as view from './decision.js';
import { byId, h, when } from './dom.js';

const every = 10_000; // milliseconds between two looks
const state = { policy: '', now: null, signal: '', me: { may: {} }, token: '', items: new Map(), failed: '' };

/** api asks this page's own server; the token, if there is one, goes in a header and nowhere else. */
async function api(path, parameters = {}, body) {
  const url = `/api/v1/${path}?${new URLSearchParams(Object.entries(parameters).filter(([, v]) => v))}`;
  const headers = state.token ? { Authorization: `Bearer ${state.token}` } : {};
  if (body) headers['Content-Type'] = 'application/json';
  const r = await fetch(url, { method: body ? 'POST' : 'GET', headers, body: body ? JSON.stringify(body) : undefined, credentials: 'same-origin', signal: AbortSignal.timeout(20_000) });
  if (r.status === 204) return null;
  const answer = await r.json().catch(() => ({ error: `the server answered ${r.status}` }));
  if (!r.ok) throw new Error(answer.error ?? `the server answered ${r.status}`);
  return answer;
}

function notice(text) {
  byId('notice').hidden = !text;
  byId('notice').textContent = text ?? '';
}

const keyOf = (f) => (f.subject ? `${f.signal}/${f.subject}` : f.signal);

function fill(select, values, chosen) {
  if (select.dataset.values === JSON.stringify(values)) return;
  select.dataset.values = JSON.stringify(values);
  select.replaceChildren(...values.map((v) => h('option', { value: v, selected: v === chosen }, v)));
}

function drawCharts() {
  const d = state.now?.decision;
  if (!d || !window.echarts) return;
  const forecasts = d.forecasts ?? [];
  const f = forecasts.find((x) => keyOf(x) === state.signal) ?? forecasts[0];
  if (f) {
    charts.demand(byId('demand'), d, state.now.past, f);
    byId('trust').textContent = f.trusted ? `model: ${f.model}` : `not trusted: ${f.why ?? ''}`;
  }
  charts.size(byId('size'), state.now.past);
}

function show() {
  const { decision: d, policies, title } = state.now;
  byId('title').textContent = title ?? '';
  fill(byId('policy'), policies, state.policy);
  if (!d) return;
  if (!state.policy) state.policy = d.policy;
  byId('policy').value = state.policy;
  byId('mode').textContent = d.mode;
  byId('outcome').textContent = d.outcome || 'No outcome was recorded.';
  fill(byId('signal'), (d.forecasts ?? []).map(keyOf), state.signal);
  byId('facts').replaceChildren(...view.facts(d));
  byId('concerns').replaceChildren(...view.concerns(state.now.concerns));
  byId('heat').replaceChildren(view.heat(d));
  byId('scheduled').replaceChildren(view.scheduled(d));
  byId('need').replaceChildren(view.need(d.requirement));
  byId('consumers').replaceChildren(...(view.consumers(d.requirement) ?? []));
  byId('moves').replaceChildren(view.moves(d));
  byId('accuracy').replaceChildren(view.accuracy(d));
  drawCharts();
}

function age() {
  const t = state.now?.decision?.time;
  if (!t) return;
  const seconds = Math.round((new Date(state.now.time) - new Date(t)) / 1000);
  byId('fresh').replaceChildren('decided ', when(t), seconds >= 0 && seconds < 172_800 ? `, ${seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`} ago` : '');
}

function line(item) {
  const li = h('li', { class: `${item.actions ? 'acted' : item.held ? 'held' : ''} new` });
  const details = h('details', { 'data-id': item.id, ontoggle: () => open(details, item) },
    h('summary', null, when(item.time), h('span', { class: 'badge' }, item.reason || item.mode), ` ${item.outcome}`));
  li.append(details);
  return li;
}

async function open(details, item) {
  if (!details.open || details.dataset.loaded) return;
  details.dataset.loaded = 'yes';
  try {
    const { decision, concerns } = await api('decision', { id: item.id });
    const approve = state.me.may.approve ? (i) => ask('approve', { decision: item.id, proposal: i }, decision.proposals[i]) : null;
    details.append(view.whole(decision, concerns, approve));
  } catch (e) {
    delete details.dataset.loaded;
    notice(`Reading decision ${item.id}: ${e.message}`);
  }
}

async function timeline(before) {
  const items = await api('decisions', { policy: state.policy, before, limit: before ? 50 : 30 });
  const list = byId('decisions');
  const fresh = items.filter((i) => !state.items.has(i.id));
  for (const i of fresh) state.items.set(i.id, i);
  const lines = fresh.map(line);
  if (before) list.append(...lines); else list.prepend(...lines);
  byId('older').hidden = items.length < (before ? 50 : 30);
}

/** follow opens the decision that the address names, as links in alerts do. */
async function follow() {
  const id = decodeURIComponent(location.hash.replace(/^#decision=/, ''));
  if (!location.hash.startsWith('#decision=') || !id) return;
  let details = [...document.querySelectorAll('details[data-id]')].find((e) => e.dataset.id === id);
  if (!details) {
    try {
      const { decision } = await api('decision', { id });
      const item = { id, time: decision.time, mode: decision.mode, reason: decision.reason, outcome: decision.outcome, actions: (decision.actions ?? []).length, held: 0 };
      state.items.set(id, item);
      byId('decisions').append(line(item));
      details = byId('decisions').lastElementChild.querySelector('details');
    } catch (e) { notice(`Reading decision ${id}: ${e.message}`); return; }
  }
  details.open = true;
  details.scrollIntoView({ block: 'start' });
  details.querySelector('summary').focus({ preventScroll: true });
}

async function rights() {
  state.me = await api('me', { policy: state.policy });
  byId('who').textContent = state.me.user ? `signed in as ${state.me.user}` : '';
  byId('sign').textContent = state.token ? 'Sign out' : 'Sign in…';
  for (const verb of ['hold', 'resume']) {
    byId(verb).disabled = !state.me.may[verb];
    byId(verb).title = state.me.may[verb] ? '' : state.me.why || `you have no right to ${verb} this policy`;
  }
}

const words = {
  hold: ['Hold', 'Nothing is scaled and no new move is started until you resume, or the time is over. Load that outgrows the cluster is not answered either.'],
  resume: ['Resume', 'What was held on this page goes on.'],
  approve: ['Approve', ''],
};

function ask(name, more = {}, proposal) {
  const dialog = byId('ask-dialog');
  byId('h-ask').textContent = `${words[name][0]} ${state.policy}`;
  byId('ask-text').textContent = proposal ? `${proposal.kind} ${proposal.target}: ${proposal.from} → ${proposal.to}. ${proposal.why}` : words[name][1];
  byId('ask-for').hidden = name !== 'hold';
  byId('reason').value = '';
  byId('reason').required = name === 'hold';
  byId('ask-ok').textContent = words[name][0];
  byId('done').textContent = '';
  dialog.returnValue = '';
  dialog.onclose = async () => {
    if (dialog.returnValue !== 'ok') return;
    const operation = { name, policy: state.policy, reason: byId('reason').value, ...more };
    if (name === 'hold') operation.forSeconds = Number(byId('hours').value) * 3600;
    try {
      await api('operations', {}, operation);
      notice('');
      byId('done').textContent = `${words[name][0]}: done; the next decision will show it.`;
    } catch (e) { notice(`${words[name][0]}: ${e.message}`); }
  };
  dialog.showModal();
}

async function look() {
  try {
    const n = await api('now', { policy: state.policy });
    const changed = n.decision?.id !== state.now?.decision?.id || n.policies.length !== state.now?.policies.length;
    state.now = n;
    if (changed) { show(); await timeline(); }
    age();
    if (state.failed) notice('');
    state.failed = '';
  } catch (e) {
    state.failed = e.message;
    notice(`The page is not up to date: ${e.message}`);
  }
}

async function choose(policy) {
  state.policy = policy;
  state.now = null;
  state.items.clear();
  byId('decisions').replaceChildren();
  await look();
  await rights().catch((e) => notice(e.message));
}

function wire() {
  byId('policy').addEventListener('change', (e) => choose(e.target.value));
  byId('signal').addEventListener('change', (e) => { state.signal = e.target.value; drawCharts(); });
  byId('older').addEventListener('click', () => timeline([...state.items.values()].map((i) => i.time).sort()[0]).catch((e) => notice(e.message)));
  byId('hold').addEventListener('click', () => ask('hold'));
  byId('resume').addEventListener('click', () => ask('resume'));
  byId('sign').addEventListener('click', async () => {
    if (state.token) { state.token = ''; await rights().catch((e) => notice(e.message)); return; }
    byId('token').value = '';
    byId('sign-dialog').returnValue = '';
    byId('sign-dialog').showModal();
  });
  byId('sign-dialog').addEventListener('close', async () => {
    if (byId('sign-dialog').returnValue === 'ok') state.token = byId('token').value.trim();
    byId('token').value = '';
    await choose(state.policy);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawCharts);
  window.addEventListener('hashchange', follow);
}

wire();
await look();
await rights().catch((e) => notice(e.message));
await follow();
document.body.dataset.ready = 'yes';
setInterval(() => { if (!document.hidden) look(); }, every);
