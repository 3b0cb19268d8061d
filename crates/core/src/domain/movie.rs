//! Movies: what the API is about once somebody has logged in.

use super::id::{AccountId, MovieId};

/// A movie as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movie {
    /// Its identity; movies are listed in this order.
    pub id: MovieId,
    /// Unique among all movies, to the letter.
    pub name: String,
    /// Who plays in it; never empty where we wrote it.
    pub casts: Vec<String>,
    /// What sort of movie it is; never empty where we wrote it.
    pub genres: Vec<String>,
    /// Who added it, and alone may change it.
    pub added_by: AccountId,
}

/// Changes to a movie: what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MovieChanges {
    /// A new name.
    pub name: Option<String>,
    /// New casts.
    pub casts: Option<Vec<String>>,
    /// New genres.
    pub genres: Option<Vec<String>>,
}

impl MovieChanges {
    /// Puts the changes into a movie.
    pub fn apply(self, movie: &mut Movie) {
        let Self {
            name,
            casts,
            genres,
        } = self;
        movie.name = name.unwrap_or_else(|| std::mem::take(&mut movie.name));
        movie.casts = casts.unwrap_or_else(|| std::mem::take(&mut movie.casts));
        movie.genres = genres.unwrap_or_else(|| std::mem::take(&mut movie.genres));
    }
}
