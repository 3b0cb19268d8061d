//! `/metrics`: what it costs the database.

use std::sync::atomic::Ordering;

use super::super::metrics::render;
use super::*;
use crate::app::OUTBOX_STATE_MAX_AGE;

#[tokio::test]
async fn however_many_look_the_database_is_asked_once_a_second() {
    let server = Server::start().await;
    let at_once = (0..20).map(|_| render(&server.app, &server.metrics));
    for text in futures_util::future::join_all(at_once).await {
        assert!(text.unwrap().contains("movie_bag_database_up 1"));
    }
    for _ in 0..20 {
        render(&server.app, &server.metrics).await.unwrap();
    }
    assert_eq!(server.store.looks.load(Ordering::SeqCst), 1);
    // A failure is asked about no more often.
    server.store.is_down.store(true, Ordering::SeqCst);
    server.pass(OUTBOX_STATE_MAX_AGE);
    for _ in 0..20 {
        let text = render(&server.app, &server.metrics).await.unwrap();
        assert!(text.contains("movie_bag_database_up 0"), "{text}");
    }
    assert_eq!(server.store.looks.load(Ordering::SeqCst), 2);
}
