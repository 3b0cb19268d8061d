//! Security promises as tests: each promise has a number and the attacks that try to break it, from outside and on every
//! database.
//!
//! `security::sqlite::t4` tests promise T4 on SQLite. The promises of the debugging SMTP sink, which has no database, are tested
//! once: `security::sink::d1`. After all of them, the results are compared with the last section of `docs/security.md`;
//! `BLESS=1 cargo test security` writes that section. The threat model before it is written by hand.

mod address;
mod disabling;
mod enumeration;
mod half_open;
mod identity;
mod limits;
mod link;
mod mail;
mod own_account;
mod passwords;
mod sign_up;
mod state;
mod terminal;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use movie_bag_testkit::{Answer, Home, Server, wait_for};

use crate::sink::{deletion, memory, smtp_port};
use crate::workspace::has_item;
use crate::{
    bad_input, databases, hostile_text, outbox, password_reset, settings, supervision,
    terminal as commands, web_inbox,
};

struct Promise {
    number: &'static str,
    what: &'static str,
    attacks: &'static [Attack],
    /// Unit tests and benchmarks of the same promise.
    nearer: &'static [&'static str],
}

/// Name and function of a test that tries to break a promise.
type Attack = (&'static str, fn(Home));

/// The sections of the list, by the first letter of the numbers.
const SECTIONS: &[(&str, &str)] = &[
    ("t", "Token"),
    ("e", "Enumeration, with accounts concealed"),
    ("v", "Verified sign-up"),
    ("l", "Link"),
    ("r", "Limits"),
    ("p", "Passwords"),
    ("i", "Identity and input"),
    ("o", "Own account"),
    ("s", "State"),
    ("m", "Mail"),
    ("c", "Terminal"),
    ("a", "Availability"),
    ("d", "Debugging SMTP sink"),
];

/// Promises of the sink, which are tested once, without a database.
macro_rules! sink_promises {
    ($($number:ident: $what:literal [$($attack:path),+ $(,)?] $([$($nearer:literal),+])?;)*) => {
        const SINK_PROMISES: &[Promise] = &[$(Promise {
            number: stringify!($number),
            what: $what,
            attacks: &[$((stringify!($attack), $attack)),+],
            nearer: &[$($($nearer),+)?],
        }),*];

        mod sink {
            $(#[test] fn $number() { super::attack(stringify!($number), super::Database::None); })*
        }
    };
}

macro_rules! promises {
    ($($number:ident: $what:literal [$($attack:path),+ $(,)?] $([$($nearer:literal),+])?;)+) => {
        const PROMISES: &[Promise] = &[$(Promise {
            number: stringify!($number),
            what: $what,
            attacks: &[$((stringify!($attack), $attack)),+],
            nearer: &[$($($nearer),+)?],
        }),+];

        mod sqlite {
            $(#[test] fn $number() { super::attack(stringify!($number), super::Database::Sqlite); })+
        }
        mod mongodb {
            $(#[test] fn $number() { super::attack(stringify!($number), super::Database::Mongodb); })+
        }
    };
}

promises! {
    t1: "A reset token has a `jti` of 128 random bits, names its purpose, is bound to the credential, has at most 270 characters, and contains no address or hash in plaintext"
        [token::a_reset_token_is_random_and_reveals_nothing];
    t2: "Nothing in the database, the outbox, the log at any level, a metric or the process list can be redeemed"
        [token::nothing_stored_or_logged_can_be_redeemed];
    t3: "A reset token works once; a second use fails, also with the same password"
        [token::a_reset_token_works_once];
    t4: "Of 50 redemptions at the same time, over two servers and a command, one succeeds, and one confirmation is sent"
        [token::one_of_fifty_concurrent_redemptions_succeeds]
        ["`mongodb::of_fifty_resets_at_once_over_two_servers_and_the_terminal_one_succeeds` (without transactions)"];
    t5: "A reset token expires exactly at its limit; the answer distinguishes expired from invalid only for an authentic token"
        [token::a_reset_token_expires_at_its_second];
    t6: "Any change of the password or the address, by reset, command or `user import --update`, ends every reset token of the account, and the reset mails that are still queued"
        [token::a_changed_account_ends_reset_tokens_and_queued_mails, password_reset::a_reset_ends_earlier_sessions_and_reset_links];
    t7: "An access token resets no password (403); a reset token gives no access to the API (401 with `WWW-Authenticate`)"
        [password_reset::a_token_is_valid_only_for_its_purpose];
    t8: "A reset token changes only its own account, whatever else the body names; unknown fields are refused"
        [token::a_reset_token_changes_only_its_account];
    t9: "Only HS256 is accepted: `none`, other algorithms, `kid`, `jwk`, `jku`, truncated, padded, re-cased, extra dots all get one and the same refusal. A page only tells whether a link has the form of a reset link, which needs no secret"
        [token::every_forged_token_gets_the_same_refusal, token::a_page_reveals_only_whether_a_link_is_well_formed] ["`movie_bag_core::app::token_keys::tests::fuzz`"];
    t10: "null, \"\", 0, true, [], {}, {\"$gt\":\"\"} and 1 MB as a token get a 4xx, and nothing changes"
        [token::invalid_token_values_change_nothing, bad_input::a_wrong_type_in_any_field_is_a_400_that_names_the_field];
    t11: "Weak or published secrets are refused in production, files have mode 0600, and two secrets may be active during a rotation"
        [
            token::a_secret_can_be_rotated,
            settings::production_refuses_guessable_current_and_previous_secrets,
            settings::stored_files_are_readable_only_by_their_owner,
        ];

    e1: "`forgot` gives the same answer for known and unknown addresses, also when limited: the same status, body and `Retry-After`"
        [enumeration::forgot_answers_known_and_unknown_addresses_alike];
    e2: "The time of `forgot` does not distinguish known from unknown addresses, also while the mail server hangs: an unknown address costs an equal durable write"
        [enumeration::forgot_does_equal_work] ["`cargo bench --bench security -- concealment`"];
    e3: "`login` does not distinguish an unknown address from a wrong password by bytes or time, whatever the cost of the stored hash, and also with a password that cannot be hashed"
        [enumeration::login_answers_known_and_unknown_addresses_alike, enumeration::login_does_equal_work] ["`cargo bench --bench security -- concealment`", "`movie_bag_core::app::hasher::tests`"];

    v1: "Verified sign-up gives the same answer for free and taken addresses, with the same work, on the API and the page; the mailbox alone learns which it is"
        [sign_up::sign_up_does_not_reveal_who_has_an_account] ["`cargo bench --bench security -- concealment`"];
    v2: "Before its confirmation a sign-up creates no account and no password, and reserves no address: no one can prepare an account for the address of another (pre-hijacking)"
        [sign_up::a_sign_up_creates_nothing_before_its_confirmation];
    v3: "GET, HEAD and OPTIONS of a confirmation link create nothing, and a refused password leaves it usable"
        [sign_up::a_confirmation_link_that_a_scanner_opens_creates_nothing];
    v4: "A confirmation starts no session, names no account and opens nothing else, so that a link cannot put its reader into the account of another (session fixation)"
        [sign_up::a_confirmation_logs_nobody_in];
    v5: "Of 50 confirmations at the same time over two servers, also of two sign-ups for one address, one creates the account; beside `user create` there is one account too"
        [sign_up::one_of_fifty_confirmations_creates_the_account, sign_up::a_confirmation_beside_user_create_makes_one_account]
        ["`movie_bag_store::contract`"];
    v6: "Pending sign-ups are bounded, with the same refusal for every address, and survive kill -9 and a restart"
        [sign_up::pending_sign_ups_are_bounded_and_survive_a_restart];
    v7: "Kill -9 during confirmations leaves a whole account or none, and then a link that still works"
        [sign_up::a_confirmation_is_atomic_when_the_server_is_killed];

    l1: "Scheme, host and path of the link come from the settings; nothing in a request changes them"
        [password_reset::the_request_does_not_choose_the_link];
    l2: "No redirect or callback from a request reaches a mail or a `Location` header"
        [link::no_request_redirects_to_another_site];
    l3: "GET and HEAD of the link, however often, consume nothing"
        [password_reset::opening_the_link_changes_nothing];
    l4: "Pages send `Referrer-Policy: no-referrer` and `Cache-Control: no-store`; the access log shows the route, not the token"
        [link::pages_and_the_log_do_not_leak_the_token];
    l5: "The link is whole on one line in both parts, after any transfer encoding"
        [password_reset::the_link_is_on_one_line_of_both_parts_of_the_sent_mail];

    r1: "A flood of requests for one address sends few mails, and changes nothing else"
        [limits::a_flood_sends_few_mails];
    r2: "Limits hold across servers and restarts; a forged `X-Forwarded-For` or an extra field starts no new count"
        [limits::rate_limits_hold_across_servers_and_restarts, limits::a_forged_client_address_starts_no_new_count];
    r3: "Guessing a password is slowed down per account, and the account is never locked for good; the right password works after the delay; a reset ends the delay"
        [limits::guessing_passwords_is_delayed_and_never_locks_the_account] ["`movie_bag_core::domain::limit::tests`"];
    r4: "While passwords are hashed on every core, other calls answer; the queue is bounded and refuses with 503"
        [limits::other_requests_are_answered_during_a_flood_of_hashing] ["`cargo bench --bench security -- flood`"];
    r5: "A flood of failed logins leaves one line a day in the history of the account, and displaces no other line"
        [limits::failed_logins_leave_one_line_a_day] ["`movie_bag_store::contract` (counted lines)"];

    p1: "One password policy applies to sign-up, reset, `user create`, `user set-password` and `user import`; older passwords remain valid at login"
        [passwords::one_policy_applies_wherever_a_password_is_set, passwords::older_passwords_remain_valid];
    p2: "The minimum is counted in code points; at least 64 characters are accepted; over 72 bytes is refused, never cut; NUL is refused"
        [bad_input::a_password_of_more_than_72_bytes_is_refused_wherever_it_is_set, passwords::the_minimum_length_is_counted_in_characters];
    p3: "Common passwords, the service's name and the address are refused; there are no composition rules; any script is accepted; NFC and NFD are equal"
        [passwords::guessable_passwords_are_refused_and_all_others_accepted];
    p4: "A refused password leaves the token usable"
        [password_reset::a_refused_password_leaves_the_token_usable];

    i1: "Mail goes to the stored address: dotless i, full-width letters and capitals cannot redirect it"
        [identity::mail_goes_to_the_stored_address];
    i2: "One account per canonical address, decided by the database, also under a race of 20 sign-ups"
        [bad_input::concurrent_sign_ups_for_one_address_create_one_account];
    i3: "`email` is one string with one mailbox; no header is injected; typed text is escaped in HTML and harmless in text"
        [identity::an_address_is_one_mailbox] ["`movie_bag_core::domain::email_address::tests::fuzz`", "`templates::typed_text_is_escaped_in_mails_and_never_executed`"];
    i4: "No operator or SQL injection through any field"
        [identity::no_field_is_a_query];
    i5: "Sign-up cannot set an id, replace an account or read one"
        [identity::a_sign_up_creates_only_its_own_account];
    i6: "No malformed input gets a 5xx: 5,000 random methods, types and shapes"
        [bad_input::random::five_thousand_random_requests_get_no_5xx_and_keep_their_connections] ["`openapi::the_openapi_document_is_true`"];

    o1: "A stolen access token neither changes the password nor deletes the account: both take the current password, and a wrong one is answered and counted like a failed login"
        [own_account::a_session_without_the_password_changes_nothing];
    o2: "Guessing the current password by these calls is delayed together with logins, and ends no session"
        [own_account::guessing_the_current_password_is_delayed]
        ["`movie_bag_core::domain::limit::tests`"];
    o3: "A change of the password ends every other session and every reset token, on every server, and the owner is notified; of 20 changes at once, and of a change and a reset at once, one succeeds; few such mails are sent to one address"
        [
            own_account::a_changed_password_ends_sessions_and_reset_links_on_every_server,
            own_account::of_twenty_changes_at_once_one_succeeds,
            own_account::a_change_and_a_reset_at_once_do_not_both_succeed,
            own_account::repeated_changes_send_few_mails,
        ];
    o4: "A logout ends all sessions on every server. A deletion leaves no movie, no mail and no line of history; of ten at once one succeeds, and afterwards the access token gives access to nothing"
        [own_account::a_logout_ends_all_sessions_on_every_server, own_account::of_ten_deletions_at_once_one_succeeds_and_nothing_is_left];
    o5: "These calls concern only the account of their access token, whatever the body names; any other token gets 401, and nothing changes"
        [own_account::a_token_concerns_only_its_own_account, own_account::other_tokens_are_refused_by_every_call];
    o6: "An address changes only by a session, the password and a link in the new mailbox, which works once and for nothing else; opening the link changes nothing"
        [address::an_address_changes_only_when_the_new_one_confirms_it];
    o7: "A request for a change gives the same answer for free and taken addresses; only the mailbox learns which it is"
        [address::a_change_of_the_address_does_not_reveal_who_has_an_account];
    o8: "A change of the password ends the requested change of the address"
        [address::a_change_of_the_address_dies_with_the_password];
    o9: "After a take-over, the link in the old mailbox restores the address, also after changes of the password and further changes of the address; it ends all sessions, the password and the thief's links, and works once"
        [
            address::the_owner_takes_the_account_back_by_the_link_in_the_old_mailbox,
            address::a_thief_cannot_end_the_owners_link_by_reverting_a_change_of_his_own,
        ];
    o10: "Of 20 confirmations, and of 20 reversals, at the same time over two servers one succeeds"
        [address::one_of_twenty_confirmations_of_an_address_succeeds];
    o11: "Kill -9 during a confirmation leaves one address, and a link that still works unless it was used"
        [address::an_address_is_whole_when_the_server_is_killed];

    s1: "A reset ends every earlier access token, on every server, at the next request"
        [state::a_reset_ends_sessions_on_every_server];
    s2: "After kill -9 at random points of 200 resets, password, confirmation and history are all stored or none; no plaintext password is on disk"
        [state::a_reset_is_atomic_when_the_server_is_killed];
    s3: "A reset does not log in"
        [state::a_reset_does_not_log_in];
    s4: "The confirmation names the UTC time and the source, and what to do if the owner did not make the change"
        [state::the_confirmation_states_time_source_and_what_to_do];
    s5: "`user revoke` ends every earlier access token, on every server, at the next request, however quickly revocations follow one another and whatever the clocks say"
        [state::a_revocation_ends_every_earlier_session] ["`movie_bag_store::contract` (ids of one second, descending, and from the far future; many at once)", "`movie_bag_store::mongo::tests::steps`"];
    s6: "Nothing of an account outlives its deletion: no mail, no line of history, also if requests for it race with the deletion"
        [state::a_deleted_account_leaves_no_mail_and_no_history] ["`movie_bag_store::contract` (races)", "`movie_bag_store::mongo::tests::races`"];
    s7: "`user disable` ends every access token, reset link, invitation and queued mail of an account, on every server, at the next request, also if logins, resets and reset requests race with it; `user enable` revives none"
        [
            disabling::a_disabling_ends_sessions_and_links_on_every_server_for_good,
            disabling::mails_of_a_disabled_account_are_void,
            disabling::a_disabling_wins_every_race,
        ]
        ["`movie_bag_store::contract` (races)", "`movie_bag_store::mongo::tests::steps`", "`movie_bag_core::app::token_keys::tests`"];
    s8: "Over HTTP, a disabled account does not differ from others: a login with its password does the work and gets the answer of a wrong password, `forgot` those of an unknown address, and the same limits count"
        [
            enumeration::forgot_answers_known_and_unknown_addresses_alike,
            enumeration::login_answers_known_and_unknown_addresses_alike,
            enumeration::login_does_equal_work,
            enumeration::forgot_does_equal_work,
        ];

    m1: "An acknowledged mail survives kill -9, a restart and a mail outage; once its token can no longer be used it is dead and visible, never silently deleted"
        [
            outbox::acknowledged_mails_arrive_after_repeated_kills_of_the_server,
            outbox::mails_queued_under_load_during_an_outage_all_arrive,
            password_reset::a_mail_outage_loses_no_mail,
            mail::a_mail_with_an_invalidated_link_is_dead_and_visible,
        ];
    m2: "A mail held by a worker that dies is sent by another; two servers do not send one mail twice; a repeat has the same Message-ID"
        [
            mail::a_mail_leased_by_a_dead_server_is_sent_by_another,
            outbox::two_servers_send_each_mail_once,
            outbox::every_failure_of_a_mail_server_is_recorded_and_retried,
        ];
    m3: "STARTTLS is required if it is set: no fallback to plaintext, and certificates are verified"
        [mail::no_mail_is_sent_without_the_required_encryption] ["`movie_bag_mail::smtp::tests::encryption`"];
    m4: "Custom templates are compiled and rendered at start; a broken one stops the start with its name and line"
        [settings::a_broken_template_stops_every_command_with_its_name_and_line];

    c1: "The commands have the same outcomes as the API, each with its exit code"
        [commands::each_outcome_has_its_exit_code, password_reset::a_forgotten_password_is_reset_on_the_terminal_while_a_server_runs];
    c2: "No password or token is in an argument that `ps` would show, unless the user put it there; typed passwords are not echoed"
        [terminal::secrets_need_not_be_arguments, commands::prompts::a_password_is_prompted_for_twice_and_never_echoed];
    c3: "`forgot --print-link` works while mail is down and is in the history; the confirmation of the reset notifies the owner"
        [terminal::a_printed_link_is_in_the_history];
    c4: "`/metrics` is off unless it has its own address; `check --deploy` reports that open sign-up reveals addresses"
        [terminal::revealing_settings_are_off_or_reported, terminal::metrics_contain_no_personal_data]
        ["`metrics::metrics_are_served_only_at_the_configured_address`"];
    c5: "A command that only reads never creates a database: if there is none, it exits with 7 and names the place and the setting"
        [databases::reading_creates_no_database];

    a1: "2,000 clients that never complete a request, in its head or its body, do not stop the API and the pages, even with a limit of 512 open files"
        [half_open::half_open_requests_do_not_stop_the_api]
        ["`movie_bag_smtp_sink::net::slots::tests`", "`movie_bag_http::tests::wire::a_connection_that_waits_for_its_client_gives_way_to_a_new_one`"];
    a2: "A task of `serve` that ends or panics is logged with its cause and restarted, `/readyz` is 503 with its name meanwhile, no mail is lost or sent twice, and repeated failure ends the process"
        [
            supervision::a_task_that_dies_is_reported_and_restarted,
            supervision::a_worker_that_dies_holding_leases_loses_no_mail_and_sends_none_twice,
            supervision::a_worker_that_dies_while_a_mail_is_sent_does_not_send_it_again,
            supervision::a_task_that_keeps_dying_ends_the_process,
        ]
        ["`movie_bag_core::supervisor::tests`"];
}

sink_promises! {
    d1: "A web page cannot write a message through the SMTP port, and no command runs for its request"
        [smtp_port::a_web_page_stores_no_message, smtp_port::no_http_request_stores_a_message]
        ["`movie_bag_smtp_sink::session::machine::tests`"];
    d2: "A page of another site reads nothing of the inbox and changes nothing in it: not by a link, a form, a frame, a download, or by loading in advance"
        [
            web_inbox::hostile::windows_and_prefetches_of_another_site_read_and_change_nothing,
            web_inbox::hostile::forms_and_frames_of_another_site_have_no_effect,
        ]
        ["`web_inbox::hostile`", "`movie_bag_smtp_sink::web_port::access_control::tests`"];
    d3: "The HTML of a mail and its attachments open no connection to another server, however they are opened"
        [web_inbox::documents::hostile_documents_open_no_connection]
        ["`web_inbox::hostile`", "`movie_bag_smtp_sink::html::rewriting::tests`", "`movie_bag_smtp_sink::web_port::api::part::tests`"];
    d4: "`--max-memory` limits everything that the sink holds, with 64 MiB more for the program and the answers being sent: under lists of whole messages, websocket clients that never read, a slow `--exec`, a blocked standard output, long names, many large messages at once, and deleted messages that can be restored"
        [
            memory::lists_of_whole_messages_take_little_memory,
            memory::memory_of_lists_is_counted,
            memory::websocket_clients_that_never_read_hold_no_messages,
            memory::a_slow_command_holds_no_messages,
            memory::a_blocked_standard_output_holds_no_messages,
            memory::long_names_are_counted,
            memory::concurrent_send_requests_are_counted,
            memory::deleted_messages_that_can_be_restored_are_counted,
        ]
        ["`movie_bag_smtp_sink::memory::tests`", "`movie_bag_smtp_sink::web_port::bounded_response::tests`"];
    d5: "Nothing of a deleted message stays in the Maildir, also if flag changes race the deletion or the process is killed"
        [deletion::deleted_messages_leave_no_files]
        ["`movie_bag_smtp_sink::maildir::tests`"];
    d6: "2,000 clients that never complete a request and 2,000 SMTP sessions that bring no message do not stop the inbox, its API and SMTP, even with a limit of 1,024 open files"
        [half_open::half_open_requests_do_not_stop_the_inbox]
        ["`movie_bag_smtp_sink::tests::smtp::sessions_that_bring_nothing_give_way_to_new_ones`"];
    d7: "Nothing from a message, an inbox server or a mail server reaches a terminal unescaped: no control character and no direction mark"
        [
            hostile_text::text_of_a_message_reaches_a_terminal_escaped,
            hostile_text::text_of_an_inbox_server_reaches_a_terminal_escaped,
            hostile_text::text_of_a_mail_server_reaches_a_terminal_escaped,
        ]
        ["`movie_bag_core::domain::terminal_text::tests`", "`movie_bag::cli::sink::message_printer::tests`", "`movie_bag_smtp_sink::tests::fuzz`"];
}

fn all_promises() -> impl Iterator<Item = &'static Promise> {
    PROMISES.iter().chain(SINK_PROMISES)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Database {
    Sqlite,
    Mongodb,
    None,
}

/// Results of the promises that were tested in this run.
static RESULTS: Mutex<BTreeMap<(&str, Database), Outcome>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Holds,
    Broken,
    /// This machine has no such database.
    Untried,
}

fn attack(number: &'static str, database: Database) {
    let promise = all_promises()
        .find(|promise| promise.number == number)
        .unwrap();
    let mut record = Record {
        key: (number, database),
        outcome: Outcome::Broken,
    };
    record.outcome = Outcome::Holds;
    for (_, attack) in promise.attacks {
        let home = match database {
            Database::Sqlite | Database::None => Some(Home::fresh()),
            Database::Mongodb => Home::on_mongodb(),
        };
        match home {
            Some(home) => attack(home),
            None => record.outcome = Outcome::Untried,
        }
    }
}

/// Records the outcome when dropped, so also if an attack succeeds and the test panics.
struct Record {
    key: (&'static str, Database),
    outcome: Outcome,
}

impl Drop for Record {
    fn drop(&mut self) {
        let is_broken = std::thread::panicking();
        let mut results = RESULTS.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = if is_broken {
            Outcome::Broken
        } else {
            self.outcome
        };
        results.insert(self.key, outcome);
        let is_whole = results.len() == 2 * PROMISES.len() + SINK_PROMISES.len();
        // A broken promise fails the run by itself. Without a database the table would differ.
        let is_good = |outcome: &Outcome| *outcome == Outcome::Holds;
        if is_whole && (results.values().all(is_good) || is_blessed()) {
            let table = table(&results);
            drop(results);
            compare(&table);
        }
    }
}

fn table(results: &BTreeMap<(&str, Database), Outcome>) -> String {
    let mut text = format!(
        "{GENERATED}\n\
         `BLESS=1 cargo test security` writes this section, and every other test run compares it. Each promise is tested \
         from outside, on the running binary, on both databases; those of the sink, which has no database, once. \
         `cargo test security::sqlite::t4` tests one promise. The names are those of tests in `tests/it/`, or, \
         if they begin with the name of a library, in `crates/`.\n",
    );
    for (letter, section) in SECTIONS {
        let promises: Vec<_> = all_promises()
            .filter(|promise| promise.number.starts_with(letter))
            .collect();
        let columns = if promises.iter().any(|promise| is_of_sink(promise)) {
            "| | promise | attacks | |\n| --- | --- | --- | --- |"
        } else {
            "| | promise | attacks | SQLite | MongoDB |\n| --- | --- | --- | --- | --- |"
        };
        if promises.is_empty() {
            continue;
        }
        let _ = write!(text, "\n### {section}\n\n{columns}\n");
        for promise in promises {
            let attacks = promise
                .attacks
                .iter()
                .map(|(name, _)| format!("`{}`", name.replace(' ', "")));
            let nearer = promise.nearer.iter().map(|name| format!("also {name}"));
            let shown: Vec<_> = attacks.chain(nearer).collect();
            let outcome = |database: &Database| match results[&(promise.number, *database)] {
                Outcome::Holds => "holds",
                Outcome::Broken => "BROKEN",
                Outcome::Untried => "not tried",
            };
            let databases: &[Database] = if is_of_sink(promise) {
                &[Database::None]
            } else {
                &[Database::Sqlite, Database::Mongodb]
            };
            let outcomes: Vec<_> = databases.iter().map(outcome).collect();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                promise.number.to_uppercase(),
                promise.what.replace('|', "\\|"),
                shown.join("<br>"),
                outcomes.join(" | "),
            );
        }
    }
    text
}

fn is_of_sink(promise: &Promise) -> bool {
    SINK_PROMISES.iter().any(|one| one.number == promise.number)
}

fn is_blessed() -> bool {
    std::env::var_os("BLESS").is_some()
}

/// Heading of the generated section, which is the last one of the page.
const GENERATED: &str = "## Promises\n";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md")
}

/// Returns the page before the generated section, and that section.
fn parts_of_page() -> (String, String) {
    let text = std::fs::read_to_string(page()).unwrap();
    let start = text.find(&format!("\n{GENERATED}")).unwrap() + 1;
    let (written, generated) = text.split_at(start);
    (written.to_owned(), generated.to_owned())
}

/// Returns the names of tests and benchmarks in backquotes.
fn quoted(nearer: &str) -> impl Iterator<Item = &str> {
    nearer.split('`').skip(1).step_by(2)
}

#[test]
fn every_unit_test_and_benchmark_of_a_promise_exists() {
    let mut missing = Vec::new();
    for name in all_promises()
        .flat_map(|promise| promise.nearer)
        .copied()
        .flat_map(quoted)
    {
        let exists = match name.strip_prefix("cargo bench --bench ") {
            None => has_item(name),
            Some(bench) => {
                let (file, part) = bench.split_once(" -- ").unwrap();
                let text = movie_bag_testkit::repository_file(&format!("benches/{file}.rs"));
                String::from_utf8(text)
                    .unwrap()
                    .contains(&format!("\"{part}\""))
            }
        };
        if !exists {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
    assert!(!has_item("movie_bag_core::domain::limit::no_such_test"));
    assert!(!has_item("security::no_such_module::tests"));
}

/// Compares the page also in runs of a part of the promises. The results of a broken promise are compared by a whole run.
#[test]
fn the_page_lists_every_promise() {
    let mut results = BTreeMap::new();
    for promise in PROMISES {
        results.insert((promise.number, Database::Sqlite), Outcome::Holds);
        results.insert((promise.number, Database::Mongodb), Outcome::Holds);
    }
    for promise in SINK_PROMISES {
        results.insert((promise.number, Database::None), Outcome::Holds);
    }
    if !is_blessed() {
        compare(&table(&results));
    }
}

fn compare(table: &str) {
    let (written, generated) = parts_of_page();
    if is_blessed() {
        std::fs::write(page(), written + table).unwrap();
        return;
    }
    let outdated: Vec<_> = generated
        .lines()
        .filter(|line| !table.contains(line))
        .collect();
    assert!(
        generated == table,
        "docs/security.md differs from the tests: BLESS=1 cargo test security writes it\n{}",
        outdated.join("\n")
    );
}

/// Starts two servers on one database. The first has the sink, to which both deliver.
/// Repeats a request while the database is busy: a transaction of a server that was killed holds its documents for up to a minute.
fn once_available(mut send: impl FnMut() -> Answer) -> Answer {
    wait_for("the documents are free", || {
        let answer = send();
        if answer.status == 503 {
            Err(answer.text)
        } else {
            Ok(answer)
        }
    })
}

fn two_servers(home: Home) -> (Home, Server, Server) {
    let first = home.serve(&[]);
    let port = first.smtp().rsplit_once(':').unwrap().1.to_owned();
    let home = home.with("MAIL_PORT", port);
    let second = home.serve_alone(&["--public-url", "http://second.example"]);
    (home, first, second)
}

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const RESET: &str = "[Movie-bag] Reset your password";
const CONFIRMATION: &str = "[Movie-bag] Your password was changed";

#[test]
fn every_promise_has_a_section() {
    for promise in all_promises() {
        let letter = &promise.number[..1];
        assert!(SECTIONS.iter().any(|section| section.0 == letter));
    }
}

#[test]
fn the_threat_model_names_every_promise_and_no_other() {
    let (written, _) = parts_of_page();
    let words = written.split(|c: char| !c.is_ascii_alphanumeric());
    let is_number = |word: &&str| {
        word.split_at_checked(1).is_some_and(|(letter, number)| {
            letter.as_bytes()[0].is_ascii_uppercase()
                && !number.is_empty()
                && number.bytes().all(|digit| digit.is_ascii_digit())
        })
    };
    let named: BTreeSet<_> = words.filter(is_number).map(str::to_lowercase).collect();
    let all: BTreeSet<_> = all_promises()
        .map(|promise| promise.number.to_owned())
        .collect();
    assert_eq!(named, all);
}
