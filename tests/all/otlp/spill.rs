//! Spans on the disk, while no collector takes them.

use super::{SECOND, make, sending, spans_of};
use std::net::SocketAddr;
use support::otlp::Collector;
use tengen_settings::{Otlp, SpanSpill};
use tengen_telemetry::{Telemetry, stats::SpanStats};
use tokio::time::{interval, timeout};

async fn until(telemetry: &Telemetry, what: impl Fn(&SpanStats) -> bool) -> SpanStats {
    let mut look = interval(SECOND / 100);
    let waiting = async {
        loop {
            look.tick().await;
            let stats = spans_of(telemetry);
            if what(&stats) {
                return stats;
            }
        }
    };
    let waited = timeout(60 * SECOND, waiting).await;
    waited.unwrap_or_else(|_| panic!("{:#?}", spans_of(telemetry)))
}

#[tokio::test]
async fn spans_wait_on_the_disk_for_a_collector_and_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::grpc().await.unwrap();
    let address: SocketAddr =
        collector.endpoint().strip_prefix("http://").unwrap().parse().unwrap();
    let otlp = || Otlp {
        spill: Some(SpanSpill::new(folder.path().join("spans"))),
        metrics: Some(false),
        ..Otlp::new(format!("http://{address}"))
    };
    // Nobody has been asked yet, so nothing of it stays.
    drop(collector);
    let first = sending(otlp());
    make(&*first.tracer(), 300);
    let stats = until(&first, |stats| stats.spilled == 300).await;
    assert_eq!((stats.exported, stats.dropped.total()), (0, 0), "{stats:?}");
    make(&*first.tracer(), 50);
    let report = first.shutdown(10 * SECOND).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.spans_kept, 350);
    assert!(report.to_string().contains("350 spans wait on the disk"), "{report}");

    let second = sending(otlp());
    make(&*second.tracer(), 10);
    let collector = Collector::grpc_at(address).await.unwrap();
    let stats = until(&second, |stats| stats.exported == 360).await;
    assert_eq!((stats.ended, stats.spilled, stats.dropped.total()), (360, 0, 0), "{stats:?}");
    assert_eq!(collector.spans().len(), 360);
    let report = second.shutdown(10 * SECOND).await;
    assert!(report.is_complete(), "{report}");
}
