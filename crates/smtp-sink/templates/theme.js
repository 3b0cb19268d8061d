// Applies the theme that was chosen in this browser, before anything is painted. Without a choice, and without scripts, the
// setting of the system holds.
'use strict';

function storedTheme() {
  try { return localStorage.getItem('theme') || ''; } catch (_) { return ''; }
}

function applyTheme() {
  const theme = storedTheme();
  const root = document.documentElement;
  if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
  else delete root.dataset.theme;
}

document.documentElement.classList.add('js');
applyTheme();
