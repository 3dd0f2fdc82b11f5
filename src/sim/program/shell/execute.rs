//! Walking the program: lists, pipelines, compound commands, functions.
//! Simple commands are `simple`, what runs beside the shell is `jobs`.

use super::syntax::{Body, Command, Item, List, Pipeline};
use super::{Flow, Shell, Unwind};
use crate::sim::program::process;
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::time::Instant;

/// Calls and brackets may nest so deep; a real shell overflows its stack a little later.
const DEEPEST: usize = 400;

impl Shell {
    /// Runs commands in sequence. `tail`: nothing follows in this process, so the last command may replace it.
    pub(super) fn run_list<'a>(&'a mut self, list: &'a List, tail: bool) -> BoxFuture<'a, Flow> {
        Box::pin(async move {
            let mut status = 0;
            for (index, item) in list.iter().enumerate() {
                let last = tail && index + 1 == list.len();
                status = self.run_item(item, last).await?;
                self.status = status;
                self.run_traps().await?;
            }
            if list.is_empty() {
                self.process.processor(process::STEP).await;
            }
            Ok(status)
        })
    }

    async fn run_item(&mut self, item: &Item, tail: bool) -> Flow {
        if item.background {
            return self.run_background(item).await;
        }
        let conditional = !item.rest.is_empty();
        self.conditions += usize::from(conditional);
        let first = self.run_pipeline(&item.first, tail && !conditional).await;
        self.conditions -= usize::from(conditional);
        let mut status = first?;
        self.status = status;
        for (index, (after_success, pipeline)) in item.rest.iter().enumerate() {
            if (status == 0) != *after_success {
                continue;
            }
            let last = index + 1 == item.rest.len();
            self.conditions += usize::from(!last);
            let flow = self.run_pipeline(pipeline, tail && last).await;
            self.conditions -= usize::from(!last);
            status = flow?;
            self.status = status;
        }
        Ok(status)
    }

    /// Runs an and-or list without looking at `&`: the body of a background job.
    pub(super) async fn run_foreground(&mut self, item: &Item) -> Flow {
        let mut status = self.run_pipeline(&item.first, item.rest.is_empty()).await?;
        for (after_success, pipeline) in &item.rest {
            self.status = status;
            if (status == 0) == *after_success {
                status = self.run_pipeline(pipeline, false).await?;
            }
        }
        Ok(status)
    }

    async fn run_pipeline(&mut self, pipeline: &Pipeline, tail: bool) -> Flow {
        let began = Instant::now();
        self.conditions += usize::from(pipeline.negated);
        let flow = match pipeline.commands.as_slice() {
            [only] => self.run_command(only, tail && !pipeline.negated && !pipeline.timed).await,
            commands => self.run_pipe(commands).await,
        };
        self.conditions -= usize::from(pipeline.negated);
        let status = flow?;
        if pipeline.timed {
            let seconds = began.elapsed().as_secs_f64();
            let minutes = (seconds / 60.0).floor();
            let text = format!("real\t{minutes}m {:.2}s\nuser\t0m 0.00s\nsys\t0m 0.00s\n", seconds - minutes * 60.0);
            self.write_error(text).await;
        }
        if pipeline.negated {
            return Ok(i32::from(status == 0));
        }
        if status != 0 && self.options.errexit && self.conditions == 0 && acts_on_failure(pipeline) {
            return Err(Unwind::Exit(status));
        }
        Ok(status)
    }

    /// Runs one command with its redirections.
    pub(super) fn run_command<'a>(&'a mut self, command: &'a Arc<Command>, tail: bool) -> BoxFuture<'a, Flow> {
        Box::pin(async move {
            self.depth += 1;
            if self.depth > DEEPEST {
                self.unsupported("nesting deeper than 400").await;
                return Err(Unwind::Exit(2));
            }
            if command.position.line > 0 {
                self.position = command.position;
            }
            self.process.processor(process::STEP).await;
            let flow = if let Body::Simple { assignments, words } = &command.body {
                self.run_simple(assignments, words, &command.redirects, tail).await
            } else if command.redirects.is_empty() {
                self.run_body(&command.body, tail).await
            } else {
                match self.redirected(&command.redirects).await {
                    Err(unwind) => Err(unwind),
                    Ok(Ok(descriptors)) => {
                        let saved = std::mem::replace(&mut self.descriptors, descriptors);
                        let flow = self.run_body(&command.body, false).await;
                        self.descriptors = saved;
                        flow
                    }
                    Ok(Err(message)) => {
                        self.complain(&message).await;
                        Ok(1)
                    }
                }
            };
            self.depth -= 1;
            flow
        })
    }

    async fn run_body(&mut self, body: &Body, tail: bool) -> Flow {
        match body {
            // Simple commands are run with their redirections by the caller.
            Body::Simple { assignments, words } => self.run_simple(assignments, words, &[], tail).await,
            Body::Group(list) => self.run_list(list, tail).await,
            Body::Subshell(list) => self.run_subshell(list).await,
            Body::Function(name, body) => {
                self.functions.insert(name.clone(), Arc::clone(body));
                Ok(0)
            }
            Body::If { branches, otherwise } => {
                for (condition, body) in branches {
                    if self.run_condition(condition).await? == 0 {
                        return self.run_list(body, tail).await;
                    }
                }
                match otherwise {
                    Some(body) => self.run_list(body, tail).await,
                    None => Ok(0),
                }
            }
            Body::Loop { until, condition, body } => {
                self.loops += 1;
                let flow = self.run_loop(*until, condition, body).await;
                self.loops -= 1;
                flow
            }
            Body::For { name, words, body } => {
                let values = match words {
                    Some(words) => self.expand_words(words).await?,
                    None => self.positional.clone(),
                };
                self.loops += 1;
                let flow = self.run_for(name, values, body).await;
                self.loops -= 1;
                flow
            }
            Body::Case { value, arms } => {
                let value = self.expand_text(value).await?;
                for (patterns, body) in arms {
                    for pattern in patterns {
                        let pattern = self.expand_pattern(pattern).await?;
                        if super::pattern::matches(&pattern, &value) {
                            return self.run_list(body, tail).await;
                        }
                    }
                }
                Ok(0)
            }
            Body::Test(test) => {
                let result = self.extended_test(test).await?;
                Ok(match result {
                    Ok(holds) => i32::from(!holds),
                    Err(message) => {
                        self.complain(&message).await;
                        2
                    }
                })
            }
            Body::Unsupported(construct) => {
                self.unsupported(construct).await;
                Err(Unwind::Exit(2))
            }
        }
    }

    async fn run_condition(&mut self, list: &List) -> Flow {
        self.conditions += 1;
        let flow = self.run_list(list, false).await;
        self.conditions -= 1;
        flow
    }

    async fn run_loop(&mut self, until: bool, condition: &List, body: &List) -> Flow {
        let mut status = 0;
        loop {
            let held = match self.run_condition(condition).await {
                Ok(held) => held,
                other => match Self::after_round(other)? {
                    Some(_) => return Ok(status),
                    None => continue,
                },
            };
            if (held == 0) == until {
                return Ok(status);
            }
            let flow = self.run_list(body, false).await;
            if let Ok(code) = flow {
                status = code;
                continue;
            }
            if let Some(code) = Self::after_round(flow)? {
                return Ok(code);
            }
        }
    }

    async fn run_for(&mut self, name: &str, values: Vec<String>, body: &List) -> Flow {
        let mut status = 0;
        for value in values {
            self.assign(name, value.into()).await?;
            let flow = self.run_list(body, false).await;
            if let Ok(code) = flow {
                status = code;
                continue;
            }
            if let Some(code) = Self::after_round(flow)? {
                return Ok(code);
            }
        }
        Ok(status)
    }

    /// What `break` and `continue` mean for this loop: `Some` ends it, `None` goes on.
    fn after_round(flow: Flow) -> Result<Option<i32>, Unwind> {
        match flow {
            Ok(_) | Err(Unwind::Continue(0 | 1)) => Ok(None),
            Err(Unwind::Break(0 | 1)) => Ok(Some(0)),
            Err(Unwind::Break(levels)) => Err(Unwind::Break(levels - 1)),
            Err(Unwind::Continue(levels)) => Err(Unwind::Continue(levels - 1)),
            Err(other) => Err(other),
        }
    }

    /// Calls a function; its redirections are those of its definition and of the call.
    pub(super) async fn call(&mut self, function: Arc<Command>, arguments: Vec<String>) -> Flow {
        if self.calls >= DEEPEST {
            self.unsupported("function calls nested deeper than 400").await;
            return Err(Unwind::Exit(2));
        }
        self.calls += 1;
        let saved = std::mem::replace(&mut self.positional, arguments);
        let loops = std::mem::take(&mut self.loops);
        self.variables.enter();
        let flow = self.run_command(&function, false).await;
        self.variables.leave();
        self.positional = saved;
        self.loops = loops;
        self.calls -= 1;
        match flow {
            Err(Unwind::Return(status)) => Ok(status),
            other => other,
        }
    }
}

fn acts_on_failure(pipeline: &Pipeline) -> bool {
    match pipeline.commands.as_slice() {
        [only] => matches!(only.body, Body::Simple { .. } | Body::Subshell(_) | Body::Test(_)),
        _ => true,
    }
}
