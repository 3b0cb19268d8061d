//! Movies.

use super::id::{AccountId, MovieId};

/// Movie as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movie {
    /// Id. Movies are listed in its order.
    pub id: MovieId,
    /// Name. Unique among all movies, compared exactly.
    pub name: String,
    /// Names of the cast. movie-bag stores at least one; other programs may store none.
    pub casts: Vec<String>,
    /// Genres. movie-bag stores at least one; other programs may store none.
    pub genres: Vec<String>,
    /// Account that added it. No other account may change it.
    pub added_by: AccountId,
}

/// Changes of a movie. `None` means unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MovieChanges {
    pub name: Option<String>,
    pub casts: Option<Vec<String>>,
    pub genres: Option<Vec<String>>,
}

impl MovieChanges {
    /// Applies the changes to a movie.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_replace_only_what_they_name() {
        let before = Movie {
            id: MovieId::from_bytes([1; 12]),
            name: "Metropolis".to_owned(),
            casts: vec!["Brigitte Helm".to_owned()],
            genres: vec!["drama".to_owned()],
            added_by: AccountId::from_bytes([2; 12]),
        };
        let mut movie = before.clone();
        MovieChanges::default().apply(&mut movie);
        assert_eq!(movie, before);
        let genres = vec!["science fiction".to_owned()];
        let changes = MovieChanges {
            genres: Some(genres.clone()),
            ..MovieChanges::default()
        };
        changes.apply(&mut movie);
        assert_eq!(movie, Movie { genres, ..before });
    }
}
