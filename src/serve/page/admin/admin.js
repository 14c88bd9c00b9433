// The operator's page: what the server does now, did in the last hour, and was used for. Start reading here.
import {announce, byId, download} from '../shared/dom.js';
import {headersOf, problemOf, tabKey} from '../shared/server.js';
import {Activity} from './activity.js';
import {span, utcDay} from './format.js';
import {periodsBegin, showKeys} from './keys.js';
import {Requests} from './requests.js';
import {texts} from './texts.js';
import {Tiles} from './tiles.js';
import {Usage} from './usage.js';

const lookEveryMs = 1000;
const historyEveryMs = 5000;
const usageEveryMs = 60000;

const key = tabKey('fathom.admin_key');
const tiles = new Tiles();
const activity = new Activity();
const requests = new Requests(endRequest);
const usage = new Usage(() => look({usage: 0}));
let startedS = 0;
let isPaused = false;
let due = {history: 0, usage: 0};  // when they are asked for again
let timer = null;
let isLooking = false;
let again = false;  // once this look is over

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  const response = await fetch(path, {...options, headers: headersOf(key.get())});
  if (!response.ok) throw new Refused(response.status, await problemOf(response));
  return response;
}

const get = async (path) => (await ask(path)).json();

/** A key is wanted, or another one. */
function askForKey(status) {
  byId('figures').hidden = true;
  byId('key-form').hidden = false;
  byId('key-problem').textContent = key.get() ? (status === 403 ? texts.notAdmin : texts.wrongKey) : '';
  byId('key').focus();
}

function showBanner(text) {
  if (byId('banner').textContent === text) return;
  if (!text && !byId('banner').hidden) announce(texts.back);
  byId('banner').textContent = text;
  byId('banner').hidden = !text;
}

function showServer(status) {
  const state = status.draining ? 'draining' : status.stalled ? 'stalled' : 'ok';
  byId('model').textContent = status.model;
  byId('state').textContent = texts.states[state];
  byId('state').className = `badge ${state}`;
  byId('uptime').textContent = texts.up(span(status.now_s - status.started_s));
  document.title = `${status.model} – fathom: operations`;
  byId('usage-none').hidden = status.keeps_usage;
  byId('usage').hidden = byId('keys-section').hidden = !status.keeps_usage;
}

async function lookAtUsage() {
  const from = [usage.from, periodsBegin()].sort()[0];
  const [{usage: lines}, {data: keys}] = await Promise.all([
    get(`admin/usage?by=key,day&from=${from}`), get('admin/keys')]);
  usage.show(lines);
  showKeys(keys, lines);
}

async function lookAtAll(now) {
  const [status, open] = await Promise.all([get('admin/status'), get('admin/requests')]);
  byId('key-form').hidden = true;
  byId('figures').hidden = false;
  if (status.started_s !== startedS) {  // a server that was started anew has another history
    startedS = status.started_s;
    activity.forget();
    tiles.forget();
    due = {history: 0, usage: 0};
  }
  showServer(status);
  tiles.show(status, open.open);
  requests.show(open);
  if (now >= due.history) {
    activity.add(await get(`admin/history?after=${activity.after}`));
    due.history = now + historyEveryMs;
  }
  if (status.keeps_usage && now >= due.usage) {
    await lookAtUsage();
    due.usage = now + usageEveryMs;
  }
}

function showFault(fault) {
  if (fault.status === 401 || fault.status === 403) {
    showBanner('');
    askForKey(fault.status);
  } else {
    showBanner(fault instanceof Refused ? fault.message : texts.away);
  }
}

/** Looks now, and then again and again. Two looks at once would add the same samples twice. */
async function look(sooner = {}) {
  Object.assign(due, sooner);
  again = isLooking;
  if (isLooking) return;
  clearTimeout(timer);
  if (isPaused || document.hidden) return;
  isLooking = true;
  let wantsKey = false;
  try {
    await lookAtAll(Date.now());
    showBanner('');
  } catch (fault) {
    showFault(fault);
    wantsKey = !byId('key-form').hidden;
  }
  isLooking = false;
  if (again) look();
  else if (!wantsKey) timer = setTimeout(look, lookEveryMs);
}

async function endRequest({id}) {
  try {
    await ask(`admin/requests/${id}`, {method: 'DELETE'});
    announce(texts.ended(id));
  } catch (fault) {
    announce(texts.notEnded(fault.message));
  }
  look();
}

async function saveCsv() {
  try {
    const response = await ask(`admin/usage?by=key,day&format=csv&from=${usage.from}`);
    download(`fathom-usage-${utcDay(Date.now())}.csv`, 'text/csv', await response.text());
  } catch (fault) {
    showFault(fault);
  }
}

byId('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  key.set(byId('key').value.trim());
  byId('key').value = '';
  look({history: 0, usage: 0});
});
byId('pause').addEventListener('click', () => {
  isPaused = !isPaused;
  byId('pause').textContent = isPaused ? texts.resume : texts.pause;
  byId('pause').setAttribute('aria-pressed', isPaused);
  look();
});
byId('usage-csv').addEventListener('click', saveCsv);
document.addEventListener('visibilitychange', () => look());
look();
