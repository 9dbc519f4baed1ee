//! Serves the files of `[[static]]` folders: plain GET and HEAD, whole files up to a limit, nothing hidden.

use super::Answer;
use crate::settings::Static;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};
use tokio::io::AsyncReadExt;

/// The largest file that is served; files are read whole.
const FILE_MAX: u64 = 8 << 20;

/// The answer to a plain request; none when no folder is served at its path, or it is not a GET or HEAD.
///
/// The folder with the longest matching path answers.
pub(crate) async fn respond<B>(statics: &[Static], request: &Request<B>) -> Option<Answer> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let path = request.uri().path();
    let matching = statics.iter().filter_map(|folder| Some((folder, below(&folder.path, path)?)));
    let (folder, rest) = matching.max_by_key(|(folder, _)| folder.path.len())?;
    let Some(relative) = safe(rest) else {
        return Some(refuse(StatusCode::NOT_FOUND, "no such file"));
    };
    Some(match find(&folder.dir, &relative, path).await {
        Ok(Found::File(file, metadata)) => deliver(&file, &metadata, request).await,
        Ok(Found::Folder) => to_folder(path, request.uri().query()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            refuse(StatusCode::NOT_FOUND, "no such file")
        }
        Err(error) => unreadable(&folder.dir.join(&relative), &error),
    })
}

/// What comes after the served path, if the request lies below it: `/page` serves `/page` and `/page/x`, not `/pages`.
fn below<'a>(served: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(served.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// The path inside the folder. None for everything that could lead out of it or to a hidden file.
fn safe(rest: &str) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    let mut segments = rest.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_none() {
            break;
        }
        let name = decode(segment)?;
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', ':', '\0']) {
            return None;
        }
        relative.push(name);
    }
    Some(relative)
}

/// Percent-decoding (RFC 3986 section 2.1); none when it is not well formed or not UTF-8.
fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

enum Found {
    File(PathBuf, Metadata),
    /// A folder asked for without its last `/`: its relative links would lead astray.
    Folder,
}

/// The file behind a path, links followed as long as they stay in the folder.
async fn find(dir: &Path, relative: &Path, asked: &str) -> std::io::Result<Found> {
    let root = tokio::fs::canonicalize(dir).await?;
    let mut file = tokio::fs::canonicalize(root.join(relative)).await?;
    let mut metadata = tokio::fs::metadata(&file).await?;
    if metadata.is_dir() {
        if !asked.ends_with('/') {
            return Ok(Found::Folder);
        }
        file = tokio::fs::canonicalize(file.join("index.html")).await?;
        metadata = tokio::fs::metadata(&file).await?;
    } else if asked.ends_with('/') {
        return Err(std::io::ErrorKind::NotFound.into());
    }
    if !file.starts_with(&root) || !metadata.is_file() {
        return Err(std::io::ErrorKind::NotFound.into());
    }
    Ok(Found::File(file, metadata))
}

async fn deliver<B>(file: &Path, metadata: &Metadata, request: &Request<B>) -> Answer {
    if metadata.len() > FILE_MAX {
        tracing::warn!(file = %file.display(), bytes = metadata.len(), limit = FILE_MAX, "file is too large to be served");
        return refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the file is larger than 8 MiB and is not served",
        );
    }
    let tag = tag(metadata);
    let mut answer = Response::new(Full::default());
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A page may change at any time: browsers ask again, and get 304 when it has not.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(file)));
    let known = request
        .headers()
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| Some(known) == tag.as_ref());
    if let Some(tag) = tag {
        headers.insert(header::ETAG, tag);
    }
    if known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return answer;
    }
    if request.method() == Method::HEAD {
        answer.headers_mut().insert(header::CONTENT_LENGTH, metadata.len().into());
        return answer;
    }
    match read(file).await {
        Ok(bytes) => *answer.body_mut() = Full::new(bytes),
        Err(error) => return unreadable(file, &error),
    }
    answer
}

/// The file's bytes, no more than the limit even if it has grown since it was looked at.
async fn read(file: &Path) -> std::io::Result<Bytes> {
    let mut bytes = Vec::new();
    tokio::fs::File::open(file).await?.take(FILE_MAX).read_to_end(&mut bytes).await?;
    Ok(bytes.into())
}

/// Changes when the file does: its length and the time of its last change.
fn tag(metadata: &Metadata) -> Option<HeaderValue> {
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    HeaderValue::from_str(&format!("W/\"{:x}-{:x}\"", metadata.len(), changed.as_nanos())).ok()
}

fn to_folder(path: &str, query: Option<&str>) -> Answer {
    let mut answer =
        refuse(StatusCode::PERMANENT_REDIRECT, "the folder is at this path with a `/`");
    // Begins with one `/` and no second one, or `safe` had refused it: cannot lead to another host.
    let target = query.map_or_else(|| format!("{path}/"), |query| format!("{path}/?{query}"));
    match HeaderValue::from_str(&target) {
        Ok(location) => drop(answer.headers_mut().insert(header::LOCATION, location)),
        Err(_) => return refuse(StatusCode::NOT_FOUND, "no such file"),
    }
    answer
}

fn unreadable(file: &Path, error: &std::io::Error) -> Answer {
    tracing::warn!(file = %file.display(), %error, "file cannot be served");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read")
}

fn refuse(status: StatusCode, why: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(why.as_bytes())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
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
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    /// A folder with pages, a hidden file, and a secret beside it.
    fn folder() -> (tempfile::TempDir, Vec<Static>) {
        let temp = tempfile::tempdir().unwrap();
        let page = temp.path().join("page");
        std::fs::create_dir_all(page.join("sub")).unwrap();
        std::fs::write(page.join("index.html"), "<h1>hello</h1>").unwrap();
        std::fs::write(page.join("a b.js"), "1").unwrap();
        std::fs::write(page.join(".env"), "hidden").unwrap();
        std::fs::write(page.join("sub/index.html"), "sub").unwrap();
        std::fs::write(temp.path().join("secret.txt"), "secret").unwrap();
        let served = |path: &str| Static { path: path.into(), dir: page.clone() };
        let statics = vec![served("/"), Static { path: "/deep".into(), dir: page.join("sub") }];
        (temp, statics)
    }

    async fn ask(
        statics: &[Static],
        method: &str,
        uri: &str,
        tag: Option<&HeaderValue>,
    ) -> Option<(Answer, String)> {
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let mut answer = respond(statics, &request.body(()).unwrap()).await?;
        let body = answer.body_mut().collect().await.unwrap().to_bytes();
        Some((answer, String::from_utf8(body.into()).unwrap()))
    }

    #[tokio::test]
    async fn files_are_served_with_their_type_and_without_sniffing() {
        let (_temp, statics) = folder();
        for (uri, content_type, body) in [
            ("/", "text/html; charset=utf-8", "<h1>hello</h1>"),
            ("/index.html?x=1", "text/html; charset=utf-8", "<h1>hello</h1>"),
            ("/a%20b.js", "text/javascript; charset=utf-8", "1"),
            ("/sub/", "text/html; charset=utf-8", "sub"),
            ("/deep/index.html", "text/html; charset=utf-8", "sub"),
        ] {
            let (answer, text) = ask(&statics, "GET", uri, None).await.unwrap();
            assert_eq!((answer.status(), text.as_str()), (StatusCode::OK, body), "{uri}");
            assert_eq!(answer.headers()[header::CONTENT_TYPE], content_type, "{uri}");
            assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }

    #[tokio::test]
    async fn nothing_outside_the_folder_and_nothing_hidden_is_served() {
        let (_temp, statics) = folder();
        for uri in [
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/sub/..%2f..%2fsecret.txt",
            "/sub/%2e%2e/%2e%2e/secret.txt",
            "/..%5csecret.txt",
            "/.env",
            "/%2eenv",
            "//etc/passwd",
            "/index.html%00.js",
            "/index.html/",
            "/%zz",
            "/nothing",
        ] {
            let (answer, text) = ask(&statics, "GET", uri, None).await.unwrap();
            assert_eq!(
                (answer.status(), text.as_str()),
                (StatusCode::NOT_FOUND, "no such file"),
                "{uri}"
            );
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_out_of_the_folder_is_not_followed() {
        let (temp, statics) = folder();
        std::os::unix::fs::symlink(
            temp.path().join("secret.txt"),
            temp.path().join("page/link.txt"),
        )
        .unwrap();
        std::os::unix::fs::symlink(
            temp.path().join("page/index.html"),
            temp.path().join("page/inside.html"),
        )
        .unwrap();
        assert_eq!(
            ask(&statics, "GET", "/link.txt", None).await.unwrap().0.status(),
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            ask(&statics, "GET", "/inside.html", None).await.unwrap().0.status(),
            StatusCode::OK
        );
    }

    #[tokio::test]
    async fn head_has_the_length_and_no_body() {
        let (_temp, statics) = folder();
        let (answer, text) = ask(&statics, "HEAD", "/", None).await.unwrap();
        assert_eq!(answer.headers()[header::CONTENT_LENGTH], "14");
        assert_eq!(text, "");
    }

    #[tokio::test]
    async fn what_the_browser_has_is_not_sent_again_until_it_changes() {
        let (temp, statics) = folder();
        let (first, _) = ask(&statics, "GET", "/", None).await.unwrap();
        let tag = first.headers()[header::ETAG].clone();
        let (again, text) = ask(&statics, "GET", "/", Some(&tag)).await.unwrap();
        assert_eq!((again.status(), text.as_str()), (StatusCode::NOT_MODIFIED, ""));
        std::fs::write(temp.path().join("page/index.html"), "changed").unwrap();
        assert_eq!(ask(&statics, "GET", "/", Some(&tag)).await.unwrap().1, "changed");
    }

    #[tokio::test]
    async fn a_folder_without_its_slash_is_redirected() {
        let (_temp, statics) = folder();
        let (answer, _) = ask(&statics, "GET", "/sub?x=1", None).await.unwrap();
        assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(answer.headers()[header::LOCATION], "/sub/?x=1");
    }

    #[tokio::test]
    async fn other_methods_and_other_paths_are_not_ours() {
        let (_temp, statics) = folder();
        assert!(ask(&statics, "POST", "/", None).await.is_none());
        let deep = statics.get(1..).unwrap();
        assert!(ask(deep, "GET", "/deeper", None).await.is_none());
        assert!(ask(deep, "GET", "/", None).await.is_none());
    }

    #[tokio::test]
    async fn a_file_over_the_limit_is_refused() {
        let (temp, statics) = folder();
        let file = std::fs::File::create(temp.path().join("page/big.bin")).unwrap();
        file.set_len(FILE_MAX + 1).unwrap();
        let (answer, text) = ask(&statics, "GET", "/big.bin", None).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(text.contains("8 MiB"), "{text}");
    }
}
