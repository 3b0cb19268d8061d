//! Movies: list (streamed or in pages), show, add, change and delete.

use std::convert::Infallible;
use std::marker::PhantomData;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LINK};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use movie_bag_core::app::{App, AppError};
use movie_bag_core::domain::id::MovieId;
use movie_bag_core::domain::movie::{Movie, MovieChanges};
use serde::Serialize;
use serde_json::Value;

use super::auth::{Caller, Made};
use super::body::{Field, JsonBody, Query, request};
use super::error::{ApiError, Code};
use super::movie_list_cache::CachedList;
use super::openapi::operation::{About, Input, Output, Parameter, Types};
use super::openapi::schema::{Components, Described, Schema, object};
use super::state::HttpState;
use super::values::{Empty, Id, Text, Texts};

/// Number of movies of the complete list that are in memory at once for one client.
const CHUNK_MOVIES: usize = 256;
/// Maximum value of the parameter `limit`.
pub const MAX_PAGE_SIZE: usize = 1_000;

object! {
    /// JSON of a movie: ids in MongoDB's extended JSON, keys in this order.
    #[derive(Serialize)]
    pub(crate) struct MovieJson<'a> as "Movie" {
        _id: ObjectId,
        name: &'a str,
        casts: &'a [String],
        genres: &'a [String],
        added_by: ObjectId,
    }
}

#[derive(Serialize)]
pub(crate) struct ObjectId {
    #[serde(rename = "$oid")]
    oid: Id,
}

impl Described for ObjectId {
    fn describe(components: &mut Components<'_>) -> Schema {
        components.add("ObjectId", |components| {
            Schema::object([("$oid", true, Id::describe(components))])
        })
    }
}

impl<'a> From<&'a Movie> for MovieJson<'a> {
    fn from(movie: &'a Movie) -> Self {
        Self {
            _id: ObjectId {
                oid: Id(movie.id.to_string()),
            },
            name: &movie.name,
            casts: &movie.casts,
            genres: &movie.genres,
            added_by: ObjectId {
                oid: Id(movie.added_by.to_string()),
            },
        }
    }
}

/// Array of movies, which is written in chunks.
pub(crate) struct Movies;

impl Described for Movies {
    fn describe(components: &mut Components<'_>) -> Schema {
        components.add("Movies", |components| {
            Schema::array(MovieJson::describe(components))
        })
    }
}

pub(crate) const LIST: About = About {
    headers: &[(
        "Link",
        "`<…>; rel=\"next\"`, the next page; missing on the last page",
    )],
    ..About::new(
        "listMovies",
        "List the movies in the order of their ids",
        "All movies, streamed; with `limit` one page, and `Link` names the next one",
        &[],
    )
};

/// `GET /api/movies`: all movies, streamed, or one page if `limit` is given.
///
/// # Errors
/// Invalid `limit` or `after`; database error.
pub(crate) async fn list(
    State(http): State<HttpState>,
    Query(Range { limit, after }): Query<Range>,
) -> Result<CachableJson<Movies>, ApiError> {
    let Some(Limit(limit)) = limit else {
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
            response.0.headers_mut().insert(LINK, link);
        }
    }
    Ok(response)
}

request! {
    /// Requested part of the list.
    #[derive(Debug, PartialEq, Eq)]
    pub(crate) struct Range {
        /// Maximum number of movies in the answer
        limit: Option<Limit>,
        /// Only movies after this id; the id itself may belong to a deleted movie
        after: Option<MovieId>,
    }
}

/// Maximum number of movies in a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Limit(usize);

impl Field for Limit {
    fn read(value: Option<Value>) -> Result<Self, &'static str> {
        let text = String::read(value)?;
        let limit = text.parse().ok().filter(|limit| {
            text.bytes().all(|c| c.is_ascii_digit()) && (1..=MAX_PAGE_SIZE).contains(limit)
        });
        limit
            .map(Self)
            .ok_or("must be a whole number from 1 to 1000")
    }
}

impl Described for Limit {
    fn describe(_: &mut Components<'_>) -> Schema {
        Schema {
            kind: Some("integer"),
            minimum: Some(1),
            maximum: Some(MAX_PAGE_SIZE),
            ..Schema::default()
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

/// A response whose body is serialized already. Caches may store it but must revalidate it: movies are public and can change
/// at any time. The type parameter is the type of the body.
pub(crate) struct CachableJson<T>(Response, PhantomData<fn() -> T>);

/// Returns a response with a JSON body.
pub(super) fn json_response<T>(body: Body) -> CachableJson<T> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    CachableJson(response, PhantomData)
}

impl<T> IntoResponse for CachableJson<T> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<T: Described> Output for CachableJson<T> {
    fn describe(types: &mut Types, components: &mut Components<'_>) {
        types.success = T::describe(components);
    }
}

/// Extractor for the id in the path. Text that is not an id is treated as the id of a movie that does not exist.
pub(crate) struct PathId(Option<MovieId>);

impl PathId {
    fn parsed(self) -> Result<MovieId, AppError> {
        self.0.ok_or(AppError::NoSuchMovie)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(id.ok().and_then(|Path(id)| id.parse().ok())))
    }
}

impl Input for PathId {
    fn describe(types: &mut Types, components: &mut Components<'_>) {
        types.codes.push(Code::MovieNotExists);
        types.parameters.push(Parameter {
            name: "id",
            place: "path",
            is_required: true,
            schema: MovieId::describe(components).with_documentation("Id of a movie"),
        });
    }
}

pub(crate) const SHOW: About = About::new("showMovie", "Get one movie", "The movie", &[]);

/// `GET /api/movies/ID`.
///
/// # Errors
/// No such movie; database error.
pub(crate) async fn show(
    State(http): State<HttpState>,
    id: PathId,
) -> Result<CachableJson<MovieJson<'static>>, ApiError> {
    let movie = http.app.movie(id.parsed()?).await?;
    let json = serde_json::to_vec(&MovieJson::from(&movie))
        .map_err(|error| AppError::Internal(format!("cannot write a movie: {error}").into()))?;
    Ok(json_response(Body::from(json)))
}

request! {
    pub(crate) struct NewMovie {
        /// The name, which no other movie has
        #[example = "Metropolis"]
        name: Text,
        /// At least one name of an actor
        #[example = ["Brigitte Helm"]]
        casts: Texts,
        /// At least one genre
        #[example = ["drama"]]
        genres: Texts,
    }
}

pub(crate) const ADD: About = About {
    links: &[
        ("show", "showMovie"),
        ("change", "changeMovie"),
        ("delete", "deleteMovie"),
    ],
    ..About::new(
        "addMovie",
        "Add a movie",
        "Id of the movie",
        &[Code::MovieAlreadyExists],
    )
};

/// `POST /api/movies`.
///
/// # Errors
/// No valid access token; invalid fields; name taken; database error.
pub(crate) async fn add(
    State(http): State<HttpState>,
    Caller(account): Caller,
    JsonBody(movie): JsonBody<NewMovie>,
) -> Result<Json<Made>, ApiError> {
    let NewMovie {
        name,
        casts,
        genres,
    } = movie;
    match http
        .app
        .add_movie(account.id, name.0, casts.0, genres.0)
        .await
    {
        Ok(id) => Ok(Json(Made {
            id: Id(id.to_string()),
        })),
        // The account was deleted after its token was verified, so the token is no longer valid.
        Err(AppError::NoSuchAccount(_)) => Err(ApiError::InvalidAccessToken),
        Err(error) => Err(error.into()),
    }
}

request! {
    /// At least one field is given.
    pub(crate) struct ChangedMovie as "MovieChanges" {
        /// The new name, which no other movie has
        #[example = "Metropolis"]
        name: Option<Text>,
        /// At least one name of an actor
        #[example = ["Brigitte Helm"]]
        casts: Option<Texts>,
        /// At least one genre
        #[example = ["drama"]]
        genres: Option<Texts>,
    }
}

pub(crate) const CHANGE: About = About::new(
    "changeMovie",
    "Change fields of a movie that the caller added",
    "The movie was changed",
    &[Code::MovieAlreadyExists, Code::UpdatingMovie],
);

/// `PUT /api/movies/ID`.
///
/// # Errors
/// No valid access token; invalid fields, or none; no such movie; movie of another account; name taken; database error.
pub(crate) async fn change(
    State(http): State<HttpState>,
    Caller(account): Caller,
    id: PathId,
    JsonBody(body): JsonBody<ChangedMovie>,
) -> Result<Json<Empty>, ApiError> {
    let changes = MovieChanges {
        name: body.name.map(|name| name.0),
        casts: body.casts.map(|casts| casts.0),
        genres: body.genres.map(|genres| genres.0),
    };
    if changes == MovieChanges::default() {
        return Err(ApiError::field(
            "body",
            "must have at least one of name, casts and genres",
        ));
    }
    http.app
        .change_movie(id.parsed()?, account.id, &changes)
        .await?;
    Ok(Json(Empty("")))
}

pub(crate) const DELETE: About = About::new(
    "deleteMovie",
    "Delete a movie that the caller added",
    "The movie was deleted",
    &[Code::DeletingMovie],
);

/// `DELETE /api/movies/ID`.
///
/// # Errors
/// No valid access token; no such movie; movie of another account; database error.
pub(crate) async fn delete(
    State(http): State<HttpState>,
    Caller(account): Caller,
    id: PathId,
) -> Result<Json<Empty>, ApiError> {
    http.app.delete_movie(id.parsed()?, account.id).await?;
    Ok(Json(Empty("")))
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
            Query::<Range>::parse(&format!("limit=20&after={id}&t=1")).unwrap(),
            Range {
                after: id.parse().ok(),
                limit: Some(Limit(20))
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
            match Query::<Range>::parse(query) {
                Err(ApiError::Fields(fields)) => {
                    assert_eq!(fields.keys().collect::<Vec<_>>(), [field], "{query}");
                }
                other => panic!("{query}: {other:?}"),
            }
        }
    }
}
