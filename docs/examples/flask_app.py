"""A Flask application whose accounts are in movie-bag: from the sign-up to the deletion of an account.

It needs Flask and accounts.py, the code in docs/integrate.md. Start movie-bag with these settings:

    MOVIE_BAG_SIGNUP = verified
    MOVIE_BAG_TRUSTED_PROXIES = 127.0.0.1/32
    MOVIE_BAG_RESET_URL = http://localhost:5000/reset?token={token}

Run it with: python flask_app.py
"""

import hashlib
import os
import secrets
import time
from collections import OrderedDict

from flask import Flask, g, jsonify, request
from werkzeug.serving import make_server

import accounts
from accounts import AccountError

app = Flask(__name__)


class Cache:
    """Accounts of the tokens that were checked in the last seconds.

    A session that has ended is noticed after TTL at the latest, so keep it short. Only valid tokens are kept, and
    only their digests: whoever reads the memory of this process learns no token from it.
    """

    TTL = float(os.environ.get("CACHE_SECONDS", "10"))
    SIZE = 10_000

    def __init__(self):
        self.entries = OrderedDict()

    @staticmethod
    def key(token):
        return hashlib.sha256(token.encode()).digest()

    def account_of(self, token):
        key, now = self.key(token), time.monotonic()
        until, account = self.entries.get(key, (0, None))
        if now < until:
            return account
        account = accounts.account_of(token)
        self.forget(token)
        if account:
            self.entries[key] = (now + self.TTL, account)
            if len(self.entries) > self.SIZE:
                self.entries.popitem(last=False)
        return account

    def forget(self, token):
        self.entries.pop(self.key(token), None)


cache = Cache()
# Access tokens by session id. They stay on the server: the browser has only the id. Use the store of your application.
sessions = {}


def client():
    """Address of the person's computer. Behind a proxy of your own, use werkzeug's ProxyFix."""
    return request.remote_addr


def field(name):
    value = (request.get_json(silent=True) or {}).get(name)
    return value if isinstance(value, str) else ""


def current():
    """Returns the account of the session, or None. Each handler asks, so a session that has ended does nothing any more."""
    if "account" not in g:
        g.session = request.cookies.get("session", "")
        g.token = sessions.get(g.session)
        g.account = cache.account_of(g.token) if g.token else None
        if g.token and not g.account:
            del sessions[g.session]
    return g.account


def begin(response, token):
    """Begins a session under a new id, so that no id from before the login is valid after it."""
    sessions.pop(request.cookies.get("session", ""), None)
    session = secrets.token_urlsafe(32)
    sessions[session] = token
    # Over https, add secure=True.
    response.set_cookie("session", session, httponly=True, samesite="Lax")
    return response


def end(response):
    cache.forget(g.token)
    sessions.pop(g.session, None)
    response.delete_cookie("session")
    return response


@app.errorhandler(AccountError)
def show_error(error):
    if error.status >= 500:
        app.logger.error("%s", error)
        response = jsonify(problem="This does not work at the moment. Try again in a minute.")
        response.status = 503
    else:
        response = jsonify(problem=error.message, code=error.code)
        response.status = error.status
    if error.status in (429, 503):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


@app.errorhandler(OSError)
def show_unreachable(error):
    app.logger.error("movie-bag cannot be reached: %s", error)
    return jsonify(problem="This does not work at the moment. Try again in a minute."), 503


@app.before_request
def require_login():
    is_open = request.endpoint in ("sign_up", "welcome", "log_in", "forgot", "reset", "confirm_email", "revert_email")
    if not is_open and not current():
        return jsonify(problem="Log in first."), 401


@app.post("/signup")
def sign_up():
    accounts.request_account(field("email"), client())
    return jsonify(message="Look into your mailbox.")


@app.post("/welcome")
def welcome():
    account = accounts.confirm_account(field("token"), field("password"), client())
    return jsonify(id=account, message="Log in now.")


@app.post("/login")
def log_in():
    token, problem = accounts.login_form(field("email"), field("password"), client())
    if problem:
        return jsonify(problem=problem), 401
    return begin(jsonify(message="Welcome back."), token)


@app.get("/me")
def me():
    return jsonify(id=current()["id"], email=current()["email"])


@app.post("/password")
def change_password():
    token = accounts.change_password(g.token, field("current_password"), field("password"), client())
    cache.forget(g.token)
    return begin(jsonify(message="The password was changed."), token)


@app.post("/email")
def change_email():
    accounts.request_address(g.token, field("password"), field("email"), client())
    return jsonify(message="Look into your new mailbox.")


@app.post("/email/confirm")
def confirm_email():
    accounts.confirm_address(field("token"), client())
    return jsonify(message="The address was changed.")


@app.post("/email/revert")
def revert_email():
    accounts.revert_address(field("token"), client())
    return jsonify(message="The address was restored. Look into your mailbox.")


@app.post("/logout")
def log_out():
    """Ends the session on this device: its token is discarded."""
    return end(jsonify(message="Goodbye."))


@app.post("/logout/everywhere")
def log_out_everywhere():
    accounts.log_out_everywhere(g.token, client())
    return end(jsonify(message="Goodbye."))


@app.post("/forgot")
def forgot():
    try:
        accounts.forgot(field("email"), client())
    except AccountError as error:
        if error.code != "email_does_not_exist":
            raise
    return jsonify(message="If there is an account with this address, a mail is on its way.")


@app.post("/reset")
def reset():
    accounts.reset(field("token"), field("password"), client())
    return jsonify(message="Log in now.")


@app.post("/delete")
def delete():
    accounts.delete_account(g.token, field("password"), client())
    # Delete here what your application stores under the id of the account.
    return end(jsonify(message="Your account was deleted."))


if __name__ == "__main__":
    server = make_server("127.0.0.1", int(os.environ.get("PORT", "5000")), app, threaded=True)
    print(f"listens on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
