//! `comeback cluster record`: watch streams of a namespace of any cluster, in the form that `cluster replay` reads.
//! Recording is `fidelity`'s.

use crate::cli::console::Console;
use crate::exit_code::ExitCode;
use crate::fidelity::Error;
use crate::fidelity::recorder::{Recorded, Recorder};
use crate::scenario::duration;
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::path::PathBuf;
use std::time::Duration;

/// `comeback cluster record`
#[derive(Debug, Args)]
pub struct Record {
    /// The namespace; begin before you apply anything to it, so that the replay can begin there, too
    #[arg(long, env = "COMEBACK_RECORD_NAMESPACE", value_name = "NS")]
    pub namespace: String,
    /// The folder to be written; Secrets are never recorded, values in ConfigMaps and commands are
    #[arg(long, env = "COMEBACK_RECORD_OUT", value_name = "DIR")]
    pub out: PathBuf,
    /// The context of the kubeconfig; default: the current one
    #[arg(long, env = "COMEBACK_RECORD_CONTEXT", value_name = "NAME")]
    pub context: Option<String>,
    /// For how long; default: until Ctrl-C
    #[arg(long = "for", env = "COMEBACK_RECORD_FOR", value_name = "DURATION", value_parser = duration::parse)]
    pub length: Option<Duration>,
}

/// Records until the time is over or the user interrupts; both end well.
#[must_use]
pub fn run(arguments: &Record, console: Console) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console.error(&format!("no runtime for the recording: {error}"));
            return ExitCode::Environment;
        }
    };
    match runtime.block_on(record(arguments, console)) {
        Ok(recorded) => {
            let (facts, actions) = (recorded.facts, recorded.actions);
            let text = format!("{}: {facts} watch events and {actions} actions recorded\n", arguments.out.display());
            console.print(text.as_bytes()).map_or(ExitCode::Environment, |()| ExitCode::Passed)
        }
        Err(error) => {
            console.error(&error.0);
            ExitCode::Environment
        }
    }
}

async fn record(arguments: &Record, console: Console) -> Result<Recorded, Error> {
    let kubeconfig = Kubeconfig::read().map_err(|error| Error::new(format!("no usable kubeconfig: {error}; set KUBECONFIG")))?;
    let options = KubeConfigOptions { context: arguments.context.clone(), ..KubeConfigOptions::default() };
    let unusable = |error: String| Error::new(format!("the context of the kubeconfig cannot be used: {error}"));
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unusable(error.to_string()))?;
    let server = config.cluster_url.to_string();
    let client = kube::Client::try_from(config).map_err(|error| unusable(error.to_string()))?;
    if !console.quiet {
        console.tell(format!("recording namespace {} of {server}; Ctrl-C ends\n", arguments.namespace).as_bytes());
    }
    let recorder = Recorder { client, namespace: arguments.namespace.clone(), now };
    let limit = async {
        match arguments.length {
            Some(length) => tokio::time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    let stop = async {
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => {}
            () = limit => {}
        }
    };
    recorder.record(&arguments.out, stop).await
}

#[expect(clippy::disallowed_methods, clippy::cast_precision_loss, reason = "a recording is stamped with the wall clock")]
fn now() -> f64 {
    jiff::Timestamp::now().as_microsecond() as f64 / 1e6
}
