//! Movies: the list as a stream, and one by one.

use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LINK};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::try_unfold;
use serde::Serialize;
use serde_json::{Value, json};

use super::Http;
use super::auth::Caller;
use super::body::JsonBody;
use super::error::{ApiError, WrongFields};
use crate::app::{App, AppError};
use crate::domain::id::MovieId;
use crate::domain::movie::{Movie, MovieChanges};
use crate::ports::store::MoviesVersion;

/// How many movies of the whole list are in memory at once for one client.
const PAGE: usize = 256;
/// The longest page that a client may ask for.
pub const LONGEST_PAGE: usize = 1_000;

/// A movie as clients see it: ids in MongoDB's extended JSON, the keys in this order.
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

/// `GET /api/movies`: all of them, streamed, or one page of them where `limit` is given.
///
/// # Errors
/// A wrong `limit` or `after`; the database.
pub async fn list(
    State(http): State<Http>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let Span { after, limit } = Span::parse(query.as_deref().unwrap_or_default())?;
    let Some(limit) = limit else {
        return Ok(json_response(whole_list(http, after).await?));
    };
    // One more than is shown tells whether there is a next page.
    let mut movies = http.app.movies(after, limit + 1).await?;
    let has_more = movies.len() > limit;
    movies.truncate(limit);
    let mut response = json_response(Body::from(chunk(&movies, true, true)?));
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

/// Which movies are asked for.
#[derive(Debug, PartialEq, Eq)]
struct Span {
    after: Option<MovieId>,
    limit: Option<usize>,
}

impl Span {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let mut span = Self {
            after: None,
            limit: None,
        };
        let mut wrong = WrongFields::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let why = match &*name {
                "after" if span.after.is_none() => {
                    span.after = value.parse().ok();
                    span.after
                        .is_none()
                        .then_some("must be an id of 24 hex digits")
                }
                "limit" if span.limit.is_none() => {
                    let digits = value.bytes().all(|c| c.is_ascii_digit());
                    span.limit = value
                        .parse()
                        .ok()
                        .filter(|limit| digits && (1..=LONGEST_PAGE).contains(limit));
                    span.limit
                        .is_none()
                        .then_some("must be a whole number from 1 to 1000")
                }
                "after" | "limit" => Some("occurs more than once"),
                // Others, such as what defeats a cache, change nothing.
                _ => None,
            };
            if let Some(why) = why {
                wrong.insert(name.into_owned(), Value::String(why.to_owned()));
            }
        }
        if wrong.is_empty() {
            Ok(span)
        } else {
            Err(ApiError::Fields(wrong))
        }
    }
}

/// The longest list that is kept, in bytes.
const LONGEST_KEPT: usize = 1024 * 1024;

/// What is known of the whole list, for as long as nothing has changed in the database, where that tells.
#[derive(Default)]
pub struct KeptList(Mutex<Option<(MoviesVersion, Kept)>>);

#[derive(Clone)]
enum Kept {
    List(Bytes),
    TooLong,
}

impl KeptList {
    fn get(&self, mark: MoviesVersion) -> Option<Kept> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, list) = kept.as_ref()?;
        (*of == mark).then(|| list.clone())
    }

    fn keep(&self, mark: MoviesVersion, list: Kept) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((mark, list));
    }
}

/// The whole list. One that is to be kept is made as a whole; any other goes out one page at a time, so that many slow
/// clients hold little memory. An error on the way breaks the connection off, so that no client takes a part for the
/// whole.
async fn whole_list(http: Http, after: Option<MovieId>) -> Result<Body, ApiError> {
    // Taken before the movies are read: what is kept is never older than its mark.
    let mark = match after {
        None => http.app.movies_version().await?,
        Some(_) => None,
    };
    let kept = mark.and_then(|mark| http.movies.get(mark));
    if let Some(Kept::List(list)) = kept {
        return Ok(Body::from(list));
    }
    let mark = mark.filter(|_| kept.is_none());
    let mut rest = Rest::from(http.app.clone(), after).await?;
    let mut begun = rest.next().await?.unwrap_or_default();
    while mark.is_some()
        && begun.len() < LONGEST_KEPT
        && let Some(chunk) = rest.next().await?
    {
        begun.extend_from_slice(&chunk);
    }
    let list = Bytes::from(begun);
    if let Some(mark) = mark {
        http.movies.keep(
            mark,
            match rest.is_ended() {
                true => Kept::List(list.clone()),
                false => Kept::TooLong,
            },
        );
    }
    if rest.is_ended() {
        return Ok(Body::from(list));
    }
    let stream = try_unfold((Some(list), rest), async |(begun, mut rest)| {
        let next = match begun {
            Some(begun) => Some(begun),
            None => rest
                .next()
                .await
                .inspect_err(|error| tracing::error!(%error, "the list of movies ended early"))?
                .map(Bytes::from),
        };
        Ok::<_, AppError>(next.map(|chunk| (chunk, (None, rest))))
    });
    Ok(Body::from_stream(stream))
}

/// What of the list is still to be written.
struct Rest {
    app: App,
    /// The next page; `None` at the end.
    page: Option<Vec<Movie>>,
    is_first: bool,
}

impl Rest {
    async fn from(app: App, after: Option<MovieId>) -> Result<Self, AppError> {
        Ok(Self {
            page: Some(app.movies(after, PAGE).await?),
            app,
            is_first: true,
        })
    }

    fn is_ended(&self) -> bool {
        self.page.is_none()
    }

    /// The next piece of the array; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, AppError> {
        let Some(movies) = self.page.take() else {
            return Ok(None);
        };
        let next = match movies.last() {
            Some(last) if movies.len() == PAGE => self.app.movies(Some(last.id), PAGE).await?,
            _ => Vec::new(),
        };
        let chunk = chunk(&movies, self.is_first, next.is_empty())?;
        self.is_first = false;
        self.page = (!next.is_empty()).then_some(next);
        Ok(Some(chunk))
    }
}

/// A piece of the array.
fn chunk(movies: &[Movie], is_first: bool, is_last: bool) -> Result<Vec<u8>, AppError> {
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

/// Movies are no secret and may be kept, yet asked for anew each time.
pub(super) fn json_response(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The id in the path; what can't be one names no movie.
type Id = Result<Path<String>, PathRejection>;

fn movie_id(id: Id) -> Result<MovieId, ApiError> {
    id.ok()
        .and_then(|Path(id)| id.parse().ok())
        .ok_or(ApiError::App(AppError::NoSuchMovie))
}

/// `GET /api/movies/ID`.
///
/// # Errors
/// No such movie; the database.
pub async fn show(State(http): State<Http>, id: Id) -> Result<Response, ApiError> {
    let movie = http.app.movie(movie_id(id)?).await?;
    let json = serde_json::to_vec(&MovieJson::from(&movie))
        .map_err(|error| AppError::Internal(format!("cannot write a movie: {error}").into()))?;
    Ok(json_response(Body::from(json)))
}

/// `POST /api/movies`.
///
/// # Errors
/// No access token; wrong fields; a name that is taken; the database.
pub async fn add(
    State(http): State<Http>,
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
        // Deleted since the token was looked at: the token opens nothing any more.
        Err(AppError::NoSuchAccount(_)) => Err(ApiError::InvalidAccessToken),
        Err(error) => Err(error.into()),
    }
}

/// `PUT /api/movies/ID`.
///
/// # Errors
/// No access token; wrong fields, or none; no such movie; another's movie; a name that is taken; the database.
pub async fn change(
    State(http): State<Http>,
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
/// No access token; no such movie; another's movie; the database.
pub async fn delete(
    State(http): State<Http>,
    Caller(account): Caller,
    id: Id,
) -> Result<Json<&'static str>, ApiError> {
    http.app.delete_movie(movie_id(id)?, account.id).await?;
    Ok(Json(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::AccountId;

    #[test]
    fn a_movie_has_its_keys_in_order() {
        let movie = Movie {
            id: MovieId::from_bytes([1; 12]),
            name: "\"quoted\" <b>".to_owned(),
            casts: vec!["a".to_owned()],
            genres: vec!["b".to_owned()],
            added_by: AccountId::from_bytes([2; 12]),
        };
        assert_eq!(
            Bytes::from(chunk(&[movie.clone(), movie], true, true).unwrap()),
            r#"[M,M]"#.replace('M', r#"{"_id":{"$oid":"010101010101010101010101"},"name":"\"quoted\" <b>","casts":["a"],"genres":["b"],"added_by":{"$oid":"020202020202020202020202"}}"#)
        );
        assert_eq!(Bytes::from(chunk(&[], true, true).unwrap()), "[]");
    }

    #[test]
    fn a_span_is_read_or_refused() {
        let id = "0101010101010101010101AA";
        assert_eq!(
            Span::parse(&format!("limit=20&after={id}&t=1")).unwrap(),
            Span {
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
            match Span::parse(query) {
                Err(ApiError::Fields(fields)) => {
                    assert_eq!(fields.keys().collect::<Vec<_>>(), [field], "{query}");
                }
                other => panic!("{query}: {other:?}"),
            }
        }
    }
}
