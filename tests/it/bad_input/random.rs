//! Five thousand requests of random method, path and body, over persistent connections.
//!
//! Each failure shows the seed of its run. `MOVIE_BAG_TEST_SEED` repeats a run, `MOVIE_BAG_TEST_REQUESTS` makes it longer.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use movie_bag_testkit::{Connection, Home, PASSWORD};
use serde_json::{Value, json};

use super::{ANN, with_account};

const CALLER: &str = "caller@example.com";
const METHODS: &[&str] = &[
    "GET",
    "GET",
    "POST",
    "POST",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "get",
    "PROPFIND",
    "M-SEARCH",
    "A!#$%&'*+-.^_`|~9",
];
const PATHS: &[&str] = &[
    "/api/auth/signup",
    "/api/auth/login",
    "/api/auth/forgot",
    "/api/auth/reset",
    "/api/account",
    "/api/account/password",
    "/api/account/email",
    "/api/auth/confirm-signup",
    "/api/auth/confirm-email",
    "/api/auth/revert-email",
    "/signup",
    "/confirm-signup/abc.def.ghi",
    "/confirm-email/abc.def.ghi",
    "/revert-email/abc.def.ghi",
    "/api/movies",
    "/api/movies/",
    "/api/movies/000000000000000000000000",
    "/healthz",
    "/readyz",
    "/forgot",
    "/reset",
    "/reset/",
    "/reset/abc.def.ghi",
    "/assets/style.css",
    "/",
    "*",
    "//",
    "/api",
    "/api/auth/forgot/",
    "http://evil.example/forgot",
    "/assets/../etc/passwd",
];
const TYPES: &[&str] = &[
    "application/json",
    "application/json",
    "application/json",
    "application/json; charset=utf-8",
    "application/json; charset=utf-16",
    "APPLICATION/JSON",
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded",
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/cbor",
    "",
    ";",
    "/",
    "application/json, text/plain",
];
const FIELDS: &[&str] = &[
    "email",
    "password",
    "current_password",
    "reset_token",
    "name",
    "casts",
    "genres",
    "id",
    "_id",
    "added_by",
    "limit",
    "after",
    "__proto__",
    "$where",
    "",
    "é",
    "\u{0}",
];
const TEXTS: &[&str] = &[
    ANN,
    PASSWORD,
    "bob@example.com",
    "short",
    "",
    " ",
    "\u{0}",
    "\r\nBcc: x@y",
    "' OR 1=1 --",
    "{\"$gt\":\"\"}",
    "../../etc/passwd",
    "%00",
    "é",
    "\u{202e}",
    "😀",
    "🇩🇪🇩🇪🇩🇪🇩🇪",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "<script>",
    "null",
    "000000000000000000000001",
    "abc.def.ghi",
];

/// A reproducible random generator (xorshift64*, Vigna 2016).
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, sides: usize) -> usize {
        (self.next() % sides as u64) as usize
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1))
            .map(|_| self.next() as u8)
            .collect()
    }

    fn text(&mut self) -> String {
        match self.below(8) {
            0 => self.pick(TEXTS).repeat(1 + self.below(40)),
            1 => String::from_utf8_lossy(&self.bytes(30)).into_owned(),
            _ => self.pick(TEXTS).to_owned(),
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 7 } else { 10 }) {
            0 => json!(null),
            1 => json!(self.one_in(2)),
            2 => json!(self.next() as i64 - (1 << 40)),
            3 => json!(self.next() as f64 * 1e290),
            4..=6 => json!(self.text()),
            7 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => self.object(depth - 1),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        let fields = (0..self.below(5)).map(|_| {
            let name = self.pick(FIELDS).to_owned();
            // Most fields are strings, since a value of another type is refused at once in most fields.
            let value = if self.one_in(3) {
                self.value(depth)
            } else {
                json!(self.text())
            };
            (name, value)
        });
        Value::Object(fields.collect())
    }

    /// Returns a body that one of the endpoints would accept, with at most one random field.
    fn almost_valid_body(&mut self) -> Value {
        let mut body = match self.below(5) {
            0 => json!({"email": self.text(), "password": PASSWORD}),
            1 => json!({"email": ANN}),
            2 => json!({"reset_token": self.text(), "password": PASSWORD}),
            // Not the current password, so that the session remains.
            3 => json!({"current_password": "a wrong password", "password": PASSWORD}),
            _ => json!({"name": self.text(), "casts": [self.text()], "genres": ["b"]}),
        };
        if self.one_in(2) {
            let field = self.pick(FIELDS);
            body[field] = self.value(2);
        }
        body
    }

    fn form(&mut self) -> String {
        let pairs = (0..self.below(4)).map(|_| {
            let (name, sign) = (self.pick(FIELDS), self.pick(&["=", "=", "=", "", "=="]));
            let text = self.text().replace([' ', '\r', '\n', '\0'], "+");
            format!("{name}{sign}{text}")
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    fn body(&mut self) -> Vec<u8> {
        match self.below(10) {
            0 => vec![],
            1 => self.bytes(200),
            2 => {
                let mut text = self.object(3).to_string().into_bytes();
                let end = self.below(text.len() + 1);
                text.truncate(end);
                text
            }
            3 => self
                .pick(&["[", "{\"a\":", "\"", "\\"])
                .repeat(self.below(3000))
                .into_bytes(),
            4 | 5 => self.form().into_bytes(),
            6 => self.value(3).to_string().into_bytes(),
            7 => self.object(3).to_string().into_bytes(),
            _ => self.almost_valid_body().to_string().into_bytes(),
        }
    }

    fn target(&mut self) -> String {
        let mut path = self.pick(PATHS).to_owned();
        if self.one_in(3) {
            path.push_str(self.pick(&[
                "/", "%00", "%ff", "%", ";x", "/../", "é", "'", "\\", "{id}", "zz",
            ]));
        }
        if self.one_in(4) {
            let query = self.form().replace('#', "");
            path = format!("{path}?{query}");
        }
        path
    }

    /// Returns a request whose end a server can determine for any content.
    fn request(&mut self, access_token: &str) -> (&'static str, Vec<u8>) {
        let method = self.pick(METHODS);
        let mut request =
            format!("{method} {} HTTP/1.1\r\nHost: x\r\n", self.target()).into_bytes();
        let mut header = |name: &str, value: &[u8]| {
            request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        };
        if !self.one_in(8) {
            header("Content-Type", self.pick(TYPES).as_bytes());
        }
        match self.below(4) {
            0 => header("Authorization", format!("Bearer {access_token}").as_bytes()),
            1 => {
                let mut value = self.bytes(20);
                value.retain(|byte| *byte >= b' ' && *byte != 0x7f);
                header("Authorization", &value);
            }
            _ => {}
        }
        if self.one_in(4) {
            let name = self.pick(&[
                "Accept",
                "Accept-Encoding",
                "X-Forwarded-For",
                "X-Request-Id",
                "Forwarded",
                "Origin",
                "Cookie",
                "If-None-Match",
                "Range",
                "X-HTTP-Method-Override",
                "Upgrade",
                "Expect",
            ]);
            let value = self.pick(&[
                "",
                "*/*;q=x",
                "1.2.3.4, evil",
                "100-continue",
                "websocket",
                "PUT",
                "bytes=0-,9-1",
                "\t\t",
            ]);
            header(name, value.as_bytes());
        }
        let body = self.body();
        if self.one_in(4) {
            header("Transfer-Encoding", b"chunked");
            request.extend_from_slice(b"\r\n");
            let size = 1 + self.below(300);
            for chunk in body.chunks(size) {
                request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                request.extend_from_slice(chunk);
                request.extend_from_slice(b"\r\n");
            }
            request.extend_from_slice(b"0\r\n\r\n");
        } else {
            if !(body.is_empty() && self.one_in(2)) {
                header("Content-Length", body.len().to_string().as_bytes());
            }
            request.extend_from_slice(b"\r\n");
            request.extend_from_slice(&body);
        }
        (method, request)
    }
}

fn number(key: &str) -> Option<u64> {
    std::env::var(key).ok().map(|text| text.parse().unwrap())
}

pub fn five_thousand_random_requests_get_no_5xx_and_keep_their_connections(home: Home) {
    let seed =
        number("MOVIE_BAG_TEST_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let requests = number("MOVIE_BAG_TEST_REQUESTS").unwrap_or(5_000);
    let mut random = Generator(seed | 1);
    let server = with_account(&home);
    // Of another account: a random request that guesses the password would end the session or delete the account.
    server.sign_up(CALLER, PASSWORD);
    let token = server.access_token(CALLER, PASSWORD);
    let mut connection = Connection::to(&server);
    let (mut ended, mut successful) = (0, 0);
    for number in 0..requests {
        let (method, request) = random.request(&token);
        let context = || {
            let request = String::from_utf8_lossy(&request[..request.len().min(2000)]);
            format!("MOVIE_BAG_TEST_SEED={seed}, request {number}:\n{request}")
        };
        let answer = connection.exchange(&request, method == "HEAD");
        let answer = answer.unwrap_or_else(|error| panic!("no answer: {error}\n{}", context()));
        assert!(
            (200..500).contains(&answer.status),
            "{answer:?}\n{}",
            context()
        );
        let is_json = answer.head.contains("\r\ncontent-type: application/json");
        if is_json && method != "HEAD" {
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            assert!(
                answer.status < 400
                    || (body["status"] == answer.status && body["code"].is_string()),
                "{body}\n{}",
                context()
            );
        }
        successful += usize::from(answer.status < 300);
        if answer.ends_the_connection() {
            // Only invalid HTTP ends a connection, since the start of the next request is unknown then.
            let is_unreadable = answer.status == 400
                && (method == "HEAD"
                    || String::from_utf8_lossy(&answer.body).contains("is not valid HTTP"));
            assert!(
                is_unreadable || method == "CONNECT",
                "{answer:?}\n{}",
                context()
            );
            connection = Connection::to(&server);
            ended += 1;
        }
    }
    // Otherwise too few requests would have passed the first checks.
    assert!(
        successful as u64 > requests / 50 && ended < requests / 4,
        "{successful} were successful, {ended} connections ended"
    );
    server.access_token(ANN, PASSWORD);
    server.get("/readyz").is(200);
}
