//! `/metrics`: load on the database.

use std::sync::atomic::Ordering;

use movie_bag_core::app::OUTBOX_STATE_MAX_AGE;

use super::super::metrics::render;
use super::*;

#[tokio::test]
async fn the_database_is_queried_once_a_second_for_any_number_of_scrapes() {
    let server = Server::start().await;
    let scrapes = (0..20).map(|_| render(&server.app, &server.metrics));
    for text in futures_util::future::join_all(scrapes).await {
        assert!(text.unwrap().contains("movie_bag_database_up 1"));
    }
    for _ in 0..20 {
        render(&server.app, &server.metrics).await.unwrap();
    }
    assert_eq!(server.store.outbox_state_calls.load(Ordering::SeqCst), 1);
    // A failed result is cached for the same time.
    server.store.is_down.store(true, Ordering::SeqCst);
    server.advance_clock(OUTBOX_STATE_MAX_AGE);
    for _ in 0..20 {
        let text = render(&server.app, &server.metrics).await.unwrap();
        assert!(text.contains("movie_bag_database_up 0"), "{text}");
    }
    assert_eq!(server.store.outbox_state_calls.load(Ordering::SeqCst), 2);
}
