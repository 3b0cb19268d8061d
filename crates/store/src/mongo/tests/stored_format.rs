//! Format of the stored documents. Databases and journals of released versions contain these documents, so the literals never
//! change: a rename in the code needs a `#[serde(rename)]`.

use mongodb::bson::DateTime;
use movie_bag_core::domain::event::Event;
use movie_bag_core::domain::limit::{Limit, LimitKey, LimitState};
use movie_bag_core::domain::outbox::Lease;
use movie_bag_core::domain::pending::PendingKind;
use movie_bag_core::ports::store::{LimitedCall, Limits as _};

use super::super::documents::{
    AccountDocument, EntryDocument, EventDocument, LeaseDocument, MovieDocument, PendingDocument,
    RevocationDocument, date, decode, object_id, to_document,
};
use super::super::journal::JournalDocument;
use super::super::tally_documents::{key_id, tally_update};
use super::*;

/// Id of an account, a movie, an entry or a lease in the fixtures.
fn id(number: u8) -> ObjectId {
    ObjectId::from_bytes([number; 12])
}

fn second(number: i64) -> DateTime {
    DateTime::from_millis((1_800_000_000 + number) * 1_000)
}

fn user(number: u8) -> Document {
    doc! {
        "_id": id(number),
        "email": format!("user{number}@example.com"),
        "password": format!("$2b$04$hash{number}"),
    }
}

fn history_line(line: u8, account: u8, kind: &str) -> Document {
    doc! {
        "_id": id(line),
        "account": id(account),
        "at": second(1),
        "kind": kind,
        "origin": "192.0.2.1",
        "detail": "event at 1",
    }
}

fn mail(entry: u8, account: u8) -> Document {
    doc! {
        "_id": id(entry),
        "account": id(account),
        "kind": "reset_password",
        "requested_at": second(0),
        "origin": "terminal (ann)",
        "fingerprint": "fingerprint",
        "state": "waiting",
        "attempts": 0_i64,
        "is_again": false,
        "next_try_at": second(0),
        "last_error": null,
        "free_at": second(0),
    }
}

fn film(number: u8, owner: u8) -> Document {
    doc! {
        "_id": id(number),
        "name": format!("Part {number}, «quoted» \"twice\""),
        "casts": ["Änn", "B'ob"],
        "genres": ["drama"],
        "added_by": id(owner),
    }
}

fn pending_sign_up(number: u8, account: u8) -> Document {
    doc! {
        "_id": id(number),
        "key": "confirm_signup carl@example.com",
        "kind": "confirm_signup",
        "account": id(account),
        "address": "Carl@example.com",
        "folded": "carl@example.com",
        "origin": "192.0.2.1",
        "requested_at": second(0),
        "expires_at": second(100),
    }
}

/// Returns one journal entry for each step.
fn journal() -> Vec<Document> {
    let steps = [
        (
            3,
            doc! { "create_account": {
                "account": user(3),
                "event": history_line(101, 3, "created"),
                "mail": mail(13, 3),
            } },
        ),
        (
            1,
            doc! { "replace_credential": {
                "expected": user(1),
                "email": "new@example.com",
                "password": "$2b$04$second",
                "event": history_line(102, 1, "reset_done"),
                "mails": [mail(11, 1)],
                "forgives": key_id(LimitKey([1; 32])),
            } },
        ),
        (
            2,
            doc! { "revoke_access": {
                "account": id(2),
                "revocation": id(50),
                "replaces": null,
                "event": history_line(103, 2, "access_revoked"),
                "mail": mail(12, 2),
            } },
        ),
        (
            2,
            doc! { "revoke_access": {
                "account": id(2),
                "revocation": id(51),
                "replaces": id(50),
                "event": history_line(104, 2, "access_revoked"),
                "mail": mail(14, 2),
            } },
        ),
        (
            2,
            doc! { "revoke_access": {
                "account": id(2),
                "revocation": id(52),
                "replaces": id(51),
                "event": history_line(110, 2, "access_revoked"),
                "mail": null,
            } },
        ),
        (
            2,
            doc! { "queue_mail": {
                "event": history_line(105, 2, "reset_requested"),
                "mail": mail(15, 2),
            } },
        ),
        (
            2,
            doc! { "record": { "event": history_line(106, 2, "reset_refused") } },
        ),
        (
            1,
            doc! { "settle": {
                "entry": id(1),
                "holder": id(1),
                "outcome": { "state": "gone", "next_try_at": null, "error": null },
                "event": history_line(107, 1, "mail_sent"),
            } },
        ),
        (
            6,
            doc! { "disable_account": {
                "account": id(6),
                "revocation": id(52),
                "replaces": null,
                "event": history_line(114, 6, "disabled"),
            } },
        ),
        (
            6,
            doc! { "enable_account": {
                "account": id(6),
                "disabling": id(52),
                "event": history_line(111, 6, "enabled"),
            } },
        ),
        (
            6,
            doc! { "replace_credential": {
                "expected": user(6),
                "email": "user6@example.com",
                "password": "$2b$04$second",
                "event": history_line(112, 6, "password_set"),
                "mails": [],
                "disabling": id(52),
                "forgives": null,
            } },
        ),
        (
            1,
            doc! { "settle_signup": {
                "entry": id(1),
                "holder": id(1),
                "outcome": { "state": "gone", "next_try_at": null, "error": null },
                "mark": id(113),
            } },
        ),
        (9, doc! { "put_pending": pending_sign_up(60, 9) }),
        (9, doc! { "delete_pending": pending_sign_up(60, 9) }),
        (4, doc! { "delete_account": { "account": id(4) } }),
        (5, doc! { "sweep": { "account": id(5) } }),
        (2, doc! { "create_movie": { "movie": film(7, 2) } }),
        (2, doc! { "delete_movie": { "movie": id(2), "by": id(2) } }),
    ];
    let entries = steps.into_iter().enumerate();
    entries
        .map(|(number, (account, step))| {
            doc! { "_id": id(200 + number as u8), "account": id(account), "step": step }
        })
        .collect()
}

#[test]
fn each_step_in_the_journal_keeps_its_format() {
    for stored in journal() {
        let read: JournalDocument = decode("movie_bag_journal", stored.clone()).unwrap();
        assert_eq!(to_document(&read).unwrap(), stored);
    }
}

#[test]
fn each_document_keeps_its_format() {
    let stored = AccountDocument::from(&account(1));
    assert_eq!(to_document(&stored).unwrap(), user(1));
    let stored = RevocationDocument {
        account: id(1),
        revocation: id(9),
        disabling: None,
        is_disabled: false,
    };
    let mut expected = doc! { "_id": id(1), "revocation": id(9) };
    assert_eq!(to_document(&stored).unwrap(), expected);
    let stored = RevocationDocument {
        disabling: Some(id(8)),
        is_disabled: true,
        ..stored
    };
    expected.extend(doc! { "disabling": id(8), "is_disabled": true });
    assert_eq!(to_document(&stored).unwrap(), expected);
    let change = pending(60, PendingKind::ConfirmSignup, 9, "Carl@example.com");
    let mut expected = pending_sign_up(60, 9);
    expected.insert("key", change.key());
    let stored = PendingDocument::from(&change);
    assert_eq!(to_document(&stored).unwrap(), expected);
    let stored = MovieDocument::from(&movie(7, 2));
    assert_eq!(to_document(&stored).unwrap(), film(7, 2));

    let mut stored = EventDocument::from(&event(2, EventKind::ResetRefused, 1));
    stored.id = id(106);
    let expected = history_line(106, 2, "reset_refused");
    assert_eq!(to_document(&stored).unwrap(), expected);
    let counted = Event {
        count: 3,
        first_at: at(0),
        ..event(2, EventKind::LoggedIn, 1)
    };
    stored = EventDocument::from(&counted);
    stored.id = id(108);
    let mut expected = history_line(108, 2, "logged_in");
    expected.extend(doc! { "count": 3_i64, "first_at": second(0) });
    assert_eq!(to_document(&stored).unwrap(), expected);

    let stored = EntryDocument::from(&entry(8, 2, 0));
    assert_eq!(to_document(&stored).unwrap(), mail(8, 2));
    let leased = Entry {
        recipient: Some("other@example.com".to_owned()),
        attempts: 1,
        last_error: Some("451".to_owned()),
        lease: Some(lease(7, 16)),
        ..entry(8, 2, 0)
    };
    let mut expected = mail(8, 2);
    expected.extend(doc! {
        "recipient": "other@example.com",
        "attempts": 1_i64,
        "is_again": true,
        "last_error": "451",
        "lease": { "holder": id(7), "until": second(16) },
        "free_at": second(16),
    });
    let stored = EntryDocument::from(&leased);
    assert_eq!(to_document(&stored).unwrap(), expected);
    let stored = LeaseDocument::from(Lease {
        holder: lease(7, 16).holder,
        until: at(16),
    });
    let expected = doc! { "holder": id(7), "until": second(16) };
    assert_eq!(to_document(&stored).unwrap(), expected);

    let call = LimitedCall {
        limit: Limit::Login,
        key: LimitKey([1; 32]),
        now: at(0),
    };
    let tally = LimitState {
        count: 2,
        until: at(5),
    };
    let expected = doc! { "$set": {
        "count": 2_i64,
        "until": second(5),
        "kept_until": date(Limit::Login.expires_at(&tally)),
    } };
    assert_eq!(tally_update(call, &tally), expected);
}

/// The process that wrote the journal died after the first write of each step.
#[tokio::test]
async fn the_journal_of_a_released_version_is_completed() {
    let Some(faulty) = FaultyServer::start(Topology::Standalone).await else {
        return;
    };
    faulty.reset().await;
    let (store, any) = (&faulty.store, faulty.any());
    let collections = &store.collections;
    create(&any, 4).await;
    create(&any, 6).await;
    // A step that creates a document takes effect if the document was inserted.
    collections.user.insert_one(user(3)).await.unwrap();
    collections.movie.insert_one(film(7, 2)).await.unwrap();
    let pending = &collections.pending;
    pending.insert_one(pending_sign_up(60, 9)).await.unwrap();
    let swept = history_line(109, 5, "created");
    collections.history.insert_one(swept).await.unwrap();
    let failed_login = LimitedCall {
        limit: Limit::Login,
        key: LimitKey([1; 32]),
        now: at(0),
    };
    store.count(failed_login).await.unwrap().unwrap();
    let journal = journal();
    let inserted = collections.journal.driver().insert_many(&journal).await;
    assert_eq!(inserted.unwrap().inserted_ids.len(), journal.len());

    let store = open(&faulty.uri).await.unwrap();
    let left = collections.journal.count_documents(doc! {}).await.unwrap();
    assert_eq!(left, 0);
    let kinds = async |number: u8| {
        let history = store.history(account(number).id, 100).await.unwrap();
        let kinds = history.iter().map(|event| event.kind.name());
        let mut kinds: Vec<_> = kinds.collect();
        kinds.sort_unstable();
        kinds
    };
    let mails = async |number: u8| {
        let entries = store.entries_of(account(number).id).await.unwrap();
        let ids = entries.iter().map(|entry| object_id(entry.id.as_bytes()));
        ids.collect::<Vec<_>>()
    };
    assert_eq!(kinds(3).await, ["created"]);
    assert_eq!(mails(3).await, [id(13)]);
    let changed = store.account(account(1).id).await.unwrap().unwrap();
    assert_eq!(changed.address, "new@example.com");
    assert_eq!(changed.password_hash.as_str(), "$2b$04$second");
    assert_eq!(store.limit_state(failed_login.key).await.unwrap(), None);
    assert_eq!(
        kinds(1).await,
        ["created", "mail_sent", "reset_done", "reset_requested"]
    );
    assert_eq!(mails(1).await, [id(11)], "the sent one is hidden");
    let revoked = store.account(account(2).id).await.unwrap().unwrap();
    let revocation = revoked.revocation.unwrap();
    assert_eq!(object_id(revocation.as_bytes()), id(52));
    assert_eq!(
        kinds(2).await,
        [
            "access_revoked",
            "access_revoked",
            "access_revoked",
            "created",
            "reset_refused",
            "reset_requested"
        ]
    );
    assert_eq!(mails(2).await, [id(12), id(14), id(15)]);
    let enabled = store.account(account(6).id).await.unwrap().unwrap();
    let disabling = enabled.disabling.unwrap();
    assert_eq!(object_id(disabling.id.as_bytes()), id(52));
    assert!(!disabling.is_active);
    assert_eq!(enabled.password_hash.as_str(), "$2b$04$second");
    assert_eq!(
        kinds(6).await,
        ["created", "disabled", "enabled", "password_set"]
    );
    assert_eq!(store.account(account(4).id).await.unwrap(), None);
    assert_eq!(kinds(4).await, [""; 0]);
    assert_eq!(kinds(5).await, [""; 0]);
    assert_eq!(pending.count_documents(doc! {}).await.unwrap(), 0);
    let movies = store.movies(None, 100).await.unwrap();
    let movies: Vec<_> = movies
        .iter()
        .map(|movie| object_id(movie.id.as_bytes()))
        .collect();
    assert_eq!(movies, [id(1), id(7)]);
    let owner = collections.user.find_one(doc! { "_id": id(2) }).await;
    let listed = owner.unwrap().unwrap();
    assert_eq!(listed.get_array("movies").unwrap(), &[Bson::from(id(7))]);
}
