//! `/metrics`: what it costs the database.

use std::sync::atomic::Ordering;

use super::*;
use crate::app::observe::FRESH;

#[tokio::test]
async fn however_many_look_the_database_is_asked_once_a_second() {
    let server = Server::start().await;
    let at_once = (0..20).map(|_| server.app.show_metrics());
    for text in futures_util::future::join_all(at_once).await {
        assert!(text.unwrap().contains("movie_bag_database_up 1"));
    }
    for _ in 0..20 {
        server.app.show_metrics().await.unwrap();
    }
    assert_eq!(server.store.looks.load(Ordering::SeqCst), 1);
    // A failure is asked about no more often.
    server.store.is_down.store(true, Ordering::SeqCst);
    server.pass(FRESH);
    for _ in 0..20 {
        let text = server.app.show_metrics().await.unwrap();
        assert!(text.contains("movie_bag_database_up 0"), "{text}");
    }
    assert_eq!(server.store.looks.load(Ordering::SeqCst), 2);
}
