//! Whether a guest has handed over too much in one call, as wasmtime counts it (`Store::set_hostcall_fuel`).
//!
//! The type of that error is private to wasmtime, and its words may change with any release. So it is told by its likeness to
//! one that is made here on purpose, at the first error that it could be.

use std::sync::LazyLock;
use wasmtime::{
    Config, Engine, Store,
    component::{Component, Linker},
};

/// A component whose function `f` returns the text `x`: `TEXT` in the tests.
const SAYS_X: &[u8] =
    b"\x00asm\x0d\x00\x01\x00\x01<\x00asm\x01\x00\x00\x00\x01\x05\x01`\x00\x01\x7f\x03\x02\x01\x00\x05\x03\x01\
      \x00\x01\x07\x09\x02\x01m\x02\x00\x01f\x00\x00\x0a\x06\x01\x04\x00A\x00\x0b\x0b\x0f\x01\x00A\x00\x0b\x09\
      \x08\x00\x00\x00\x01\x00\x00\x00x\x02\x04\x01\x00\x00\x00\x06\x0d\x02\x00\x00\x01\x00\x01f\x00\x02\x01\x00\
      \x01m\x07\x05\x01@\x00\x00s\x08\x08\x01\x00\x00\x00\x01\x03\x00\x00\x0b\x07\x01\x00\x01f\x01\x00\x00";

/// Whether an error says that the fuel for what is handed over has ended.
pub(super) fn has_ended(error: &wasmtime::Error) -> bool {
    static SAMPLE: LazyLock<Option<String>> = LazyLock::new(sample);
    SAMPLE.as_ref().is_some_and(|sample| *sample == error.root_cause().to_string())
}

/// What the error says. None: it could not be made, and no error is taken for one.
fn sample() -> Option<String> {
    let mut config = Config::new();
    // A page of memory, and no address space kept for more.
    config.memory_reservation(0).memory_guard_size(0).memory_reservation_for_growth(0);
    let engine = Engine::new(&config).ok()?;
    let mut store = Store::new(&engine, ());
    store.set_hostcall_fuel(0);
    let component = Component::new(&engine, SAYS_X).ok()?;
    let instance = Linker::new(&engine).instantiate(&mut store, &component).ok()?;
    let says_x = instance.get_typed_func::<(), (String,)>(&mut store, "f").ok()?;
    Some(says_x.call(&mut store, ()).err()?.root_cause().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"(component
        (core module $m
          (memory (export "m") 1)
          (func (export "f") (result i32) i32.const 0)
          (data (i32.const 0) "\08\00\00\00\01\00\00\00x"))
        (core instance $i (instantiate $m))
        (func (export "f") (result string) (canon lift (core func $i "f") (memory (core memory $i "m")))))"#;

    #[test]
    fn the_error_is_known_by_one_that_was_made_on_purpose() {
        let said = sample().expect("it is made");
        assert!(has_ended(&wasmtime::Error::msg(said)));
        assert!(!has_ended(&wasmtime::Error::msg("something else")));
        let engine = Engine::default();
        let [text, bytes] = [TEXT.as_bytes().to_vec(), SAYS_X.to_vec()].map(|component| {
            let component = wat::parse_bytes(&component).expect("it is one").into_owned();
            let mut store = Store::new(&engine, ());
            let component = Component::new(&engine, component).expect("it is good");
            let instance =
                Linker::new(&engine).instantiate(&mut store, &component).expect("it runs");
            let f = instance.get_typed_func::<(), (String,)>(&mut store, "f").expect("it has it");
            f.call(&mut store, ()).expect("it says").0
        });
        assert_eq!((text.as_str(), bytes.as_str()), ("x", "x"));
    }
}
