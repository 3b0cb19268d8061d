//! Promises about movies.

use super::fixtures::*;

pub(super) async fn an_added_movie_is_read_back_unchanged(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    assert_eq!(
        store.create_movie(&movie(1, 1)).await.unwrap(),
        MovieCreation::Created
    );
    assert_eq!(
        store.movie(movie(1, 1).id).await.unwrap(),
        Some(movie(1, 1))
    );
    assert_eq!(store.movie(movie(2, 1).id).await.unwrap(), None);
    assert_eq!(
        store.create_movie(&movie(2, 9)).await.unwrap(),
        MovieCreation::OwnerGone
    );
}

pub(super) async fn a_movies_name_is_unique(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    store.create_movie(&movie(1, 1)).await.unwrap();
    store.create_movie(&movie(2, 1)).await.unwrap();
    let rival = Movie {
        name: movie(1, 1).name,
        ..movie(3, 1)
    };
    assert_eq!(
        store.create_movie(&rival).await.unwrap(),
        MovieCreation::NameTaken
    );
    let rename = MovieChanges {
        name: Some(movie(1, 1).name),
        ..MovieChanges::default()
    };
    assert_eq!(
        store
            .change_movie(movie(2, 1).id, account(1).id, &rename)
            .await
            .unwrap(),
        MovieChange::NameTaken
    );
    assert_eq!(
        store
            .change_movie(movie(1, 1).id, account(1).id, &rename)
            .await
            .unwrap(),
        MovieChange::Done
    );
    assert_eq!(
        store.movies(None, 10).await.unwrap(),
        [movie(1, 1), movie(2, 1)]
    );
}

pub(super) async fn movies_are_listed_in_the_order_of_their_ids(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    for id in [3, 1, 2] {
        store.create_movie(&movie(id, 1)).await.unwrap();
    }
    let all = store.movies(None, 10).await.unwrap();
    assert_eq!(all, [movie(1, 1), movie(2, 1), movie(3, 1)]);
    assert_eq!(store.movies(Some(all[0].id), 1).await.unwrap(), all[1..2]);
    assert_eq!(store.movies(Some(all[2].id), 1).await.unwrap(), []);
}

pub(super) async fn only_the_owner_changes_a_movie(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    create(store, 2).await;
    store.create_movie(&movie(1, 1)).await.unwrap();
    let id = movie(1, 1).id;
    let changes = MovieChanges {
        genres: Some(vec!["comedy".to_owned()]),
        ..MovieChanges::default()
    };
    assert_eq!(
        store
            .change_movie(id, account(2).id, &changes)
            .await
            .unwrap(),
        MovieChange::NotOwner
    );
    assert_eq!(
        store.delete_movie(id, account(2).id).await.unwrap(),
        MovieChange::NotOwner
    );
    assert_eq!(store.movie(id).await.unwrap(), Some(movie(1, 1)));
    assert_eq!(
        store
            .change_movie(id, account(1).id, &changes)
            .await
            .unwrap(),
        MovieChange::Done
    );
    assert_eq!(store.movie(id).await.unwrap().unwrap().genres, ["comedy"]);
    assert_eq!(
        store.delete_movie(id, account(1).id).await.unwrap(),
        MovieChange::Done
    );
    assert_eq!(
        store.delete_movie(id, account(1).id).await.unwrap(),
        MovieChange::NotFound
    );
    assert_eq!(
        store
            .change_movie(id, account(1).id, &changes)
            .await
            .unwrap(),
        MovieChange::NotFound
    );
}
