//! Test of a build without the feature `mongodb`. Any other build has no test here.

#![cfg(not(feature = "mongodb"))]

use std::time::Duration;

use movie_bag_store::{Database, MongoSettings, UnusableDatabase};

#[tokio::test]
async fn a_mongodb_database_is_refused_without_connecting_to_it() {
    let database = Database::Mongodb(MongoSettings {
        uri: "mongodb://ann:secret@localhost/movies".to_owned(),
        shown: "mongodb://localhost/movies".to_owned(),
        timeout: Duration::from_secs(20),
    });
    let refused = database.check();
    assert!(
        matches!(refused, Err(UnusableDatabase::NotSupported)),
        "{refused:?}"
    );
    let error = database.open().await.err().unwrap().to_string();
    assert!(
        error.contains("mongodb://localhost/movies: this build has no MongoDB support"),
        "{error}"
    );
}
