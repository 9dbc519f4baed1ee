//! Serves the files of `[[static]]` folders: GET and HEAD, whole files and single ranges, nothing hidden.
//!
//! A file is read while it is sent. What cannot be served is not found: a peer learns nothing of what lies beside the
//! folder, or of why.

mod conditions;
mod find;

use super::{Answer, Often, body::Excerpt, text};
use conditions::{Part, Tag};
use find::{Found, Opened};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use std::{
    io::{self, SeekFrom},
    path::Path,
    time::Instant,
};
use tengen_settings::Static;
use tokio::{fs::File, io::AsyncSeekExt};

/// The answer to a plain request; none when no folder is served at its path, or it is not a GET or HEAD.
///
/// The folder with the longest matching path answers. What is in the way on our side is counted in `failures`, and told.
pub(crate) async fn respond<B>(
    statics: &[Static],
    failures: &Often,
    request: &Request<B>,
) -> Option<Answer> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let path = request.uri().path();
    let matching = statics.iter().filter_map(|folder| Some((folder, below(&folder.path, path)?)));
    let (folder, rest) = matching.max_by_key(|(folder, _)| folder.path.len())?;
    let Some(relative) = find::safe(rest) else { return Some(not_found()) };
    let found = find::find(folder.dir.clone(), relative.clone(), path.ends_with('/')).await;
    let answer = match found {
        Ok(Found::File(opened)) => deliver(*opened, request).await,
        Ok(Found::Folder) => Ok(to_folder(path, request.uri().query())),
        Err(error) => Err(error),
    };
    Some(answer.unwrap_or_else(|error| missing(&folder.dir.join(relative), &error, failures)))
}

/// What comes after the served path, if the request lies below it: `/page` serves `/page` and `/page/x`, not `/pages`.
fn below<'a>(served: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(served.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

async fn deliver<B>(opened: Opened, request: &Request<B>) -> io::Result<Answer> {
    let Opened { path, file, metadata } = opened;
    let (length, tag) = (metadata.len(), Tag::of(&metadata));
    let mut answer = Response::new(super::Body::default());
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A page may change at any time: browsers ask again, and get 304 when it has not.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(&path)));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.extend(tag.as_ref().map(|tag| (header::ETAG, tag.0.clone())));
    if !conditions::is_meant(request.headers(), tag.as_ref()) {
        return Ok(plain(StatusCode::PRECONDITION_FAILED, "the file is another one by now"));
    }
    if conditions::is_known(request.headers(), tag.as_ref()) {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(answer);
    }
    let is_head = request.method() == Method::HEAD;
    let part = match is_head {
        true => Part::Whole,
        false => conditions::part(request.headers(), tag.as_ref(), length),
    };
    let (status, first, count) = match part {
        Part::Whole => (StatusCode::OK, 0, length),
        Part::Range { first, count } => (StatusCode::PARTIAL_CONTENT, first, count),
        Part::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
    };
    *answer.status_mut() = status;
    headers_of(&mut answer, part, length, count)?;
    if !is_head && count > 0 {
        *answer.body_mut() = super::Body::File(excerpt(file, first, count).await?);
    }
    Ok(answer)
}

fn headers_of(answer: &mut Answer, part: Part, length: u64, count: u64) -> io::Result<()> {
    let range = match part {
        Part::Whole => None,
        Part::Range { first, count } => {
            Some(format!("bytes {first}-{}/{length}", first + count - 1))
        }
        Part::Nothing => Some(format!("bytes */{length}")),
    };
    let headers = answer.headers_mut();
    if let Some(range) = range {
        let range = HeaderValue::from_str(&range).map_err(io::Error::other)?;
        headers.insert(header::CONTENT_RANGE, range);
    }
    headers.insert(header::CONTENT_LENGTH, count.into());
    Ok(())
}

async fn excerpt(file: std::fs::File, first: u64, count: u64) -> io::Result<Excerpt> {
    let mut file = File::from_std(file);
    if first > 0 {
        file.seek(SeekFrom::Start(first)).await?;
    }
    Ok(Excerpt::new(file, count))
}

fn to_folder(path: &str, query: Option<&str>) -> Answer {
    // Begins with one `/` and no second one, or `safe` had refused it: cannot lead to another host.
    let target = query.map_or_else(|| format!("{path}/"), |query| format!("{path}/?{query}"));
    let Ok(location) = HeaderValue::from_str(&target) else { return not_found() };
    let mut answer = plain(StatusCode::PERMANENT_REDIRECT, "the folder is at this path with a `/`");
    answer.headers_mut().insert(header::LOCATION, location);
    answer
}

/// The peer is told that there is no such file, whatever is in the way; whoever runs the gateway is told what it is.
fn missing(file: &Path, error: &io::Error, failures: &Often) -> Answer {
    if !find::is_absence(error)
        && let Some(untold) = failures.untold("file", Instant::now())
    {
        tracing::warn!(file = %file.display(), %error, untold, "file cannot be served; it was answered 404");
    }
    not_found()
}

fn not_found() -> Answer {
    plain(StatusCode::NOT_FOUND, "no such file")
}

fn plain(status: StatusCode, why: &str) -> Answer {
    let mut answer = text(status, why);
    let nosniff = HeaderValue::from_static("nosniff");
    answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    answer
}

fn content_type(file: &Path) -> &'static str {
    let extension = file
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or("")
        .to_ascii_lowercase();
    match extension.as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" | "md" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/vnd.microsoft.icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
