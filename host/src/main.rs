//! Temporary: serve without the command line.
use tengen::gateway::{Gateway, Options, Overrides};
fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
    let config = value("--config").unwrap_or_default();
    let parsed = tengen::config::load(std::path::Path::new(&config), &|n| std::env::var(n).ok())?;
    let options = Options { config_file: Some(config.into()), overrides: Overrides { port_file: value("--port-file").map(Into::into), ..Overrides::default() } };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let _gateway = Gateway::start(parsed.settings, options).await?;
        tokio::signal::ctrl_c().await?;
        Ok(())
    })
}
