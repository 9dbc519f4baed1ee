//! Telemetry as its owner sees it.

use super::*;
use futures_util::future::BoxFuture;
use tengen_core::{
    sink::{Refusal, Signal, Sink},
    testing::somebody_listens,
};
use tracing_subscriber::layer::SubscriberExt;

/// Keeps the messages of signals of one namespace: the log is the process's, and other tests write to it too.
#[derive(Debug)]
struct Diary {
    namespace: &'static str,
    messages: Mutex<Vec<String>>,
    answer: Option<&'static str>,
}

impl Diary {
    fn new(namespace: &'static str) -> Arc<Self> {
        Arc::new(Self { namespace, messages: Mutex::default(), answer: None })
    }

    fn messages(&self) -> Vec<String> {
        self.messages.lock().unwrap().clone()
    }
}

impl Sink for Diary {
    fn deliver<'a>(
        &'a self,
        signals: &'a [Arc<Signal>],
        _: u32,
    ) -> BoxFuture<'a, Result<usize, Refusal>> {
        Box::pin(async move {
            let ours = signals.iter().filter(|signal| signal.namespace.starts_with(self.namespace));
            self.messages.lock().unwrap().extend(ours.map(|signal| signal.message.to_string()));
            if let Some(answer) = self.answer {
                tracing::info!(target: "feedback", "{answer}");
            }
            Ok(signals.len())
        })
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

fn quiet() -> Telemetry {
    with(&[])
}

fn with(variables: &[(&str, &str)]) -> Telemetry {
    let lookup = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned()).ok_or(std::env::VarError::NotPresent)
    };
    let environment = Environment::new(&lookup);
    start_with(&settings::Telemetry::default(), "node", environment, Arc::default())
}

fn plugin(name: &str) -> settings::Sink {
    settings::Sink::of_plugin(name)
}

fn attach(telemetry: &Telemetry, name: &str, sink: &Arc<Diary>) {
    telemetry.attach_sink(&plugin(name), sink.clone(), &TaskTracker::new()).unwrap();
}

/// What is said goes to these sinks.
fn tapped(telemetry: &Telemetry) -> tracing::subscriber::DefaultGuard {
    somebody_listens();
    let layer = pipe::Layer(Arc::clone(&telemetry.pipe));
    tracing::subscriber::set_default(tracing_subscriber::registry().with(layer))
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_sink_gets_every_record_from_its_attachment_on() {
    let telemetry = quiet();
    let _log = tapped(&telemetry);
    let (first, second) = (Diary::new("both"), Diary::new("both"));
    attach(&telemetry, "first", &first);
    tracing::info!(target: "both", "one");
    attach(&telemetry, "second", &second);
    tracing::info!(target: "both", "two");
    let report = telemetry.shutdown(MINUTE).await;
    tracing::info!(target: "both", "too late");
    assert!(report.is_complete(), "{report}");
    assert_eq!(first.messages(), ["one", "two"]);
    assert_eq!(second.messages(), ["two"]);
    let stats = &telemetry.stats().sinks["second"];
    assert_eq!(stats.accepted, stats.processed);
}

#[tokio::test]
async fn what_is_logged_while_a_sink_is_served_goes_to_no_sink() {
    let telemetry = quiet();
    let _log = tapped(&telemetry);
    let noisy = Arc::new(Diary {
        namespace: "feedback",
        messages: Mutex::default(),
        answer: Some("delivered"),
    });
    attach(&telemetry, "noisy", &noisy);
    tracing::info!(target: "feedback", "begin");
    telemetry.shutdown(MINUTE).await;
    assert_eq!(noisy.messages(), ["begin"]);
}

#[tokio::test]
async fn what_a_sinks_own_plugin_logs_goes_to_no_sink() {
    let telemetry = quiet();
    let _log = tapped(&telemetry);
    let diary = Diary::new("plugin");
    attach(&telemetry, "log-sink", &diary);
    tracing::info!(target: "plugin", plugin = "log-sink", "by itself");
    tracing::info!(target: "plugin::engine", plugin = %"log-sink", "about itself");
    tracing::info!(target: "plugin", plugin = "chat", "by chat");
    telemetry.shutdown(MINUTE).await;
    assert_eq!(diary.messages(), ["by chat"]);
}

#[tokio::test]
async fn sinks_can_end_before_the_plugins_behind_them_do() {
    let (telemetry, tasks) = (quiet(), TaskTracker::new());
    let _log = tapped(&telemetry);
    let diary = Diary::new("early");
    telemetry.attach_sink(&plugin("early"), diary.clone(), &tasks).unwrap();
    tracing::info!(target: "early", "one");
    telemetry.stop_sinks(MINUTE).await;
    tasks.close();
    tokio::time::timeout(MINUTE, tasks.wait()).await.expect("no task is left");
    assert_eq!(diary.messages(), ["one"]);
    let report = telemetry.shutdown(MINUTE).await;
    assert!(report.is_complete(), "{report}");
}

#[tokio::test]
async fn a_second_sink_of_the_same_name_is_refused() {
    let telemetry = quiet();
    let _log = tapped(&telemetry);
    let (first, second) = (Diary::new("twice"), Diary::new("twice"));
    attach(&telemetry, "same", &first);
    let refused = telemetry.attach_sink(&plugin("same"), second.clone(), &TaskTracker::new());
    assert!(refused.unwrap_err().to_string().contains("of this name already"));
    tracing::info!(target: "twice", "one");
    telemetry.shutdown(MINUTE).await;
    assert_eq!((first.messages().len(), second.messages().len()), (1, 0));
}

fn start() -> trace::Start<'static> {
    trace::Start {
        operation: "x",
        target: "",
        kind: trace::Kind::Internal,
        parent: None,
        link: None,
        at: None,
    }
}

#[test]
fn without_an_endpoint_tracing_is_off() {
    let telemetry = quiet();
    assert!(telemetry.tracer().start(start()).context().is_none());
    assert_eq!(telemetry.stats().spans, None);
}

#[test]
fn statistics_are_json() {
    let spans = stats::SpanStats {
        endpoint: "http://a:1".into(),
        protocol: "grpc",
        ..stats::SpanStats::default()
    };
    let stats = Stats { spans: Some(spans), ..Stats::default() };
    let json = serde_json::to_value(&stats).unwrap();
    assert_eq!(json["spans"]["dropped"]["queue_full"], 0);
    assert_eq!(json["spans"]["last_error"], serde_json::Value::Null);
}

// The keys that some collectors take in their address were in the statistics.
#[test]
fn statistics_show_no_query() {
    let telemetry = with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9/otlp?api-key=k")]);
    let spans = telemetry.stats().spans.expect("there is tracing");
    assert_eq!(spans.endpoint, "http://127.0.0.1:9/otlp/v1/traces");
    let telemetry = with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:9?api-key=k")]);
    let why = telemetry.stats().no_spans.expect("it has no scheme");
    assert!(why.contains("`127.0.0.1:9` has no scheme") && !why.contains("api-key"), "{why}");
}

// A certificate that was a pipe, which nobody wrote to, stopped the start.
#[test]
fn a_certificate_that_is_a_pipe_stops_no_start() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("ca.pem");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let telemetry = with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:9"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", pipe.to_str().unwrap()),
    ]);
    let why = telemetry.stats().no_spans.expect("there is no certificate");
    assert!(why.contains("a pipe"), "{why}");
}

// A mistake in a variable that was meant for all processes ended this one.
#[test]
fn what_is_wrong_with_tracing_is_told_and_ends_nothing() {
    for (variables, why) in [
        (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector")][..], "neither `http://` nor"),
        (
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:9"),
                ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent/ca.pem"),
            ],
            "`/nonexistent/ca.pem`: No such file",
        ),
    ] {
        let telemetry = with(variables);
        let stats = telemetry.stats();
        assert_eq!(stats.spans, None);
        let told = stats.no_spans.unwrap();
        assert!(told.contains(why), "{told}");
        assert!(!telemetry.tracer().start(start()).is_recording());
    }
    assert_eq!(quiet().stats().no_spans, None, "nobody asked for it");
}

#[track_caller]
fn check_resource(file: Option<&str>, variables: &[(&str, &str)], name: &str) {
    let otlp = Some(settings::Otlp::new("http://127.0.0.1:4317"));
    let service_name = file.map(Into::into);
    let settings = settings::Telemetry { otlp, service_name, ..settings::Telemetry::default() };
    let lookup = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned()).ok_or(std::env::VarError::NotPresent)
    };
    let plan = Plan::new(&settings, &Environment::new(&lookup)).unwrap().unwrap();
    let resource = plan::resource(&plan.attributes, &plan.service_name, "node-1");
    let value = |key: &'static str| resource.get(&key.into()).map(|value| value.to_string());
    assert_eq!(value("service.name").as_deref(), Some(name));
    assert_eq!(value("service.instance.id").as_deref(), Some("node-1"));
    assert_eq!(value("service.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(value("telemetry.sdk.language").as_deref(), Some("rust"));
    if !variables.is_empty() {
        assert_eq!(value("team").as_deref(), Some("north side"));
    }
}

#[test]
fn the_resource_says_who_we_are() {
    const ATTRIBUTES: (&str, &str) =
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=among,team=north%20side");
    const NAME: (&str, &str) = ("OTEL_SERVICE_NAME", "variable");
    check_resource(None, &[], "tengen");
    check_resource(None, &[ATTRIBUTES], "among");
    check_resource(None, &[ATTRIBUTES, NAME], "variable");
    check_resource(Some("file"), &[ATTRIBUTES, NAME], "file");
}
