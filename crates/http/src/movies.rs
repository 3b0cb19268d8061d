//! Movies: list (streamed or in pages), show, add, change and delete.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LINK};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::try_unfold;
use movie_bag_core::app::{App, AppError};
use movie_bag_core::domain::id::MovieId;
use movie_bag_core::domain::movie::{Movie, MovieChanges};
use serde::Serialize;
use serde_json::{Value, json};

use super::auth::Caller;
use super::body::JsonBody;
use super::error::{ApiError, InvalidFields};
use super::movie_list_cache::CachedList;
use super::state::HttpState;

/// Number of movies of the complete list that are in memory at once for one client.
const CHUNK_MOVIES: usize = 256;
/// Maximum value of the parameter `limit`.
pub const MAX_PAGE_SIZE: usize = 1_000;

/// JSON of a movie: ids in MongoDB's extended JSON, keys in this order.
#[derive(Serialize)]
struct MovieJson<'a> {
    _id: Oid,
    name: &'a str,
    casts: &'a [String],
    genres: &'a [String],
    added_by: Oid,
}

#[derive(Serialize)]
struct Oid {
    #[serde(rename = "$oid")]
    oid: String,
}

impl<'a> From<&'a Movie> for MovieJson<'a> {
    fn from(movie: &'a Movie) -> Self {
        Self {
            _id: Oid {
                oid: movie.id.to_string(),
            },
            name: &movie.name,
            casts: &movie.casts,
            genres: &movie.genres,
            added_by: Oid {
                oid: movie.added_by.to_string(),
            },
        }
    }
}

/// `GET /api/movies`: all movies, streamed, or one page if `limit` is given.
///
/// # Errors
/// Invalid `limit` or `after`; database error.
pub(crate) async fn list(
    State(http): State<HttpState>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let Range { after, limit } = Range::parse(query.as_deref().unwrap_or_default())?;
    let Some(limit) = limit else {
        return Ok(json_response(complete_list(http, after).await?));
    };
    // One movie more than the page holds shows whether there is a next page.
    let mut movies = http.app.movies(after, limit + 1).await?;
    let has_more = movies.len() > limit;
    movies.truncate(limit);
    let mut response = json_response(Body::from(json_chunk(&movies, true, true)?));
    if let (true, Some(last)) = (has_more, movies.last()) {
        let link = format!(
            "</api/movies?limit={limit}&after={}>; rel=\"next\"",
            last.id
        );
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(LINK, link);
        }
    }
    Ok(response)
}

/// Requested part of the list.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    after: Option<MovieId>,
    limit: Option<usize>,
}

impl Range {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let mut range = Self {
            after: None,
            limit: None,
        };
        let mut invalid = InvalidFields::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let reason = match &*name {
                "after" if range.after.is_none() => {
                    range.after = value.parse().ok();
                    range
                        .after
                        .is_none()
                        .then_some("must be an id of 24 hex digits")
                }
                "limit" if range.limit.is_none() => {
                    let digits = value.bytes().all(|c| c.is_ascii_digit());
                    range.limit = value
                        .parse()
                        .ok()
                        .filter(|limit| digits && (1..=MAX_PAGE_SIZE).contains(limit));
                    range
                        .limit
                        .is_none()
                        .then_some("must be a whole number from 1 to 1000")
                }
                "after" | "limit" => Some("occurs more than once"),
                // Other parameters are ignored, such as a random one that bypasses caches.
                _ => None,
            };
            if let Some(reason) = reason {
                invalid.insert(name.into_owned(), Value::String(reason.to_owned()));
            }
        }
        if invalid.is_empty() {
            Ok(range)
        } else {
            Err(ApiError::Fields(invalid))
        }
    }
}

/// Maximum size of a cached list, in bytes.
const MAX_CACHED_BYTES: usize = 1024 * 1024;

/// Returns the complete list. A list that can be cached is serialized at once. Any other list is streamed page by page, so that
/// many slow clients need little memory. An error in the middle aborts the connection, so that no client takes an incomplete
/// list for a complete one.
async fn complete_list(http: HttpState, after: Option<MovieId>) -> Result<Body, ApiError> {
    // Read before the movies, so that a cached list is never older than its version.
    let version = match after {
        None => http.app.movies_version().await?,
        Some(_) => None,
    };
    let cached = version.and_then(|version| http.movies.get(version));
    if let Some(CachedList::Json(list)) = cached {
        return Ok(Body::from(list));
    }
    let version = version.filter(|_| cached.is_none());
    let mut chunks = ListChunks::start(http.app.clone(), after).await?;
    let mut list = chunks.next().await?.unwrap_or_default();
    while version.is_some()
        && list.len() < MAX_CACHED_BYTES
        && let Some(chunk) = chunks.next().await?
    {
        list.extend_from_slice(&chunk);
    }
    let list = Bytes::from(list);
    if let Some(version) = version {
        let cached = if chunks.is_finished() {
            CachedList::Json(list.clone())
        } else {
            CachedList::TooLarge
        };
        http.movies.put(version, cached);
    }
    if chunks.is_finished() {
        return Ok(Body::from(list));
    }
    let stream = try_unfold((Some(list), chunks), async |(first, mut chunks)| {
        let next = match first {
            Some(first) => Some(first),
            None => chunks
                .next()
                .await
                .inspect_err(|error| tracing::error!(%error, "the list of movies ended early"))?
                .map(Bytes::from),
        };
        Ok::<_, AppError>(next.map(|chunk| (chunk, (None, chunks))))
    });
    Ok(Body::from_stream(stream))
}

/// Serializer of the list, one chunk at a time.
struct ListChunks {
    app: App,
    /// Movies of the next chunk; `None` at the end.
    page: Option<Vec<Movie>>,
    is_first: bool,
}

impl ListChunks {
    async fn start(app: App, after: Option<MovieId>) -> Result<Self, AppError> {
        Ok(Self {
            page: Some(app.movies(after, CHUNK_MOVIES).await?),
            app,
            is_first: true,
        })
    }

    fn is_finished(&self) -> bool {
        self.page.is_none()
    }

    /// Returns the next chunk of the array; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, AppError> {
        let Some(movies) = self.page.take() else {
            return Ok(None);
        };
        let next = match movies.last() {
            Some(last) if movies.len() == CHUNK_MOVIES => {
                self.app.movies(Some(last.id), CHUNK_MOVIES).await?
            }
            _ => Vec::new(),
        };
        let chunk = json_chunk(&movies, self.is_first, next.is_empty())?;
        self.is_first = false;
        self.page = (!next.is_empty()).then_some(next);
        Ok(Some(chunk))
    }
}

/// Serializes movies as a chunk of the array.
fn json_chunk(movies: &[Movie], is_first: bool, is_last: bool) -> Result<Vec<u8>, AppError> {
    let mut json = Vec::with_capacity(256 * movies.len() + 2);
    let mut separator = if is_first { b'[' } else { b',' };
    for movie in movies {
        json.push(separator);
        separator = b',';
        serde_json::to_writer(&mut json, &MovieJson::from(movie))
            .map_err(|error| AppError::Internal(format!("cannot write a movie: {error}").into()))?;
    }
    if movies.is_empty() && is_first {
        json.push(b'[');
    }
    if is_last {
        json.push(b']');
    }
    Ok(json)
}

/// Returns a JSON response that caches may store but must revalidate: movies are public and can change at any time.
pub(super) fn json_response(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Id in the path. Text that is not an id is treated as the id of a movie that does not exist.
type Id = Result<Path<String>, PathRejection>;

fn movie_id(id: Id) -> Result<MovieId, ApiError> {
    id.ok()
        .and_then(|Path(id)| id.parse().ok())
        .ok_or(ApiError::App(AppError::NoSuchMovie))
}

/// `GET /api/movies/ID`.
///
/// # Errors
/// No such movie; database error.
pub(crate) async fn show(State(http): State<HttpState>, id: Id) -> Result<Response, ApiError> {
    let movie = http.app.movie(movie_id(id)?).await?;
    let json = serde_json::to_vec(&MovieJson::from(&movie))
        .map_err(|error| AppError::Internal(format!("cannot write a movie: {error}").into()))?;
    Ok(json_response(Body::from(json)))
}

/// `POST /api/movies`.
///
/// # Errors
/// No valid access token; invalid fields; name taken; database error.
pub(crate) async fn add(
    State(http): State<HttpState>,
    Caller(account): Caller,
    JsonBody(mut fields): JsonBody,
) -> Result<Json<Value>, ApiError> {
    let (name, casts, genres) = (
        fields.text("name"),
        fields.texts("casts"),
        fields.texts("genres"),
    );
    fields.finish()?;
    match http.app.add_movie(account.id, name, casts, genres).await {
        Ok(id) => Ok(Json(json!({"id": id.to_string()}))),
        // The account was deleted after its token was verified, so the token is no longer valid.
        Err(AppError::NoSuchAccount(_)) => Err(ApiError::InvalidAccessToken),
        Err(error) => Err(error.into()),
    }
}

/// `PUT /api/movies/ID`.
///
/// # Errors
/// No valid access token; invalid fields, or none; no such movie; movie of another account; name taken; database error.
pub(crate) async fn change(
    State(http): State<HttpState>,
    Caller(account): Caller,
    id: Id,
    JsonBody(mut fields): JsonBody,
) -> Result<Json<&'static str>, ApiError> {
    let mut changes = MovieChanges::default();
    if fields.has("name") {
        changes.name = Some(fields.text("name"));
    }
    if fields.has("casts") {
        changes.casts = Some(fields.texts("casts"));
    }
    if fields.has("genres") {
        changes.genres = Some(fields.texts("genres"));
    }
    fields.finish()?;
    if changes == MovieChanges::default() {
        return Err(ApiError::field(
            "body",
            "must have at least one of name, casts and genres",
        ));
    }
    http.app
        .change_movie(movie_id(id)?, account.id, &changes)
        .await?;
    Ok(Json(""))
}

/// `DELETE /api/movies/ID`.
///
/// # Errors
/// No valid access token; no such movie; movie of another account; database error.
pub(crate) async fn delete(
    State(http): State<HttpState>,
    Caller(account): Caller,
    id: Id,
) -> Result<Json<&'static str>, ApiError> {
    http.app.delete_movie(movie_id(id)?, account.id).await?;
    Ok(Json(""))
}

#[cfg(test)]
mod tests {
    use movie_bag_core::domain::id::AccountId;

    use super::*;

    #[test]
    fn the_keys_of_a_movie_have_a_fixed_order() {
        let movie = Movie {
            id: MovieId::from_bytes([1; 12]),
            name: "\"quoted\" <b>".to_owned(),
            casts: vec!["a".to_owned()],
            genres: vec!["b".to_owned()],
            added_by: AccountId::from_bytes([2; 12]),
        };
        assert_eq!(
            Bytes::from(json_chunk(&[movie.clone(), movie], true, true).unwrap()),
            r#"[M,M]"#.replace('M', r#"{"_id":{"$oid":"010101010101010101010101"},"name":"\"quoted\" <b>","casts":["a"],"genres":["b"],"added_by":{"$oid":"020202020202020202020202"}}"#)
        );
        assert_eq!(Bytes::from(json_chunk(&[], true, true).unwrap()), "[]");
    }

    #[test]
    fn an_invalid_limit_or_after_is_refused_with_its_field() {
        let id = "0101010101010101010101AA";
        assert_eq!(
            Range::parse(&format!("limit=20&after={id}&t=1")).unwrap(),
            Range {
                after: id.parse().ok(),
                limit: Some(20)
            }
        );
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=-1", "limit"),
            ("limit=+1", "limit"),
            ("limit=", "limit"),
            ("limit=1001", "limit"),
            ("limit=1e2", "limit"),
            ("limit=99999999999999999999999", "limit"),
            ("limit=1&limit=1", "limit"),
            ("after=", "after"),
            ("after=%ff", "after"),
            ("after[$gt]=&after=0", "after"),
        ] {
            match Range::parse(query) {
                Err(ApiError::Fields(fields)) => {
                    assert_eq!(fields.keys().collect::<Vec<_>>(), [field], "{query}");
                }
                other => panic!("{query}: {other:?}"),
            }
        }
    }
}
