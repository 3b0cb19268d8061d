// Optional help for the form that sets a new password: shows the passwords, rates the first one, and compares both.
// Nothing leaves the page, and the server decides. The form works without this script.
'use strict';

const form = document.getElementById('choose');
const password = document.getElementById('password');
const again = document.getElementById('password_again');
// A template of an administrator may have no button, or one without the class.
const reveals = document.querySelectorAll('#show, .reveal');
const meter = document.getElementById('meter');
const verdict = document.getElementById('verdict');
const match = document.getElementById('match');
const minimum = Number(form.dataset.minimum);
// Limit of bcrypt, in bytes.
const LONGEST = 72;

// Words that many passwords are made of. Such a word adds little more strength than its place in the list.
// The name of the product is one of them.
const product = (form.dataset.product || '').normalize('NFKC').trim().toLowerCase();
const COMMON = ('password passwort letmein welcome qwerty qwertz azerty asdf admin login master secret dragon monkey '
  + 'football baseball soccer hockey princess sunshine shadow superman batman michael jordan jennifer charlie daniel '
  + 'thomas jessica ashley iloveyou love hello freedom whatever trustno starwars pokemon cheese computer internet '
  + 'google summer winter spring autumn monday january flower orange banana chocolate purple ginger pepper cookie '
  + 'tigger buster killer hunter ranger harley mustang ferrari mercedes porsche corvette yamaha london berlin paris '
  + 'america canada liverpool arsenal chelsea barcelona money test user guest root changeme default movie '
  + 'abc xyz hallo schatz geheim azertyuiop motdepasse bonjour soleil contrasena hola').split(' ')
  .concat([product, product.replace(/[^\p{L}\p{N}]/gu, '')].filter((name) => name.length > 1))
  .sort((a, b) => b.length - a.length);
const ROWS = ['abcdefghijklmnopqrstuvwxyz', '01234567890', 'qwertyuiop', 'asdfghjkl', 'zxcvbnm', 'qwertzuiop', 'azertyuiop'];

function isRun(before, after) {
  return before === after || ROWS.some((row) => row.includes(before + after) || row.includes(after + before));
}

// Estimates the strength, in bits, against an attacker who tries words, runs and repeats first.
function bits(text) {
  const plain = text.normalize('NFKC').trim().toLowerCase();
  // Digits in place of letters count as letters only within words.
  let rest = plain.replace(/0/g, 'o').replace(/[1!|]/g, 'i').replace(/3/g, 'e').replace(/[4@]/g, 'a')
    .replace(/[5$]/g, 's').replace(/7/g, 't');
  let sum = 0;
  for (const word of COMMON) {
    for (let at = rest.indexOf(word); at >= 0; at = rest.indexOf(word, at)) {
      sum += 7;
      rest = rest.slice(0, at) + '\u0000'.repeat(word.length) + rest.slice(at + word.length);
    }
  }
  let before = '';
  let unit = '';
  const left = Array.from(rest);
  Array.from(plain).forEach((char, index) => {
    if (left[index] === '\u0000') { before = ''; return; }
    const doubled = unit.length > 1 && unit.indexOf(char) >= 0;
    sum += isRun(before, char) ? 1 : doubled ? 2 : /\p{L}/u.test(char) ? 3.6 : /\d/.test(char) ? 3 : 4.5;
    before = char;
    unit += char;
  });
  return sum;
}

function judge(text) {
  const length = Array.from(text).length;
  const bytes = new TextEncoder().encode(text.normalize('NFC')).length;
  if (length < minimum) {
    const missing = minimum - length;
    return [0, 'Too short: ' + missing + (missing === 1 ? ' character' : ' characters') + ' to go'];
  }
  if (bytes > LONGEST) return [0, 'Too long: ' + bytes + ' bytes of at most ' + LONGEST];
  const worth = bits(text);
  if (worth < 26) return [1, 'Weak: easy to guess'];
  if (worth < 38) return [2, 'Fair: add another word'];
  if (worth < 52) return [3, 'Good'];
  return [4, 'Strong'];
}

function look() {
  document.getElementById('strength').hidden = password.value === '';
  const [value, words] = judge(password.value);
  meter.value = value;
  // A screen reader announces each assignment, also of the same text.
  if (verdict.textContent !== words) verdict.textContent = words;
  compare();
}

function say(words) {
  if (match.textContent !== words) match.textContent = words;
  if (words === '') again.removeAttribute('aria-invalid');
  else again.setAttribute('aria-invalid', 'true');
}

// While the second password is typed, it may still become the same as the first one.
function compare() {
  const isBeginning = password.value.normalize('NFC').startsWith(again.value.normalize('NFC'));
  say(isBeginning ? '' : 'The passwords do not match');
}

function show(isShown) {
  password.type = again.type = isShown ? 'text' : 'password';
  for (const reveal of reveals) reveal.setAttribute('aria-pressed', String(isShown));
}

for (const reveal of reveals) {
  reveal.hidden = false;
  reveal.addEventListener('click', () => show(password.type === 'password'));
}
let isSent = false;
form.addEventListener('submit', (event) => {
  // The server would refuse it, and return the form without both passwords.
  if (password.value.normalize('NFC') !== again.value.normalize('NFC')) {
    event.preventDefault();
    say('The passwords do not match');
    again.focus();
    return;
  }
  // A link can be used once: a second click would get the page of a used link.
  if (isSent) event.preventDefault();
  isSent = true;
  // The browser may store the text of a visible field.
  show(false);
});
addEventListener('pageshow', () => { isSent = false; });
password.addEventListener('input', look);
again.addEventListener('input', compare);
