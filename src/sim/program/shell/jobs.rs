//! What runs beside the shell: pipelines, subshells, background jobs, `wait`.
//! How a process lives and dies is `process`.

use super::syntax::{Command, Item, List};
use super::{Flow, Shell};
use crate::sim::program::descriptor::Descriptor;
use crate::sim::program::process::{self, Child, Ended, Origin};
use crate::sim::program::{pipe, signals};
use futures::future::BoxFuture;
use std::sync::Arc;

impl Shell {
    /// Who a child of this shell is.
    pub(super) fn origin(&self, argv: Vec<String>) -> Origin {
        Origin { parent: self.process.pid, session: Some(self.process.session), ignored: self.process.ignored(), argv }
    }

    /// Starts a copy of this shell in a process of its own, with this standard output (and input).
    pub(super) fn spawn_shell<F>(&mut self, output: Descriptor, input: Option<Descriptor>, body: F) -> Child
    where
        F: FnOnce(Shell) -> BoxFuture<'static, i32> + Send + 'static,
    {
        let machine = self.process.machine.clone();
        let origin = self.origin(self.process.argv());
        process::spawn(&machine, origin, |process| {
            let mut shell = self.fork(process);
            shell.descriptors.set(1, Some(output));
            if let Some(input) = input {
                shell.descriptors.set(0, Some(input));
            }
            async move {
                shell.process.processor(process::FORK).await;
                shell.variables_forked().await;
                body(shell).await
            }
        })
    }

    /// A forked shell shares its parent's pages: only what it adds counts.
    async fn variables_forked(&mut self) {
        let _ = self.variables.take_growth();
        self.process.hold(0).await;
    }

    fn output(&self) -> Descriptor {
        self.descriptors.get(1).unwrap_or(Descriptor::Null)
    }

    /// `( … )`.
    pub(super) async fn run_subshell(&mut self, list: &List) -> Flow {
        let list = Arc::clone(list);
        let output = self.output();
        let mut child = self.spawn_shell(output, None, move |mut shell| {
            Box::pin(async move {
                let flow = shell.run_list(&list, true).await;
                shell.leave(flow).await
            })
        });
        let ended = child.wait().await;
        self.announce(ended).await;
        Ok(ended.code())
    }

    /// `a | b | c`.
    pub(super) async fn run_pipe(&mut self, commands: &[Arc<Command>]) -> Flow {
        let mut children = Vec::new();
        let mut input = None;
        for (index, command) in commands.iter().enumerate() {
            let (output, next) = if index + 1 == commands.len() {
                (self.output(), None)
            } else {
                let (reader, writer) = pipe::pipe();
                (Descriptor::Writer(Arc::new(writer)), Some(Descriptor::Reader(Arc::new(reader))))
            };
            let command = Arc::clone(command);
            children.push(self.spawn_shell(output, input.take(), move |mut shell| {
                Box::pin(async move {
                    let flow = shell.run_command(&command, true).await;
                    shell.leave(flow).await
                })
            }));
            input = next;
        }
        let mut status = 0;
        for child in &mut children {
            let ended = child.wait().await;
            self.announce(ended).await;
            let code = ended.code();
            if !self.options.pipefail || code != 0 {
                status = code;
            }
        }
        Ok(status)
    }

    /// `… &`.
    pub(super) async fn run_background(&mut self, item: &Item) -> Flow {
        // The tree is shared, so the child needs its own handle on this item.
        let item = Arc::new(shallow(item));
        let output = self.output();
        let child = self.spawn_shell(output, Some(Descriptor::Null), move |mut shell| {
            Box::pin(async move {
                let flow = shell.run_foreground(&item).await;
                shell.leave(flow).await
            })
        });
        self.process.processor(process::FORK).await;
        self.last_background = Some(child.pid);
        self.jobs.push(child);
        Ok(0)
    }

    /// `wait`: for all children, or for those named. A signal with a trap interrupts it.
    pub(super) async fn wait_for(&mut self, arguments: &[String]) -> i32 {
        let mut status = 0;
        if arguments.is_empty() {
            for mut child in std::mem::take(&mut self.jobs) {
                match self.wait_interruptibly(&mut child).await {
                    Ok(ended) => self.announce(ended).await,
                    Err(signal) => {
                        self.jobs.push(child);
                        return 128 + signal;
                    }
                }
            }
            return 0;
        }
        for argument in arguments {
            let pid = match argument.strip_prefix('%') {
                Some(number) => number.parse().ok().and_then(|n: usize| self.jobs.get(n.wrapping_sub(1))).map(|job| job.pid),
                None => argument.parse().ok(),
            };
            let Some(index) = self.jobs.iter().position(|job| Some(job.pid) == pid) else {
                status = 127;
                continue;
            };
            let mut child = self.jobs[index].clone();
            match self.wait_interruptibly(&mut child).await {
                Ok(ended) => {
                    self.announce(ended).await;
                    self.jobs.retain(|job| job.pid != child.pid);
                    status = ended.code();
                }
                Err(signal) => return 128 + signal,
            }
        }
        status
    }

    async fn wait_interruptibly(&self, child: &mut Child) -> Result<Ended, i32> {
        tokio::select! {
            biased;
            () = self.process.signal_arrived() => Err(self.process.peek_signal().unwrap_or(signals::TERM)),
            ended = child.wait() => Ok(ended),
        }
    }

    /// The background jobs that still run, for `jobs` and `%n`.
    pub(super) fn living_jobs(&self) -> Vec<(usize, u32)> {
        let jobs = self.jobs.iter().enumerate();
        jobs.filter(|(_, job)| job.ended().is_none()).map(|(index, job)| (index + 1, job.pid)).collect()
    }

    /// The process that `%n` names.
    pub(super) fn job_pid(&self, number: usize) -> Option<u32> {
        self.jobs.get(number.wrapping_sub(1)).map(|job| job.pid)
    }
}

/// A copy of an and-or list that shares its commands.
fn shallow(item: &Item) -> Item {
    use super::syntax::Pipeline;
    let copy = |pipeline: &Pipeline| Pipeline {
        negated: pipeline.negated,
        timed: pipeline.timed,
        commands: pipeline.commands.iter().map(Arc::clone).collect(),
    };
    Item {
        first: copy(&item.first),
        rest: item.rest.iter().map(|(and, pipeline)| (*and, copy(pipeline))).collect(),
        background: false,
    }
}
