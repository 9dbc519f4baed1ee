//! `tengen test`: scripts against real plugins, by the program.

use super::{Gateway, guest, run, tengen, text, watch};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

/// A plugin's configuration, which keeps compiled components where the tests of the whole gateway do.
fn config(component: &str, more: &str) -> String {
    let file = guest(component);
    let cache = file.ancestors().nth(2).unwrap().join("guests-cache");
    format!("[server]\ncache = {cache:?}\n[plugin.it]\nfile = {file:?}\n{more}")
}

/// Plays a script, with further arguments.
fn play(config: &str, script: &str, args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let (settings, lines) =
        (put(folder.path(), "tengen.toml", config), put(folder.path(), "it.jsonl", script));
    run(&[&["test", ".", &lines, "--config", &settings], args].concat())
}

fn put(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// It ended with this code; what it said.
#[track_caller]
fn ended(output: &Output, code: i32) -> String {
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

/// All steps went as expected.
#[track_caller]
fn goes_well(config: &str, script: &str) {
    let said = ended(&play(config, script, &["--show"]), 0);
    assert!(said.contains("ok "), "{said}");
}

#[test]
fn the_rooms_decide_alike_in_every_language() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/room/tests/room.jsonl");
    let script = fs::read_to_string(script).unwrap();
    let mut played = Vec::new();
    for language in ["rust", "c", "js", "python", "go"] {
        let component = format!("room_{language}.wasm");
        // One whose tools are missing is named by the tests of the languages.
        let is_there = guest("room_rust.wasm").with_file_name(&component).is_file();
        if is_there {
            let grant = "memory = \"64MiB\"\ndeadline = \"2s\"\ngrant.publish = [\"room/*\"]\n";
            goes_well(&config(&component, grant), &script);
            played.push(language);
        }
    }
    assert!(played.contains(&"rust"), "{played:?}");
}

#[test]
fn what_went_differently_is_shown_beside_what_was_expected() {
    let script = r#"{"open":"ann"}
{"as":"ann","send":"room/join","data":{"room":"tea","name":"Ann"},"ask":true,"expect":[{"reply":{"members":2}},{"subscribe":"room/tea","connection":"ann"},{"publish":"room/joined","channel":"room/tea","data":{"name":"Ann"},"except":"ann"}]}
{"as":"ann","send":"room/who"}"#;
    let settings = config("room_rust.wasm", "grant.publish = [\"room/*\"]\n");
    let said = ended(&play(&settings, script, &[]), 1);
    for line in [
        "it.jsonl:2: the effects are others",
        r#"    - {"reply":{"members":2}}"#,
        r#"    + {"reply":{"members":1}}"#,
        r#"      {"connection":"ann","key":"room/tea","subscribe":"room/tea"}"#,
        "1 of 1 script failed",
    ] {
        assert!(said.contains(line), "no `{line}` in {said}");
    }
}

#[test]
fn what_is_not_granted_is_refused_as_in_the_gateway() {
    let script = r#"{"open":"ann"}
{"as":"ann","send":"room/join","data":{"room":"tea","name":"Ann"},"ask":true,"includes":[{"refused":"subscribe","why":{"id":"not-allowed","message":"grant.publish"}}]}"#;
    goes_well(&config("room_rust.wasm", ""), script);
    let foreign = r#"{"open":"ann"}
{"as":"ann","send":"room/who","ask":true,"expect":[{"gateway":"*","to":"ann"}]}"#;
    let route = "[[route]]\nevent = \"other/*\"\nplugin = \"it\"\n";
    goes_well(&config("room_rust.wasm", route), foreign);
}

#[test]
fn hours_pass_at_once_and_timers_fire_in_their_turn() {
    let script = r#"{"open":"ann"}
{"as":"ann","send":"timers/set","data":{"key":"soon","ms":60000},"expect":[{"set-timer":"soon","after-ms":60000,"connection":"ann"}]}
{"as":"ann","send":"timers/set","data":{"key":"late","ms":7200000,"own":true},"expect":[{"set-timer":"late","after-ms":7200000}]}
{"as":"ann","send":"timers/set","data":{"key":"never","ms":1000}}
{"as":"ann","send":"timers/cancel","data":{"key":"never"},"expect":[{"cancel-timer":"never","connection":"ann"}]}
{"pass":"59s","expect":[]}
{"pass":"3h","expect":[{"push":"timers/fired","to":"ann","data":"soon"},{"publish":"timers/fired","channel":"timers/own","data":"late"}]}
{"pass":"24h","expect":[]}"#;
    goes_well(&config("handler_timers.wasm", "grant.publish = [\"timers/*\"]\n"), script);
}

#[test]
fn servers_answer_what_the_script_says_behind_the_gate() {
    let script = r#"{"open":"ann"}
{"as":"ann","send":"fetch/send","data":{"name":"f","url":"https://api.example.com/x"},"includes":[{"fetch":"f","method":"GET","url":"https://api.example.com/x"}]}
{"fetched":"f","status":201,"headers":{"Content-Type":"application/json"},"body":{"x":1},"expect":[{"push":"fetch/done","to":"ann","data":{"name":"f","status":201,"headers":["content-type"],"body":"{\"x\":1}"}}]}
{"as":"ann","send":"fetch/send","data":{"name":"g","url":"https://api.example.com/y"}}
{"fetched":"g","error":"timeout","includes":[{"push":"fetch/done","data":{"name":"g","fault":"timeout"}}]}
{"as":"ann","send":"fetch/send","data":{"name":"h","url":"https://elsewhere.example.com/"},"includes":[{"refused":"fetch","why":{"id":"not-allowed"}}]}"#;
    let settings = config("handler_fetches.wasm", "grant.http = [\"api.example.com\"]\n");
    goes_well(&settings, script);
    let nothing = r#"{"fetched":"f"}"#;
    let said = ended(&play(&settings, nothing, &[]), 2);
    assert!(said.contains("it.jsonl:1: no request `f` is under way"), "{said}");
}

#[test]
fn values_are_there_for_the_plugin_and_questions_are_answered_or_given_up() {
    let script = r#"{"open":"ann"}
{"put":"k","bucket":"b","value":"v1"}
{"as":"ann","send":"keeps/get","data":{"bucket":"b","key":"k"},"ask":true,"expect":[{"reply":["v1","*"]}]}
{"as":"ann","send":"keeps/put","data":{"bucket":"b","key":"k","value":"v2"},"includes":[{"put":"k","bucket":"b","value":"v2"}]}
{"as":"ann","send":"keeps/get","data":{"bucket":"b","key":"k"},"ask":true,"expect":[{"reply":["v2","*"]}]}"#;
    goes_well(&config("handler_keeps.wasm", "grant.kv = [\"b\"]\n"), script);
    let script = r#"{"open":"ann"}
{"as":"ann","send":"asks/listen"}
{"as":"ann","send":"asks/ask","data":{"name":"one"},"includes":[{"ask":"app/question","to":"ann","name":"one"}]}
{"as":"ann","answer":"app/question","value":42,"expect":[{"push":"asks/heard","to":"ann","data":{"of":"*","name":"one","value":42}}]}
{"as":"ann","send":"asks/ask","data":{"name":"two","ms":5000}}
{"pass":"4999ms","expect":[]}
{"pass":"1ms","includes":[{"push":"asks/heard","data":{"name":"two","fault":"timeout"}}]}"#;
    goes_well(&config("handler_asks.wasm", ""), script);
}

const BREAKS: &str = r#"{"open":"ann"}
{"as":"ann","send":"broken/divide","data":1,"ask":true}"#;

#[test]
fn a_call_that_breaks_fails_the_script_with_its_place_unless_it_is_expected() {
    let settings = config("handler_broken.wasm", "");
    let said = ended(&play(&settings, BREAKS, &[]), 1);
    assert!(said.contains("it.jsonl:2: a call broke: ") && said.contains("src/lib.rs"), "{said}");
    let expected = r#"{"open":"ann"}
{"as":"ann","send":"broken/divide","data":1,"ask":true,"expect":[{"failed":{"id":"plugin-failed","message":"failed"}},{"broke":"index out of bounds"}]}
{"as":"ann","send":"broken/nothing","ask":true,"expect":[{"reply":0}]}"#;
    goes_well(&settings, expected);
}

#[test]
fn what_comes_together_is_one_call_and_costs_the_guilty_event_alone_where_it_breaks() {
    let script = r#"{"open":"ann"}
{"open":"bob"}
{"together":[{"as":"ann","send":"broken/none","ask":true},{"as":"bob","send":"broken/divide","ask":true},{"as":"ann","send":"broken/none","ask":true}],"includes":[{"reply":0},{"failed":{"id":"plugin-failed"}},{"reply":0},{"broke":"index out of bounds"}]}
{"together":[{"as":"ann","send":"broken/none","ask":true},{"as":"bob","send":"broken/none","ask":true}],"expect":[{"reply":0},{"reply":0}]}"#;
    goes_well(&config("handler_broken.wasm", ""), script);
}

/// The only file of a folder, once it is there and whole.
fn only_file(folder: &Path) -> PathBuf {
    loop {
        let found = fs::read_dir(folder).ok().and_then(|mut entries| entries.next());
        if let Some(Ok(entry)) = found
            && fs::read_to_string(entry.path()).is_ok_and(|text| text.trim_end().ends_with('}'))
        {
            return entry.path();
        }
        std::thread::yield_now();
    }
}

#[test]
fn what_broke_a_gateways_plugin_becomes_a_script() {
    let folder = tempfile::tempdir().unwrap();
    let more = "quarantine = \"broken\"\n[[route]]\nevent = \"*\"\nplugin = \"it\"\n";
    let settings = put(folder.path(), "tengen.toml", &config("handler_broken.wasm", more));
    let gateway = Gateway::start(&["--config", &settings]);
    assert_eq!(gateway.ask("broken/divide {\"x\":1}").status.code(), Some(3));
    let file = only_file(&folder.path().join("broken"));
    let (file, script) = (file.to_str().unwrap(), folder.path().join("tests/crash.jsonl"));
    fs::create_dir(folder.path().join("tests")).unwrap();
    let dir = folder.path().to_str().unwrap();
    let written = ["test", dir, "--from", file, "--write", script.to_str().unwrap()];
    let said = ended(&run(&written), 1);
    assert!(said.contains("a call broke: ") && said.contains("src/lib.rs"), "{said}");
    let lines = fs::read_to_string(&script).unwrap();
    assert!(lines.contains(r#""send":"broken/divide""#) && lines.contains(r#"{"x":1}"#), "{lines}");
    let again = ended(&run(&["test", dir]), 1);
    assert!(again.contains("crash.jsonl:3: a call broke"), "{again}");
    let twice = ended(&run(&written), 2);
    assert!(twice.contains("cannot write"), "a script that is there is left alone: {twice}");
    assert_eq!(fs::read_dir(folder.path().join("broken")).unwrap().count(), 1);
}

#[test]
fn a_crash_is_told_again_where_it_happened_or_it_shows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // The plugin hears of the second endpoint alone.
    let more = "quarantine = \"broken\"\n[[endpoint]]\npath = \"/ws\"\n[[endpoint]]\npath = \"/two\"\n\
                [[route]]\nevent = \"*\"\nplugin = \"it\"\nendpoint = \"/two\"\n";
    let settings = put(folder.path(), "tengen.toml", &config("handler_broken.wasm", more));
    let gateway = Gateway::start(&["--config", &settings]);
    let url = format!("ws://{}/two", gateway.address);
    assert_eq!(run(&["ask", "broken/divide", "--url", &url]).status.code(), Some(3));
    let file = only_file(&folder.path().join("broken"));
    let (from, dir) = (file.to_str().unwrap(), folder.path().to_str().unwrap());
    let said = ended(&run(&["test", dir, "--from", from]), 1);
    assert!(said.contains("a call broke: "), "{said}");
    let mut kept: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(kept["endpoint"], "/two");
    kept["endpoint"] = "/ws".into();
    let elsewhere = put(folder.path(), "elsewhere.json", &kept.to_string());
    let said = ended(&run(&["test", dir, "--from", &elsewhere]), 1);
    assert!(said.contains("nothing came to the plugin") && said.contains("gateway"), "{said}");
    kept["endpoint"] = "/two".into();
    kept["event"] = "broken/nothing".into();
    let harmless = put(folder.path(), "harmless.json", &kept.to_string());
    ended(&run(&["test", dir, "--from", &harmless]), 0);
}

#[test]
fn secrets_of_the_configuration_are_in_nothing_that_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let more = "config = { api_key = \"0SECRET-key\", place = \"${TENGEN_TRIED_PLACE}\" }\n";
    let settings = put(folder.path(), "tengen.toml", &config("handler_says.wasm", more));
    let script = r#"{"open":"ann"}
{"open":"bob"}
{"as":"ann","send":"says/config","ask":true}
{"as":"ann","send":"says/close","data":"is 0SECRET-key"}
{"as":"bob","send":"says/close","data":"at 0SECRET-place","expect":[{"close":"bob","code":4001,"reason":"at 0SECRET-place"}]}"#;
    let lines = put(folder.path(), "it.jsonl", script);
    let mut shown =
        tengen(&["test", ".", &lines, "--config", &settings, "--show", "--log", "info"]);
    let child = shown.env("TENGEN_TRIED_PLACE", "0SECRET-place").spawn().unwrap();
    let _watch = watch(&child);
    let said = ended(&child.wait_with_output().unwrap(), 1);
    assert!(said.contains("it is ***, as it was given"), "{said}");
    assert!(said.contains("is ***") && said.contains("at ***"), "{said}");
    assert!(
        said.contains("the effects are others") && said.contains("secrets are shown"),
        "{said}"
    );
    assert!(!said.contains("0SECRET"), "{said}");
}

#[test]
fn a_plugin_that_does_not_start_tells_no_secret_either() {
    let folder = tempfile::tempdir().unwrap();
    let key = "0123456789abcdef0123456789abcdef";
    let more = format!("config = {{ secret = \"{key}\", leeway = \"${{TENGEN_TRIED_PLACE}}\" }}\n");
    let settings = put(folder.path(), "tengen.toml", &config("token-auth.wasm", &more));
    let lines = put(folder.path(), "it.jsonl", "{\"note\":\"\"}");
    let script = ["test", ".", &lines, "--config", &settings];
    let bench = ["plugin", "bench", ".", "a/b", "--config", &settings];
    for (args, code) in [(&script[..], 2), (&bench[..], 1)] {
        let child = tengen(args).env("TENGEN_TRIED_PLACE", "0SECRET-place").spawn().unwrap();
        let _watch = watch(&child);
        let said = ended(&child.wait_with_output().unwrap(), code);
        assert!(said.contains("`***` is no whole number"), "{said}");
        assert!(!said.contains("0SECRET"), "{said}");
    }
}

#[test]
fn who_is_asked_again_answers_what_is_asked_now() {
    let script = r#"{"open":"ann"}
{"as":"ann","send":"asks/listen"}
{"as":"ann","send":"asks/ask","data":{"name":"one","ms":5000}}
{"pass":"5s","includes":[{"push":"asks/heard","data":{"name":"one","fault":"timeout"}}]}
{"as":"ann","send":"asks/ask","data":{"name":"two","ms":5000}}
{"as":"ann","answer":"app/question","value":2,"includes":[{"push":"asks/heard","data":{"name":"two","value":2}}]}"#;
    let settings = config("handler_asks.wasm", "");
    goes_well(&settings, script);
    let late = r#"{"open":"ann"}
{"as":"ann","send":"asks/ask","data":{"name":"one","ms":5000}}
{"pass":"5s"}
{"as":"ann","answer":"app/question","value":1}"#;
    let said = ended(&play(&settings, late, &[]), 2);
    assert!(said.contains("it.jsonl:4: `ann` was not asked `app/question`"), "{said}");
    let again = r#"{"open":"ann"}
{"as":"ann","send":"asks/ask","data":{"name":"one"}}
{"close":"ann"}
{"open":"ann"}
{"as":"ann","answer":"app/question","value":1}"#;
    assert!(ended(&play(&settings, again, &[]), 2).contains("it.jsonl:5: `ann` was not asked"));
}

#[test]
fn what_a_plugin_says_can_be_expected_at_any_level() {
    let script = r#"{"open":"ann"}
{"as":"ann","send":"says/wrong","ask":true,"expect":[{"reply":"said"},{"signal":{"level":"error","id":"says/refused","message":"nobody","error":"the room is full","data":{"room":"tea"}}}]}
{"as":"ann","send":"says/timed","ask":true,"includes":[{"signal":{"id":"says/step"}},{"signal":{"id":"says/work","level":"info"}}]}
{"as":"ann","send":"says/timed","ask":true,"expect":[{"reply":"said"}]}"#;
    let settings = config("handler_says.wasm", "");
    goes_well(&settings, script);
    let unsaid = r#"{"open":"ann"}
{"as":"ann","send":"says/wrong","ask":true,"includes":[{"signal":{"level":"info","id":"says/refused"}}]}"#;
    let said = ended(&play(&settings, unsaid, &[]), 1);
    assert!(said.contains("it.jsonl:2: something was not said"), "{said}");
    assert!(said.contains(r#""id":"says/refused","level":"error""#), "what was: {said}");
}

#[test]
fn an_authenticator_lets_in_or_refuses_as_in_an_upgrade() {
    let script = r#"{"upgrade":"ann","query":"user=ann&claim-bytes=3&channel=room/tea&welcome=[1]","expect":[{"admitted":"ann","user":"ann","claims":{"":"vvv"},"channels":["room/tea"],"welcome":[1]}],"decided":true}
{"upgrade":"bob","query":"status=401","expect":[{"denied":"bob","status":401,"why":{"id":"denied","message":"no"}}],"decided":true}
{"upgrade":"bob","query":"status=200","includes":[{"denied":"bob","status":403}]}
{"upgrade":"bob","query":"user=bob&channel=secret/x","includes":[{"denied":"bob","status":503,"why":{"inside":"secret/x"}}]}
{"upgrade":"bob","query":"user=bob&ends-ms=1","includes":[{"denied":"bob","status":401,"why":{"id":"token-ended"}}]}
{"upgrade":"bob","includes":[{"denied":"bob","status":401,"why":{"id":"anonymous"}}]}
{"upgrade":"bob","query":"user=bob","endpoint":"/open","expect":[{"admitted":"bob","user":"bob"}]}
{"upgrade":"eve","endpoint":"/open","expect":[{"admitted":"eve"}]}"#;
    let more = "grant.publish = [\"room/*\"]\n[[endpoint]]\npath = \"/ws\"\nauthenticator = \"it\"\nanonymous = false\n\
                [[endpoint]]\npath = \"/open\"\nauthenticator = \"it\"\n";
    goes_well(&config("authenticator_says.wasm", more), script);
    let here = r#"{"upgrade":"ann","query":"user=ann"}
{"upgrade":"ann","query":"user=ann"}"#;
    let said = ended(&play(&config("authenticator_says.wasm", more), here, &[]), 2);
    assert!(said.contains("it.jsonl:2: a connection `ann` is open already"), "{said}");
    let said = ended(&play(&config("room_rust.wasm", ""), r#"{"upgrade":"ann"}"#, &[]), 2);
    assert!(said.contains("is no authenticator"), "{said}");
}

#[test]
fn a_token_ends_by_the_time_that_is_told() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let ends = now.as_millis() + 3_600_000;
    let script = format!(
        "{{\"upgrade\":\"ann\",\"query\":\"user=ann&ends-ms={ends}\",\"includes\":[{{\"admitted\":\"ann\",\"expires-at-ms\":{ends}}}]}}\n\
         {{\"pass\":\"61m\"}}\n\
         {{\"upgrade\":\"bob\",\"query\":\"user=bob&ends-ms={ends}\",\"includes\":[{{\"denied\":\"bob\",\"why\":{{\"id\":\"token-ended\"}}}}]}}"
    );
    goes_well(&config("authenticator_says.wasm", ""), &script);
}

#[test]
fn a_backend_that_an_authenticator_asks_says_what_the_script_says() {
    let script = r#"{"upgrade":"ann","query":"t=1","servers":[{"body":"ann"}],"expect":[{"asked":"https://id.example.com/who?t=1","method":"GET"},{"admitted":"ann","user":"ann"}]}
{"upgrade":"bob","servers":[{"status":404}],"includes":[{"denied":"bob","status":401}]}
{"upgrade":"bob","servers":[{"error":"timeout"}],"includes":[{"denied":"bob","status":503,"why":{"message":"the script says timeout"}}]}
{"upgrade":"bob","includes":[{"denied":"bob","status":503,"why":{"message":"does not say what the server answers"}}]}
{"upgrade":"bob","servers":[{"body":"bob"},{"body":"more"}],"includes":[{"servers-not-asked":1},{"admitted":"bob"}]}"#;
    let more = |host: &str| {
        format!(
            "grant.http = [\"{host}\"]\nconfig = {{ backend = \"https://id.example.com/who\" }}\n"
        )
    };
    goes_well(&config("authenticator_asks.wasm", &more("id.example.com")), script);
    let refused = r#"{"upgrade":"ann","servers":[{"body":"ann"}],"includes":[{"servers-not-asked":1},{"denied":"ann","status":503}]}"#;
    goes_well(&config("authenticator_asks.wasm", &more("other.example.com")), refused);
}

#[test]
fn what_cannot_be_played_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    assert!(ended(&run(&["test", dir]), 2).contains("there is no tengen.toml"));
    let settings = config("room_rust.wasm", "");
    put(folder.path(), "tengen.toml", &settings);
    assert!(ended(&run(&["test", dir]), 2).contains("no scripts in"));
    for (script, why) in [
        ("{\"opne\":\"ann\"}", "it.jsonl:1: unknown field `opne`"),
        ("{\"as\":\"ann\",\"send\":\"a/b\"}", "it.jsonl:1: no connection `ann` is open"),
        (
            "{\"open\":\"ann\"}\n{\"open\":\"ann\"}",
            "it.jsonl:2: a connection `ann` is open already",
        ),
        ("{\"open\":\"ann\",\"endpoint\":\"/raw\"}", "it.jsonl:1: `/raw` is a raw endpoint"),
    ] {
        let said = ended(&play(&settings, script, &[]), 2);
        assert!(said.contains(why), "{said}");
    }
    let broken = "[plugin.it]\nfile = \"none.wasm\"\n";
    assert!(ended(&play(broken, "{\"open\":\"ann\"}", &[]), 2).contains("none.wasm"));
    let two = settings.replace("[plugin.it]", "[plugin.other]\nfile = \"x.wasm\"\n[plugin.it]");
    assert!(ended(&play(&two, "{\"note\":\"\"}", &[]), 2).contains("--plugin"));
    ended(&play(&two, "{\"note\":\"\"}", &["--plugin", "it"]), 0);
}

#[test]
fn what_the_plugin_says_is_shown_where_that_is_asked_for() {
    let settings = config("chat.wasm", "");
    let silent = ended(&play(&settings, "{\"note\":\"\"}", &[]), 0);
    assert!(!silent.contains("chat/started"), "{silent}");
    let said = ended(&play(&settings, "{\"note\":\"\"}", &["--log", "info"]), 0);
    assert!(said.contains("chat/started"), "{said}");
    let wrong = ended(&play(&settings, "{\"note\":\"\"}", &["--log", "loud"]), 2);
    assert!(wrong.contains("is not a level"), "{wrong}");
}

#[test]
fn a_component_alone_is_played_with_default_settings() {
    let folder = tempfile::tempdir().unwrap();
    let script = put(folder.path(), "it.jsonl", BREAKS);
    let component = guest("handler_broken.wasm");
    let child = tengen(&["test", component.to_str().unwrap(), &script]).spawn().unwrap();
    let _watch = watch(&child);
    assert!(ended(&child.wait_with_output().unwrap(), 1).contains("a call broke"));
}
