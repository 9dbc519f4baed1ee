//! The imports `signals` and `config`, as the guest calls them: what it says, and what it is told of its settings.
//!
//! Each call is charged to the guest before anything is done for it.

use super::{
    bindings::{
        config,
        signal_types::{self, Level},
        signals, types,
    },
    clocks,
    data::Data,
    signals::is_enabled,
};

/// What an entry of a list of the guest counts as beside its texts.
pub(super) const PLACE: usize = 32;

impl types::Host for Data {}

impl signal_types::Host for Data {}

impl signals::Host for Data {
    fn enabled(&mut self, level: Level, id: String) -> wasmtime::Result<bool> {
        self.charge(id.len())?;
        Ok(is_enabled(level))
    }

    fn emit(
        &mut self,
        level: Level,
        id: String,
        message: String,
        data: Vec<(String, signals::Value)>,
    ) -> wasmtime::Result<()> {
        let of_data = data.iter().map(|(key, value)| key.len() + size_of(value));
        self.charge(id.len() + message.len() + of_data.sum::<usize>())?;
        self.signals.emit(level, (&id, &message), data);
        Ok(())
    }

    fn say(&mut self, what: signals::Said) -> wasmtime::Result<()> {
        let of_data = what.data.iter().map(|(key, value)| key.len() + size_of(value));
        let of_error = what.error.iter().map(|text| text.len() + PLACE);
        let texts = [&what.id, &what.location, &what.parent].into_iter().flatten();
        let texts = texts.chain([&what.message]).map(String::len);
        let more = size_of_all(&what.more);
        self.charge(of_data.chain(of_error).chain(texts).sum::<usize>() + more)?;
        self.signals.say(what);
        Ok(())
    }

    fn elapsed_ms(&mut self) -> wasmtime::Result<f64> {
        self.charge(0)?;
        // For run times: in steps, as all clocks of guests.
        let now = || clocks::coarse(self.tape.began().elapsed()).as_secs_f64() * 1e3;
        Ok(self.tape.answer("elapsed", now))
    }

    fn add(
        &mut self,
        counter: String,
        by: u32,
        attributes: Vec<types::Attribute>,
    ) -> wasmtime::Result<()> {
        self.charge(counter.len() + size_of_all(&attributes))?;
        if self.signals.counts() {
            self.counters.own.add(&counter, u64::from(by));
        }
        Ok(())
    }

    fn observe(
        &mut self,
        histogram: String,
        value: f64,
        attributes: Vec<types::Attribute>,
    ) -> wasmtime::Result<()> {
        self.charge(histogram.len() + size_of_all(&attributes))?;
        if self.signals.counts() {
            self.counters.own.observe(&histogram, value);
        }
        Ok(())
    }

    fn set_gauge(
        &mut self,
        gauge: String,
        value: f64,
        attributes: Vec<types::Attribute>,
    ) -> wasmtime::Result<()> {
        self.charge(gauge.len() + size_of_all(&attributes))?;
        if self.signals.counts() {
            self.counters.own.set(&gauge, value);
        }
        Ok(())
    }
}

impl config::Host for Data {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.charge(key.len())?;
        Ok(self.config.config.get(&key).cloned())
    }

    fn all(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let texts = self.config.config.iter();
        let bytes = texts.map(|(key, value)| key.len() + value.len()).sum();
        self.charge(bytes)?;
        Ok(self.config.config.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// What a value takes, beside the place that it has in its list.
fn size_of(value: &signals::Value) -> usize {
    PLACE
        + match value {
            signals::Value::Text(text) => text.len(),
            signals::Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
}

fn size_of_all(attributes: &[types::Attribute]) -> usize {
    attributes.iter().map(|attribute| attribute.key.len() + attribute.value.len() + PLACE).sum()
}
