//! Files in real folders, asked for in every way.

use super::*;
use http_body_util::BodyExt;
use std::path::PathBuf;

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
    send(statics, request).await
}

async fn send(statics: &[Static], request: http::request::Builder) -> Option<(Answer, String)> {
    let failures = Often::default();
    let mut answer = respond(statics, &failures, &request.body(()).unwrap()).await?;
    assert!(failures.counts().is_empty(), "a peer made us warn");
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
            (StatusCode::NOT_FOUND, "no such file\n"),
            "{uri}"
        );
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_out_of_the_folder_is_not_followed() {
    let (temp, statics) = folder();
    std::os::unix::fs::symlink(temp.path().join("secret.txt"), temp.path().join("page/link.txt"))
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
async fn odd_names_are_not_found_and_nobody_is_warned() {
    let (_temp, statics) = folder();
    let long = format!("/{}", "x".repeat(300));
    let deep = "/x".repeat(3000);
    for uri in [&long, &deep, "/index.html/x", "/a%20b.js/sub/x", "/%0a", "/%7f", "/x%3ay"] {
        let (answer, text) = ask(&statics, "GET", uri, None).await.unwrap();
        let found = (answer.status(), text.as_str());
        assert_eq!(found, (StatusCode::NOT_FOUND, "no such file\n"), "{uri}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_a_hidden_file_is_not_served_and_a_link_out_is_not_announced() {
    use std::os::unix::fs::symlink;
    let (temp, statics) = folder();
    let page = temp.path().join("page");
    std::fs::create_dir_all(page.join(".git/objects")).unwrap();
    std::fs::write(page.join(".git/index.html"), "hidden").unwrap();
    std::fs::create_dir_all(temp.path().join("outside")).unwrap();
    for (to, name) in [
        (page.join(".env"), "env"),
        (page.join(".git"), "git"),
        (page.join(".git/objects"), "objects"),
        (temp.path().join("outside"), "outside"),
        (temp.path().join("nowhere"), "nowhere"),
        (temp.path().to_owned(), "up"),
        (page.join("loop"), "loop"),
    ] {
        symlink(to, page.join(name)).unwrap();
    }
    let names =
        ["env", "git", "git/", "git/index.html", "objects", "outside", "outside/", "nowhere"];
    for name in names.into_iter().chain(["up", "up/secret.txt", "up/page/.env", "loop", "loop/"]) {
        let (answer, text) = ask(&statics, "GET", &format!("/{name}"), None).await.unwrap();
        let found = (answer.status(), text.as_str());
        assert_eq!(found, (StatusCode::NOT_FOUND, "no such file\n"), "{name}");
    }
}

#[cfg(unix)]
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_link_that_comes_between_looking_and_opening_leads_nowhere() {
    let (temp, _statics) = folder();
    let root = temp.path().canonicalize().unwrap().join("page");
    let file = root.join("sub/index.html");
    assert!(find::open(&root, file.clone()).is_ok());
    std::fs::rename(root.join("sub"), temp.path().join("other")).unwrap();
    std::os::unix::fs::symlink(temp.path().join("other"), root.join("sub")).unwrap();
    assert!(file.is_file(), "by its path it is there");
    let error = find::open(&root, file).unwrap_err();
    assert!(find::is_absence(&error), "{error}");
}

#[tokio::test]
async fn what_somebody_resumes_is_not_joined_to_another_version() {
    let (_temp, statics) = folder();
    let ask = |tag: &'static str| {
        let request = Request::builder().uri("/").header(header::RANGE, "bytes=1-3");
        send(&statics, request.header(header::IF_MATCH, tag))
    };
    let (answer, text) = ask("\"old\"").await.unwrap();
    assert_eq!(answer.status(), StatusCode::PRECONDITION_FAILED, "{text}");
    assert_eq!(ask("*").await.unwrap().0.status(), StatusCode::PARTIAL_CONTENT);
}

#[tokio::test]
async fn a_pipe_is_no_file_and_nobody_waits_at_it() {
    let (temp, statics) = folder();
    let pipe = temp.path().join("page/pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert_eq!(
        ask(&statics, "GET", "/pipe", None).await.unwrap().0.status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_range_is_served_and_one_that_is_not_there_is_refused() {
    let (_temp, statics) = folder();
    let part = async |range: &str| {
        let request = Request::builder().uri("/").header(header::RANGE, range);
        let (answer, text) = send(&statics, request).await.unwrap();
        let range = answer.headers()[header::CONTENT_RANGE].to_str().unwrap().to_owned();
        let length = answer.headers()[header::CONTENT_LENGTH].to_str().unwrap().to_owned();
        assert_eq!(length, text.len().to_string());
        (answer.status().as_u16(), range, text)
    };
    assert_eq!(part("bytes=4-8").await, (206, "bytes 4-8/14".into(), "hello".into()));
    assert_eq!(part("bytes=-5").await, (206, "bytes 9-13/14".into(), "</h1>".into()));
    assert_eq!(part("bytes=14-").await, (416, "bytes */14".into(), String::new()));
}

#[tokio::test]
async fn a_file_of_any_size_is_read_while_it_is_sent() {
    let (temp, statics) = folder();
    let length = 3 << 30;
    let file = std::fs::File::create(temp.path().join("page/big.bin")).unwrap();
    file.set_len(length).unwrap();
    let request = Request::builder().uri("/big.bin").body(()).unwrap();
    let mut answer = respond(&statics, &Often::default(), &request).await.unwrap();
    assert_eq!(answer.headers()[header::CONTENT_LENGTH], length.to_string());
    for _ in 0..10 {
        let frame = answer.body_mut().frame().await.unwrap().unwrap();
        assert!(frame.into_data().unwrap().len() <= 32 << 10);
    }
}

#[tokio::test]
async fn a_file_that_becomes_shorter_ends_its_answer_and_is_not_filled_up() {
    let (temp, statics) = folder();
    let path = temp.path().join("page/shrinks.bin");
    std::fs::write(&path, vec![7; 100_000]).unwrap();
    let request = Request::builder().uri("/shrinks.bin").body(()).unwrap();
    let answer = respond(&statics, &Often::default(), &request).await.unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
    let error = answer.into_body().collect().await.expect_err("it is not whole");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn what_is_in_the_way_on_our_side_is_counted_and_not_told_to_the_peer() {
    let statics = [Static { path: "/".into(), dir: PathBuf::from("/dev/null/page") }];
    let failures = Often::default();
    let request = Request::builder().uri("/x").body(()).unwrap();
    let answer = respond(&statics, &failures, &request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert!(failures.counts().is_empty(), "an absence is nothing to warn of");
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    assert_eq!(missing(Path::new("x"), &denied, &failures).status(), StatusCode::NOT_FOUND);
    assert_eq!(failures.counts().get("file"), Some(&1));
}
