//! End-to-end test of a build without the feature `mongodb`. Any other build has no test here.

#![cfg(not(feature = "mongodb"))]

use movie_bag_testkit::Home;

#[test]
fn a_mongodb_database_is_refused_with_a_hint() {
    let home = Home::fresh().on_database("mongodb://ann:hunter2@127.0.0.1:1/movies");
    for arguments in [
        vec!["serve", "--bind", "127.0.0.1:0"],
        vec!["user", "list"],
    ] {
        let error = home.run(&arguments).exits(2).stderr;
        for expected in [
            "this build has no MongoDB support",
            "127.0.0.1:1/movies",
            "sqlite:PATH",
        ] {
            assert!(error.contains(expected), "{error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }
}
