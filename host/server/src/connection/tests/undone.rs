//! What is undone when a connection ends, however it ends, and how soon.

use super::*;
use tengen_core::{event::Event, event::Occurrence};

/// What a handler was told of connections.
#[derive(Debug, Default)]
struct Diary {
    told: std::sync::Mutex<Vec<&'static str>>,
    panics: bool,
}

impl Handler for Diary {
    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        let what = match event.what {
            Occurrence::Opened => "opened",
            Occurrence::Closed(closing) if closing.code == 1011 => "closed by a failure",
            Occurrence::Closed(_) => "closed",
            _ => "message",
        };
        self.told.lock().unwrap().push(what);
        assert!(!(self.panics && what == "message"), "as asked");
        Ok(())
    }
}

async fn opened(panics: bool) -> (Bench, Arc<Diary>) {
    let diary = Arc::new(Diary { panics, ..Diary::default() });
    let keeper = Some(Arc::clone(&diary) as Arc<dyn Handler>);
    let mut bench = connect(Setup { keeper, ..Setup::default() }).await;
    bench.text().await;
    assert_eq!(bench.hub.len(), 1);
    (bench, diary)
}

fn nothing_is_left(bench: &Bench, diary: &Diary) {
    assert_eq!(*diary.told.lock().unwrap().last().unwrap(), "closed by a failure");
    assert!(bench.hub.is_empty());
    assert_eq!(bench.hub.budget().held(), 0);
    assert_eq!(Arc::strong_count(&bench.link), 1, "nobody keeps the link");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_connections_task_leaves_nothing_of_it() {
    let (mut bench, diary) = opened(true).await;
    bench.send(r#"[["a/b"]]"#).await;
    assert_eq!((&mut bench.ended).await.unwrap(), Reason::Internal);
    nothing_is_left(&bench, &diary);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_task_leaves_nothing_of_its_connection() {
    let (mut bench, diary) = opened(false).await;
    bench.send(r#"[["a/b""#).await;
    bench.ended.abort();
    assert!((&mut bench.ended).await.unwrap_err().is_cancelled());
    nothing_is_left(&bench, &diary);
}

#[tokio::test(start_paused = true)]
async fn a_leaving_connection_is_woken_by_its_last_decision() {
    let keeper = Arc::new(Keeper::default());
    let handler = Some(Arc::clone(&keeper) as Arc<dyn Handler>);
    let mut bench = connect(Setup { keeper: handler, ..Setup::default() }).await;
    bench.text().await;
    bench.send(r#"[["a/slow"]]"#).await;
    bench.send(r#"[["chsk/ws-ping"],"cb"]"#).await;
    bench.text().await;
    bench.link.send_away();
    let early = time::timeout(Duration::from_millis(5), bench.peer.next()).await;
    assert!(early.is_err(), "it leaves before its event is decided");
    let decided = time::Instant::now();
    // Decided without a word: nothing else wakes it.
    keeper.0.lock().unwrap().clear();
    assert_eq!(bench.close_code().await, 1012);
    assert_eq!(decided.elapsed(), Duration::ZERO);
}

/// A handler that breaks as soon as it hears of a connection.
#[derive(Debug)]
struct Broken;

impl Handler for Broken {
    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        assert!(!matches!(event.what, Occurrence::Opened), "as asked");
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_frame_leaves_before_any_handler_hears_of_the_connection() {
    let mut bench = connect(Setup { handler: Some(Arc::new(Broken)), ..Setup::default() }).await;
    assert!(bench.text().await.starts_with(r#"[["chsk/handshake""#));
    assert_eq!(bench.close_code().await, 1011);
    assert_eq!(bench.ended.await.unwrap(), Reason::Internal);
}
