// Keeps the inbox up to date and quick. Every page is rendered by the server and complete without this script, which follows
// links and forms without loading a page again, fetches the list after each event of the server, and adds keys. It never
// builds HTML from the text of a mail.
'use strict';

const live = document.getElementById('live');
const query = document.getElementById('query');
const get = (id) => document.getElementById(id);
const parse = (text) => new DOMParser().parseFromString(text, 'text/html');
// Requests must not carry the user name and password of the address bar, which must keep them.
const bare = (url) => { const { pathname, search } = new URL(url, location.origin); return pathname + search; };
const ask = (path, how) => fetch(location.origin + path, how);
const opened = () => (/^\/view\/([0-9A-Za-z]+)$/.exec(location.pathname) || [])[1] || '';

// The list.

const FOCUSABLE = 'a, summary, button, input, select';

// The first element from `at` on that stays, otherwise the last one before it.
const nearest = (all, at, stays) => all.slice(at).find(stays) || all.slice(0, at).filter(stays).pop();

// Keeps unchanged elements, and with them the scroll position, the focus, open menus and the selection.
function morph(old, fresh) {
  const before = Array.from(old.children);
  const stays = (child) => fresh.ownerDocument.getElementById(child.id);
  // The focus of a removed message moves in the same step. Later, keys pressed in the meantime would act on another message.
  const at = old.id === 'rows' ? before.findIndex((row) => row.contains(document.activeElement)) : -1;
  const heir = at < 0 || stays(before[at]) ? null : nearest(before, at, stays);
  for (const child of before) if (!stays(child)) child.remove();
  if (heir) heir.querySelector('a').focus({ preventScroll: true });
  Array.from(fresh.children).forEach((child, index) => {
    const kept = get(child.id);
    const here = old.children[index] || null;
    if (!kept) { old.insertBefore(child, here); return; }
    if (kept !== here) old.insertBefore(kept, here);
    if (kept.open) child.open = true;
    if (kept.isEqualNode(child)) return;
    // Changed in place, so that a screen reader announces it.
    if (kept.id === 'summary') kept.textContent = child.textContent;
    else if (kept.id === 'selection') kept.action = child.action;
    else if (kept.id === 'bar' || kept.id === 'rows') morph(kept, child);
    else {
      if (child.matches('#rows > li')) box(child).checked = box(kept).checked;
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
  showSelection();
}

function count() {
  const unread = get('list').dataset.unread;
  const title = get('message').dataset.title;
  document.title = unread === '0' ? title : '(' + unread + ') ' + title;
  get('icon').href = '/icon.svg?unread=' + unread;
}

let fetching = false;
let again = false;

// One request at a time. All changes in the meantime cause one more.
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
  } catch (_) { /* The websocket reports the lost connection. */ }
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

// Shows the page of an answer, unless another one was requested in the meantime.
async function fetchAndShow(ask, how) {
  const mine = ++latest;
  try {
    const answer = await ask();
    const text = await answer.text();
    if (mine !== latest) return false;
    const page = parse(text);
    if (!page.getElementById('message')) { say(answer.ok ? 'Cannot show the answer' : text.slice(0, 100)); return false; }
    show(page, bare(answer.url), how);
    return true;
  } catch (_) {
    // The page stays as it is, and the list is fetched when the connection is back.
    if (mine === latest) say('No answer, try again');
    return false;
  }
}

function show(page, url, how) {
  url = withoutDeletion(url);
  const facts = get('facts');
  const shown = opened();
  if (how === 'push' && url !== bare(location.href)) history.pushState(null, '', url);
  else if (how !== 'stay') history.replaceState(null, '', url);
  document.body.className = page.body.className;
  const focused = place(document.activeElement);
  const message = page.getElementById('message');
  get('message').replaceWith(message);
  prepare(message);
  if (facts && facts.open && shown === opened()) get('facts').open = true;
  showNotice(page);
  showList(page.getElementById('list'));
  // Text that is being typed is newer than the answer.
  if (document.activeElement !== query || how === 'stay') query.value = page.getElementById('query').value;
  // Changed in place, so that a screen reader announces it.
  const problem = page.getElementById('problem').textContent;
  if (get('problem').textContent !== problem) get('problem').textContent = problem;
  query.toggleAttribute('aria-invalid', !!problem);
  if (problem) { query.setAttribute('aria-invalid', 'true'); query.setAttribute('aria-describedby', 'problem'); }
  else query.removeAttribute('aria-describedby');
  const row = get('list').querySelector('[aria-current]');
  if (row) row.scrollIntoView({ block: 'nearest' });
  // In a question, the answer that deletes nothing has the focus.
  const first = message.querySelector('[autofocus]');
  if (first) first.focus();
  else refocus(focused);
}

// Position of the focus in the message: a tab, a button, or the message itself.
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

// Submits a form, one at a time, and then shows `next`, or the answer if there is none.
async function send(form, button, next) {
  if (sending) return;
  sending = true;
  const body = new URLSearchParams(new FormData(form, button));
  const menu = form.closest('details');
  if (menu) menu.open = false;
  const post = async () => {
    const answer = await ask(bare(form.action), { method: 'POST', body });
    if (!answer.ok || !next) return answer;
    showNotice(parse(await answer.text()));
    return ask(bare(next));
  };
  await fetchAndShow(post, 'push');
  sending = false;
}

const isOurs = (url) => url.origin === location.origin && (url.pathname === '/' || /^\/view\/[0-9A-Za-z]+$/.test(url.pathname));

document.addEventListener('click', (event) => {
  const copied = event.target.closest('.copy');
  if (copied) { copy(copied); return; }
  if (event.target.closest('.dismiss')) { hideNotice(); return; }
  if (event.target.matches('#rows input')) { select(event.target, event.shiftKey); return; }
  for (const menu of document.querySelectorAll('.menu[open]')) if (!menu.contains(event.target)) menu.open = false;
  const link = event.target.closest('a[href]');
  const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlain || link.target || link.hasAttribute('download') || !isOurs(new URL(link.href))) return;
  event.preventDefault();
  const isNarrow = matchMedia('(max-width: 45rem)').matches;
  follow(link.href, 'push').then((shown) => { if (shown && isNarrow && link.closest('#rows')) get('message').focus({ preventScroll: true }); });
});

document.addEventListener('submit', (event) => {
  const form = event.target;
  const button = event.submitter;
  event.preventDefault();
  if (form.id === 'search') search(isTyped ? 'replace' : 'push');
  else if (!button) return;
  else if (form.id === 'selection') actOnSelection(button.value);
  else if (button.value === 'undo') undo();
  else send(form, button, form.closest('article') && button.value === 'delete' ? neighbour([opened()]) : '');
});

addEventListener('popstate', () => follow(location.href, 'stay'));

// Searches while a person types. One search is one step in the history.
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

// Selection.

const box = (row) => row.querySelector('input');
const boxes = () => Array.from(document.querySelectorAll('#rows input'));
const selected = () => boxes().filter((one) => one.checked);
let anchor = '';

// Applies the state of a box to all between it and the one before, if it extends the selection.
function select(last, extends_) {
  const all = boxes();
  const [from, to] = [all.findIndex((one) => one.value === anchor), all.indexOf(last)];
  if (extends_ && from >= 0) all.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((one) => { one.checked = last.checked; });
  anchor = last.value;
  showSelection();
}

function showSelection() {
  const all = boxes().length;
  const chosen = selected().length;
  const whole = get('select-all');
  if (!whole) return;
  whole.checked = chosen > 0 && chosen === all;
  whole.indeterminate = chosen > 0 && chosen < all;
  const text = chosen ? chosen + ' selected' : '';
  if (get('selected').textContent === text) return;
  get('selected').textContent = text;
  announce(text);
}

function clearSelection() {
  for (const one of boxes()) one.checked = false;
  showSelection();
}

document.addEventListener('change', (event) => {
  if (event.target.id === 'select-all') {
    for (const one of boxes()) one.checked = event.target.checked;
    showSelection();
  } else if (event.target.id === 'theme') {
    try {
      if (event.target.value) localStorage.setItem('theme', event.target.value);
      else localStorage.removeItem('theme');
      applyTheme();
    } catch (_) { say('This browser does not store the theme'); }
  }
});

addEventListener('storage', () => { applyTheme(); get('theme').value = storedTheme(); });

// Posts an action, one at a time, and shows its notice. Returns whether it was accepted.
async function post(url, fields) {
  if (sending) return false;
  sending = true;
  let done = false;
  try {
    const answer = await ask(bare(url), { method: 'POST', body: new URLSearchParams(fields) });
    const text = await answer.text();
    done = answer.ok;
    if (done) showNotice(parse(text));
    else say(text.slice(0, 100));
  } catch (_) { say('No answer, try again'); }
  sending = false;
  return done;
}

async function actOnSelection(action) {
  const ids = selected().map((one) => one.value);
  const { action: url } = get('selection');
  const isOpen = ids.includes(opened());
  const next = action === 'delete' ? neighbour(ids) : '';
  const isInBar = get('bar').contains(document.activeElement);
  if (!ids.length || !await post(url, [['do', action], ...ids.map((id) => ['ids', id])])) return;
  clearSelection();
  // A message that is shown again would be marked as read again.
  if (isOpen && action !== 'read') { await follow(next || get('list').dataset.place, 'replace'); return; }
  await refresh();
  // The buttons that had the focus are hidden without a selection.
  if (isInBar && document.activeElement === document.body) focusRow(action === 'delete' ? idOf(next) : ids[ids.length - 1]);
}

const idOf = (url) => (url ? new URL(url).pathname.slice('/view/'.length) : '');

function focusRow(id) {
  const row = get('row-' + id);
  const link = row ? row.querySelector('a') : links()[0];
  if (link) link.focus();
}

function announce(text) {
  get('told').textContent = text;
  setTimeout(() => { if (get('told').textContent === text) get('told').textContent = ''; }, 1500);
}

// Notice after a deletion. It stays for a while, and longer under the pointer or with the focus.

const NOTICE_MS = 15000;
let hiding;

function showNotice(page) {
  const fresh = page.getElementById('notice').firstElementChild;
  if (!fresh) return;
  get('notice').replaceChildren(fresh);
  keepNotice();
}

function keepNotice() {
  clearTimeout(hiding);
  hiding = setTimeout(() => { if (get('notice').matches(':hover, :focus-within')) keepNotice(); else hideNotice(); }, NOTICE_MS);
}

function hideNotice() {
  clearTimeout(hiding);
  if (get('notice').contains(document.activeElement)) get('message').focus({ preventScroll: true });
  get('notice').replaceChildren();
}

// A deletion is not a part of the address: a bookmark of it would be of no use.
function withoutDeletion(url) {
  const { pathname, search, searchParams } = new URL(url, location.origin);
  if (!searchParams.has('deletion')) return pathname + search;
  searchParams.delete('deletion');
  return String(searchParams) ? pathname + '?' + searchParams : pathname;
}

async function undo() {
  const form = document.querySelector('#notice form');
  const deletion = form && form.querySelector('[name=deletion]');
  if (!deletion) return;
  const { value } = deletion;
  const isFocused = form.contains(document.activeElement);
  if (!await post(form.action, [['do', 'undo'], ['deletion', value]])) return;
  const kept = document.querySelector('#notice [name=deletion]');
  if (kept && kept.value === value) {
    hideNotice();
    announce('Restored');
  }
  await refresh();
  if (isFocused) focusRow('');
}

// One message.

function prepare(part) {
  localTimes(part);
  const tab = part.querySelector('.tabs [aria-current]');
  // A tab beyond the right edge is scrolled into view, with a part of the next one.
  if (tab) tab.parentElement.scrollLeft = Math.max(0, tab.offsetLeft + tab.offsetWidth + 40 - tab.parentElement.offsetLeft - tab.parentElement.clientWidth);
  const keys = part.querySelector('#keys');
  if (keys) {
    keys.hidden = false;
    const use = part.querySelector('#use-keys');
    use.checked = usesKeys();
    use.addEventListener('change', () => remember(use.checked));
  }
}

// The server writes times in its own zone, which can differ from that of the browser.
function localTimes(part) {
  const today = new Date().toDateString();
  for (const time of part.querySelectorAll('time')) {
    const when = new Date(time.dateTime);
    // Browsers do not read every time that a mail may name, such as 23:59:60.
    if (Number.isNaN(when.getTime())) continue;
    const two = (number) => String(number).padStart(2, '0');
    const day = when.getFullYear() + '-' + two(when.getMonth() + 1) + '-' + two(when.getDate());
    const clock = two(when.getHours()) + ':' + two(when.getMinutes());
    const { form } = time.dataset;
    if (form === 'long') time.textContent = day + ' ' + clock + ':' + two(when.getSeconds());
    else if (form === 'minute') time.textContent = day + ' ' + clock;
    else time.textContent = when.toDateString() === today ? clock : day;
    time.title = time.dateTime;
  }
}

async function copy(button) {
  const source = button.parentElement.querySelector('code, pre');
  const text = button.dataset.copy || source.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch (_) {
    // Over plain HTTP from another machine, browsers offer no other way to the clipboard.
    getSelection().selectAllChildren(source);
    document.execCommand('copy');
  }
  // Screen readers announce the status, and no change of a button.
  announce('Copied');
  button.firstChild.nodeValue = 'Copied';
  setTimeout(() => { button.firstChild.nodeValue = 'Copy'; }, 1500);
}

// Keys. They can be turned off, for people whose software types letters (WCAG 2.1.4).

function usesKeys() {
  try { return localStorage.getItem('keys') !== 'off'; } catch (_) { return true; }
}

function remember(use) {
  try { localStorage.setItem('keys', use ? 'on' : 'off'); } catch (_) { /* holds for this page alone */ }
}

const links = () => Array.from(document.querySelectorAll('#rows a'));

function current(all) {
  const row = document.activeElement.closest('#rows li');
  const focused = all.findIndex((link) => link.parentElement === row);
  return focused >= 0 ? focused : all.findIndex((link) => link.hasAttribute('aria-current'));
}

// Message to show instead of these: the next older one, otherwise the next newer one.
function neighbour(ids) {
  const all = links();
  const isGone = (link) => ids.includes(box(link.parentElement).value);
  const first = all.findIndex(isGone);
  const next = first < 0 ? null : nearest(all, first, (link) => !isGone(link));
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

// Deletes the selected messages, otherwise the opened one, otherwise the focused one.
async function remove() {
  if (selected().length) { await actOnSelection('delete'); return; }
  const button = document.querySelector('#message .acts [value=delete]');
  if (button) { await send(button.form, button, neighbour([opened()])); return; }
  const row = document.activeElement.closest('#rows li');
  if (!row) return;
  if (await post(get('selection').action, [['do', 'delete'], ['ids', box(row).value]])) refresh();
}

function toggle(extends_) {
  const all = links();
  const link = all[Math.max(0, current(all))];
  if (!link) return;
  if (!link.parentElement.contains(document.activeElement)) link.focus();
  const one = box(link.parentElement);
  one.checked = extends_ || !one.checked;
  select(one, extends_);
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const isTyping = event.target.matches('input:not([type=radio], [type=checkbox]), textarea, select');
  if (event.key === 'Escape') {
    const menu = document.querySelector('.menu[open]');
    if (menu) { menu.open = false; menu.querySelector('summary').focus(); return; }
    // The browser would empty the field and leave the list as it was.
    if (isTyping) { event.preventDefault(); event.target.blur(); return; }
    if (selected().length) { clearSelection(); return; }
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
  else if (event.key === 'x' || event.key === 'X') toggle(event.key === 'X');
  else if (event.key === 'z') undo();
  else if (event.key === '/') { query.focus(); query.select(); }
  else if (event.key === 'Enter' && event.target === document.body && links().length) links()[Math.max(0, current(links()))].click();
  else return;
  event.preventDefault();
});

// Events of the server.

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

get('theme').value = storedTheme();
if (get('notice').firstElementChild) keepNotice();
if (location.search.includes('deletion=')) history.replaceState(null, '', withoutDeletion(location.href));
localTimes(get('list'));
showSelection();
prepare(get('message'));
connect();
