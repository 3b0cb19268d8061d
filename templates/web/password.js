// Helps while a new password is typed, where scripts run: shows it, says how strong it is, and whether both entries are
// the same. Nothing leaves the page, and the server decides; without this file the form works all the same.
'use strict';

const form = document.getElementById('choose');
const password = document.getElementById('password');
const again = document.getElementById('password_again');
const show = document.getElementById('show');
const meter = document.getElementById('meter');
const verdict = document.getElementById('verdict');
const match = document.getElementById('match');
const minimum = Number(form.dataset.minimum);
// What bcrypt can take, in bytes.
const LONGEST = 72;

// What many passwords are made of. A word of these is worth little more than its place in the list.
const COMMON = ('password passwort letmein welcome qwerty qwertz azerty asdf admin login master secret dragon monkey '
  + 'football baseball soccer hockey princess sunshine shadow superman batman michael jordan jennifer charlie daniel '
  + 'thomas jessica ashley iloveyou love hello freedom whatever trustno starwars pokemon cheese computer internet '
  + 'google summer winter spring autumn monday january flower orange banana chocolate purple ginger pepper cookie '
  + 'tigger buster killer hunter ranger harley mustang ferrari mercedes porsche corvette yamaha london berlin paris '
  + 'america canada liverpool arsenal chelsea barcelona money test user guest root changeme default movie moviebag '
  + 'abc xyz hallo schatz geheim azertyuiop motdepasse bonjour soleil contrasena hola').split(' ')
  .sort((a, b) => b.length - a.length);
const ROWS = ['abcdefghijklmnopqrstuvwxyz', '01234567890', 'qwertyuiop', 'asdfghjkl', 'zxcvbnm', 'qwertzuiop', 'azertyuiop'];

function isRun(before, after) {
  return before === after || ROWS.some((row) => row.includes(before + after) || row.includes(after + before));
}

// About how many bits a guesser lacks who tries words, runs and repeats first.
function bits(text) {
  const plain = text.normalize('NFKC').trim().toLowerCase();
  // Digits that stand for letters are read so in words alone.
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
  if (bytes > LONGEST) return [0, 'Too long: ' + bytes + ' bytes, and at most ' + LONGEST + ' are taken'];
  const worth = bits(text);
  if (worth < 26) return [1, 'Weak: it is guessed soon'];
  if (worth < 38) return [2, 'Fair: another word would help'];
  if (worth < 52) return [3, 'Good'];
  return [4, 'Strong'];
}

function look() {
  document.getElementById('strength').hidden = password.value === '';
  const [value, words] = judge(password.value);
  meter.value = value;
  // Said again only where it changes, or a screen reader would never be silent.
  if (verdict.textContent !== words) verdict.textContent = words;
  compare();
}

function compare() {
  const differs = again.value !== '' && !password.value.normalize('NFC').startsWith(again.value.normalize('NFC'));
  const words = differs ? 'Not the same as above' : '';
  if (match.textContent !== words) match.textContent = words;
}

show.hidden = false;
show.addEventListener('click', () => {
  const shown = password.type === 'password';
  password.type = again.type = shown ? 'text' : 'password';
  show.textContent = shown ? 'Hide password' : 'Show password';
});
// What is sent as text may be kept by the browser's memory of forms.
let isSent = false;
form.addEventListener('submit', (event) => {
  // A link works once: a second click would be told that it does not.
  if (isSent) event.preventDefault();
  isSent = true;
  password.type = again.type = 'password';
});
addEventListener('pageshow', () => { isSent = false; });
password.addEventListener('input', look);
again.addEventListener('input', compare);
