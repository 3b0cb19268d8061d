// Keeps the inbox live and quick, where scripts run. Every page is made by the server and whole without this: here links and
// forms are followed without loading a page anew, the list is fetched again when the server tells of a change, and keys
// do what links and buttons do. No text of a mail is ever put together with HTML here.
'use strict';

const live = document.getElementById('live');
const query = document.getElementById('query');
const get = (id) => document.getElementById(id);
const parse = (text) => new DOMParser().parseFromString(text, 'text/html');
// A name and a password that stand in the address must not be part of what is fetched, and must stay in the address.
const bare = (url) => { const { pathname, search } = new URL(url, location.origin); return pathname + search; };
const ask = (path, how) => fetch(location.origin + path, how);
const opened = () => (/^\/view\/([0-9A-Za-z]+)$/.exec(location.pathname) || [])[1] || '';

// The list.

const FOCUSABLE = 'a, summary, button';

// What is the same stays, so that the place where somebody reads, what is focused and what is open stay too.
function morph(old, fresh) {
  for (const child of Array.from(old.children)) if (!fresh.ownerDocument.getElementById(child.id)) child.remove();
  Array.from(fresh.children).forEach((child, index) => {
    const kept = get(child.id);
    const here = old.children[index] || null;
    if (!kept) { old.insertBefore(child, here); return; }
    if (kept !== here) old.insertBefore(kept, here);
    if (kept.open) child.open = true;
    if (kept.isEqualNode(child)) return;
    // Changed in place, so that a screen reader says it.
    if (kept.id === 'summary') kept.textContent = child.textContent;
    else if (kept.id === 'bar' || kept.id === 'rows') morph(kept, child);
    else {
      const at = Array.from(kept.querySelectorAll(FOCUSABLE)).indexOf(document.activeElement);
      const rel = document.activeElement.rel;
      kept.replaceWith(child);
      const now = child.querySelectorAll(FOCUSABLE);
      const same = child.querySelector('[rel="' + rel + '"]') || now[Math.min(at, now.length - 1)];
      if (at >= 0 && same) same.focus({ preventScroll: true });
    }
  });
}

function showList(fresh) {
  localTimes(fresh);
  const list = get('list');
  const isElsewhere = list.dataset.place !== fresh.dataset.place;
  Object.assign(list.dataset, fresh.dataset);
  morph(list, fresh);
  if (isElsewhere) list.scrollTop = 0;
  document.body.classList.toggle('empty', list.dataset.total === '0');
  count();
}

function count() {
  const unread = get('list').dataset.unread;
  const title = get('message').dataset.title;
  document.title = unread === '0' ? title : '(' + unread + ') ' + title;
  get('icon').href = '/icon.svg?unread=' + unread;
}

let fetching = false;
let again = false;

// One fetch at a time: what changes meanwhile is one more, however much it is.
async function refresh() {
  if (fetching) { again = true; return; }
  fetching = true;
  const here = new URLSearchParams(location.search);
  const asked = new URLSearchParams();
  for (const name of ['query', 'start']) if (here.has(name)) asked.set(name, here.get(name));
  if (opened()) asked.set('open', opened());
  const before = location.href;
  try {
    const answer = await ask('/list?' + asked);
    if (answer.ok) {
      const fresh = parse(await answer.text()).getElementById('list');
      if (socket && socket.readyState === WebSocket.OPEN) isLive();
      if (location.href === before) {
        const wasEmpty = document.body.classList.contains('empty');
        showList(fresh);
        if (wasEmpty !== document.body.classList.contains('empty') && !opened()) follow(location.href, 'stay');
      } else again = true;
    }
  } catch (_) { /* The connection says so itself. */ }
  fetching = false;
  if (again) { again = false; setTimeout(refresh, 60); }
}

// Pages.

let latest = 0;
let sending = false;

function say(words) {
  live.textContent = words;
  live.className = 'lost';
}

// Asks, and shows the answer unless something else was asked for meanwhile.
async function fetchAndShow(ask, how) {
  const mine = ++latest;
  try {
    const answer = await ask();
    const text = await answer.text();
    if (mine !== latest) return false;
    const page = parse(text);
    if (!page.getElementById('message')) { say(answer.ok ? 'This answer cannot be shown' : text.slice(0, 100)); return false; }
    show(page, bare(answer.url), how);
    return true;
  } catch (_) {
    // The page stays as it is, and the list comes again with the connection.
    if (mine === latest) say('No answer, try again');
    return false;
  }
}

function show(page, url, how) {
  if (how === 'push' && url !== bare(location.href)) history.pushState(null, '', url);
  else if (how !== 'stay') history.replaceState(null, '', url);
  document.body.className = page.body.className;
  const focused = place(document.activeElement);
  const message = page.getElementById('message');
  get('message').replaceWith(message);
  prepare(message);
  showList(page.getElementById('list'));
  // What is just being typed is newer than what it found.
  if (document.activeElement !== query || how === 'stay') query.value = page.getElementById('query').value;
  // Changed in place, so that a screen reader announces it.
  const problem = page.getElementById('problem').textContent;
  if (get('problem').textContent !== problem) get('problem').textContent = problem;
  query.toggleAttribute('aria-invalid', !!problem);
  if (problem) { query.setAttribute('aria-invalid', 'true'); query.setAttribute('aria-describedby', 'problem'); }
  else query.removeAttribute('aria-describedby');
  const row = get('list').querySelector('[aria-current]');
  if (row) row.scrollIntoView({ block: 'nearest' });
  // The answer to a question that destroys nothing has the focus.
  const first = message.querySelector('[autofocus]');
  if (first) first.focus();
  else refocus(focused);
}

// What was focused in the message before: the same tab, the same button, or the message itself.
function place(element) {
  if (!get('message').contains(element)) return '';
  for (const group of ['.tabs', '.look', '.acts']) {
    const inside = element.closest(group);
    if (inside) return [group, Array.from(inside.querySelectorAll(FOCUSABLE)).indexOf(element)];
  }
  return ['', 0];
}

function refocus(was) {
  if (!was) return;
  const group = was[0] && get('message').querySelector(was[0]);
  const same = group && group.querySelectorAll(FOCUSABLE)[was[1]];
  (same || get('message')).focus({ preventScroll: true });
}

const follow = (url, how) => fetchAndShow(() => ask(bare(url)), how);

// Does what a button says, one after the other, and then goes on to `next`.
async function send(form, button, next) {
  if (sending) return;
  sending = true;
  const body = new URLSearchParams(new FormData(form, button));
  const menu = form.closest('details');
  if (menu) menu.open = false;
  const post = async () => {
    const answer = await ask(bare(form.action), { method: 'POST', body });
    return answer.ok && next ? ask(bare(next)) : answer;
  };
  await fetchAndShow(post, 'push');
  sending = false;
}

const isOurs = (url) => url.origin === location.origin && (url.pathname === '/' || /^\/view\/[0-9A-Za-z]+$/.test(url.pathname));

document.addEventListener('click', (event) => {
  const copied = event.target.closest('[data-copy]');
  if (copied) { copy(copied); return; }
  const link = event.target.closest('a[href]');
  const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlain || link.target || link.hasAttribute('download') || !isOurs(new URL(link.href))) return;
  event.preventDefault();
  const isNarrow = matchMedia('(max-width: 45rem)').matches;
  follow(link.href, 'push').then((shown) => { if (shown && isNarrow && link.closest('#rows')) get('message').focus({ preventScroll: true }); });
});

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.method === 'dialog') return;
  event.preventDefault();
  if (form.id === 'search') search(isTyped ? 'replace' : 'push');
  else if (event.submitter) send(form, event.submitter, form.closest('article') && event.submitter.value === 'delete' ? neighbour() : '');
});

addEventListener('popstate', () => follow(location.href, 'stay'));

// What is typed is searched for at once, and is one step back in the history.
let typing;
let isTyped = false;

function search(how) {
  clearTimeout(typing);
  const text = query.value.trim();
  follow(text ? '/?' + new URLSearchParams({ query: text }) : '/', how);
}

query.addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(() => { search(isTyped ? 'replace' : 'push'); isTyped = true; }, 120);
});
query.addEventListener('blur', () => { isTyped = false; });

// One message.

function prepare(part) {
  localTimes(part);
  const keys = part.querySelector('#keys');
  if (keys) {
    keys.hidden = false;
    const use = part.querySelector('#use-keys');
    use.checked = usesKeys();
    use.addEventListener('change', () => remember(use.checked));
  }
}

// The server says times in its own zone, which need not be that of who looks.
function localTimes(part) {
  const today = new Date().toDateString();
  for (const time of part.querySelectorAll('time')) {
    const when = new Date(time.dateTime);
    // Not every moment that a mail may name is one for a browser: 23:59:60 is none.
    if (Number.isNaN(when.getTime())) continue;
    const two = (number) => String(number).padStart(2, '0');
    const day = when.getFullYear() + '-' + two(when.getMonth() + 1) + '-' + two(when.getDate());
    const clock = two(when.getHours()) + ':' + two(when.getMinutes());
    const isLong = time.dataset.form === 'long';
    time.textContent = isLong ? day + ' ' + clock + ':' + two(when.getSeconds()) : when.toDateString() === today ? clock : day;
    time.title = time.dateTime;
  }
}

async function copy(button) {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch (_) {
    // By plain HTTP from another machine there is no clipboard but this way.
    const code = button.parentElement.querySelector('code');
    getSelection().selectAllChildren(code);
    document.execCommand('copy');
  }
  // Said where a screen reader listens, since what stands in a button is not told when it changes.
  get('told').textContent = button.firstChild.nodeValue = 'Copied';
  setTimeout(() => { button.firstChild.nodeValue = 'Copy'; get('told').textContent = ''; }, 1500);
}

// Keys. Who uses a program that types letters can turn them off (WCAG 2.1.4).

function usesKeys() {
  try { return localStorage.getItem('keys') !== 'off'; } catch (_) { return true; }
}

function remember(use) {
  try { localStorage.setItem('keys', use ? 'on' : 'off'); } catch (_) { /* then for this page alone */ }
}

const links = () => Array.from(document.querySelectorAll('#rows a'));

function current(all) {
  const focused = all.indexOf(document.activeElement);
  return focused >= 0 ? focused : all.findIndex((link) => link.hasAttribute('aria-current'));
}

// The message that takes the place of the opened one: the next older, else the next newer.
function neighbour() {
  const all = links();
  const at = all.findIndex((link) => link.hasAttribute('aria-current'));
  const next = at < 0 ? null : all[at + 1] || all[at - 1];
  return next ? next.href : '';
}

async function step(by) {
  const all = links();
  const at = current(all);
  const next = all[at < 0 ? 0 : at + by];
  if (next) {
    next.focus();
    if (opened()) await follow(next.href, 'replace');
    return;
  }
  const page = document.querySelector(by > 0 ? '.pages a[rel=next]' : '.pages a[rel=prev]');
  if (!page || at < 0) return;
  await follow(page.href, 'push');
  const fresh = links();
  const first = by > 0 ? fresh[0] : fresh[fresh.length - 1];
  if (first) first.focus();
}

// Asks whether to delete the message with this subject. The key may have been pressed by mistake.
function confirms(subject) {
  const dialog = get('ask');
  dialog.querySelector('bdi').textContent = subject;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener('close', () => done(dialog.returnValue === 'delete'), { once: true }));
}

async function remove() {
  const opened = document.querySelector('#message .acts [value=delete]');
  if (opened) {
    const { form } = opened;
    const isSure = await confirms(document.querySelector('#message h2').textContent);
    // The message may have gone meanwhile.
    if (isSure && form.isConnected) await send(form, opened, neighbour());
    return;
  }
  const row = document.activeElement.closest('#rows li');
  if (!row || sending || !await confirms(row.querySelector('.subject > bdi').textContent)) return;
  const all = links();
  const at = all.findIndex((link) => link.parentElement.id === row.id);
  if (at < 0 || sending) return;
  sending = true;
  const next = (all[at + 1] || all[at - 1] || {}).parentElement;
  try {
    const answer = await ask(bare(all[at].href), { method: 'POST', body: new URLSearchParams({ do: 'delete' }) });
    if (!answer.ok) say('It was not deleted');
    else if (next) next.querySelector('a').focus();
    refresh();
  } catch (_) { say('No answer, try again'); }
  sending = false;
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (get('ask').open) {
    if (event.key === 'd' && !event.repeat && usesKeys()) { event.preventDefault(); get('ask').close('delete'); }
    return;
  }
  const isTyping = event.target.matches('input:not([type=radio], [type=checkbox]), textarea');
  if (event.key === 'Escape') {
    const menu = document.querySelector('.menu[open]');
    if (menu) { menu.open = false; menu.querySelector('summary').focus(); return; }
    // The browser's own way with it would empty the field, and leave the list as it was.
    if (isTyping) { event.preventDefault(); query.blur(); return; }
    const back = document.querySelector('.back a');
    if (back) {
      const id = opened();
      follow(back.href, 'push').then(() => { const row = get('row-' + id); if (row) row.querySelector('a').focus(); });
    }
    return;
  }
  if (isTyping || !usesKeys()) return;
  if (event.key === 'j') step(1);
  else if (event.key === 'k') step(-1);
  else if (event.key === 'd') { if (!event.repeat) remove(); }
  else if (event.key === '/') { query.focus(); query.select(); }
  else if (event.key === 'Enter' && event.target === document.body && links().length) links()[Math.max(0, current(links()))].click();
  else return;
  event.preventDefault();
});

// What happens on the server.

let patience = 500;
let socket = null;

function isLive() {
  live.textContent = 'Live';
  live.className = '';
}

function connect() {
  socket = new WebSocket((location.protocol === 'https:' ? 'wss://' : 'ws://') + location.host + '/api/events');
  socket.onopen = () => {
    patience = 500;
    isLive();
    refresh();
  };
  socket.onmessage = (event) => {
    if (JSON.parse(event.data).Type !== 'stats') refresh();
  };
  socket.onclose = () => {
    say('Not connected, trying again');
    setTimeout(connect, patience);
    patience = Math.min(patience * 2, 10000);
  };
}

document.documentElement.classList.add('js');
localTimes(get('list'));
prepare(get('message'));
connect();
