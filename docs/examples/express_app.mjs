// An Express application whose accounts are in movie-bag: from the sign-up to the deletion of an account.
//
// It needs Express 5 and accounts.mjs, the code in docs/integrate.md. Start movie-bag with these settings:
//
//     MOVIE_BAG_SIGNUP = verified
//     MOVIE_BAG_TRUSTED_PROXIES = 127.0.0.1/32
//     MOVIE_BAG_RESET_URL = http://localhost:5000/reset?token={token}
//
// Run it with: node express_app.mjs

import { createHash, randomBytes } from "node:crypto";
import express from "express";
import * as accounts from "./accounts.mjs";

// Accounts of the tokens that were checked in the last seconds. A session that has ended is noticed after this time at the
// latest, so keep it short. Only valid tokens are kept, and only their digests.
const CACHE_SECONDS = Number(process.env.CACHE_SECONDS ?? 10);
const CACHE_SIZE = 10_000;
const cache = new Map();
// Access tokens by session id. They stay on the server: the browser has only the id. Use the store of your application.
const sessions = new Map();

const digest = (token) => createHash("sha256").update(token).digest("base64");

async function accountOf(token) {
  const key = digest(token);
  const known = cache.get(key);
  if (known && performance.now() < known.until) return known.account;
  const account = await accounts.accountOf(token);
  cache.delete(key);
  if (account) {
    cache.set(key, { account, until: performance.now() + CACHE_SECONDS * 1000 });
    if (cache.size > CACHE_SIZE) cache.delete(cache.keys().next().value);
  }
  return account;
}

const app = express();
app.use(express.json());
// Behind a proxy of your own, set "trust proxy", so that request.ip is the address of the person's computer.

const field = (request, name) => (typeof request.body?.[name] === "string" ? request.body[name] : "");
const sessionOf = (request) => /(?:^|; )session=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "";

/** Lets a request pass whose session is valid. Each request asks, so a session that has ended does nothing any more. */
async function requireLogin(request, response, next) {
  const session = sessionOf(request);
  const token = sessions.get(session);
  const account = token && (await accountOf(token));
  if (!account) {
    sessions.delete(session);
    return response.status(401).json({ problem: "Log in first." });
  }
  Object.assign(request, { session, token, account });
  next();
}

/** Begins a session under a new id, so that no id from before the login is valid after it. */
function begin(request, response, token) {
  sessions.delete(sessionOf(request));
  const session = randomBytes(32).toString("base64url");
  sessions.set(session, token);
  // Over https, add secure: true.
  response.cookie("session", session, { httpOnly: true, sameSite: "lax" });
}

function end(request, response) {
  cache.delete(digest(request.token));
  sessions.delete(request.session);
  response.clearCookie("session");
}

app.post("/signup", async (request, response) => {
  await accounts.requestAccount(field(request, "email"), request.ip);
  response.json({ message: "Look into your mailbox." });
});

app.post("/welcome", async (request, response) => {
  const id = await accounts.confirmAccount(field(request, "token"), field(request, "password"), request.ip);
  response.json({ id, message: "Log in now." });
});

app.post("/login", async (request, response) => {
  const { token, problem } = await accounts.loginForm(field(request, "email"), field(request, "password"), request.ip);
  if (problem) return response.status(401).json({ problem });
  begin(request, response, token);
  response.json({ message: "Welcome back." });
});

app.get("/me", requireLogin, (request, response) => {
  response.json({ id: request.account.id, email: request.account.email });
});

app.post("/password", requireLogin, async (request, response) => {
  const [current, password] = [field(request, "current_password"), field(request, "password")];
  const token = await accounts.changePassword(request.token, current, password, request.ip);
  cache.delete(digest(request.token));
  begin(request, response, token);
  response.json({ message: "The password was changed." });
});

app.post("/email", requireLogin, async (request, response) => {
  await accounts.requestAddress(request.token, field(request, "password"), field(request, "email"), request.ip);
  response.json({ message: "Look into your new mailbox." });
});

app.post("/email/confirm", async (request, response) => {
  await accounts.confirmAddress(field(request, "token"), request.ip);
  response.json({ message: "The address was changed." });
});

app.post("/email/revert", async (request, response) => {
  await accounts.revertAddress(field(request, "token"), request.ip);
  response.json({ message: "The address was restored. Look into your mailbox." });
});

/** Ends the session on this device: its token is discarded. */
app.post("/logout", requireLogin, (request, response) => {
  end(request, response);
  response.json({ message: "Goodbye." });
});

app.post("/logout/everywhere", requireLogin, async (request, response) => {
  await accounts.logOutEverywhere(request.token, request.ip);
  end(request, response);
  response.json({ message: "Goodbye." });
});

app.post("/forgot", async (request, response) => {
  await accounts.forgot(field(request, "email"), request.ip).catch((error) => {
    if (error.code !== "email_does_not_exist") throw error;
  });
  response.json({ message: "If there is an account with this address, a mail is on its way." });
});

app.post("/reset", async (request, response) => {
  await accounts.reset(field(request, "token"), field(request, "password"), request.ip);
  response.json({ message: "Log in now." });
});

app.post("/delete", requireLogin, async (request, response) => {
  await accounts.deleteAccount(request.token, field(request, "password"), request.ip);
  // Delete here what your application stores under the id of the account.
  end(request, response);
  response.json({ message: "Your account was deleted." });
});

app.use((error, _request, response, _next) => {
  const isRefused = error instanceof accounts.AccountError && error.status < 500;
  if (error.retryAfter && (error.status === 429 || !isRefused)) response.set("Retry-After", String(error.retryAfter));
  if (isRefused) return response.status(error.status).json({ problem: error.problem, code: error.code });
  if (error.status === 400) return response.status(400).json({ problem: "This is not JSON." });
  console.error(error);
  response.status(503).json({ problem: "This does not work at the moment. Try again in a minute." });
});

const server = app.listen(Number(process.env.PORT ?? 5000), "127.0.0.1", () => {
  console.log(`listens on http://127.0.0.1:${server.address().port}`);
});
