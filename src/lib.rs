//! # comeback
//!
//! comeback breaks a Kubernetes workload on purpose, watches how long it takes to be noticed and to come back, and says with
//! honest statistics whether the recovery time objective (RTO) was met.
//!
//! ## The way of the data
//!
//! ```text
//! scenario file -> Plan -> trial on a Cluster -> Timeline -> Judge -> TrialResult -> RunResult -> reports
//!                            |  fault injects       ^ observations only
//!                            |  watch -> Index -> detectors -> findings -> healer -> actions
//! ```
//!
//! 1. [`scenario`] reads YAML into a [`scenario::Plan`]: parameters replaced, manifests read, every default filled in.
//!    Whatever is wrong in any file is reported in one go, with positions; nothing that is wrong is ever tried.
//! 2. [`cluster`] gives a `kube::Client`, a clock and a fingerprint, whatever is behind it. Nothing else asks whether a
//!    cluster is simulated. [`sim`] is the embedded one: a Kubernetes on tokio's paused clock that knows nothing of us.
//!    [`cluster::machine`] reaches the machines of nodes, containers of kind or simulated ones, past the API.
//! 3. [`engine`] runs each trial on a thread and a runtime of its own, in a namespace of its own: apply, steady state,
//!    baseline, fault, watching, restoration. Everything that it sees or does becomes an [`observe::Observation`], is written
//!    to the timeline's file at once, and is given to the judge.
//! 4. [`measure::Judge`] is a pure fold over observations. The engine asks it live whether the trial is decided;
//!    `comeback judge` feeds it the saved file. There is one judge, so live and later verdicts cannot differ.
//! 5. [`detect`] and the decisions of [`heal`] are pure functions of the [`observe::Index`], which is folded from the same
//!    observations. The healer sees findings, index and policy, never the scenario's fault or the expected cause.
//! 6. [`report`] turns results into text; it sees no cluster and no timeline, but the marks that [`measure`] makes of one.
//! 7. [`engine::submit`] runs the same inside a cluster: plans are shipped, each pod of an Indexed Job is a shard, results come back trial by
//!    trial through the API, and the code that puts shards together makes one run of them.
//! 8. [`fidelity`] replays recordings of real clusters on the simulation and says where the two part; it uses [`sim`] alone.
//!
//! ## What guards against a false green
//!
//! - The API's acceptance of a fault is never its effect. Without a seen effect a trial is `invalid`, and says nothing.
//! - Recovery is the *start* of a stretch that lasted for a whole hold. A restart breaks a hold even if the pod never shows
//!   `Ready=False`, and the hold is stretched to twice the longest run that ended (`measure::breaks`).
//! - No hold counts until a fresh list of the pods confirms that the watch had missed nothing: a watch that has silently died
//!   shows no failure either.
//! - A watch that failed, or a server that gave no answers, leaves a stretch in which nothing was seen: what is found right after it
//!   happened at some time within, and where that decides an objective the trial is `invalid`. Nobody is called lost without a
//!   fresh list.
//! - Observations are numbered. A gap, or a timeline without its end, is an `error`: losing one never makes a verdict better.
//! - What is asked from within the cluster is asked from a pod that no fault, no finding and no condition means. Where that pod
//!   itself cannot ask, or a policy limits what it may, the condition is unknown (`observe::probe`).
//! - With several faults each must show its own effect, and a finding counts only for what the faults act on and what depends
//!   on that (`measure::relation`).
//! - The baseline is taken after the steady state and before the fault; fewer replicas, lower limits or other images at the
//!   end are `regressed` (`measure::invariant`).
//! - What a healer that is not ours says of itself is a claim (`heal::claim`): it stands beside what was seen and decides nothing, and who
//!   healed is told by what was written between fault and recovery (`measure::attribution`).
//! - What the embedded cluster cannot do faithfully reaches the trial through [`sim::limits::Limits`]: a construct that the
//!   interpreter does not know makes it an `error`, an image whose program is unknown makes it `skipped`.
//! - A gate passes nothing without a valid trial, without the comparison that was asked for, or by a test that could not have failed; a
//!   trial run until the claim is proven is judged by a test whose error rates allow for that (`measure::gate`,
//!   `measure::until_confident`). A result file that is handed in must agree with its own trials.
//! - The result file says `complete: false` until its last, atomic write, and one fold over all trials decides the exit code.
//!
//! ## Where this differs from the design page
//!
//! - The judge is incremental: `measure(timeline)` is its fold. So the engine needs no second notion of "recovered".
//! - The timeline carries sequence numbers, by which lost observations are noticed.
//! - Inside the simulation `sim::latest` takes the place of tokio's `watch`, which wakes its receivers in a random order: one
//!   seed must give one timeline.
//! - Watches are of the trial's namespace also where cluster-wide ones are allowed. A pod that a controller made bears no label of ours, so a
//!   cluster-wide watch would bring every change of every foreign pod, and need the right to read all of them, to spare a trial some sixteen
//!   of its fifty requests. Only nodes, which have no namespace, are watched as a whole.
//! - `selector` stands at the top, because language, harness and simulation all speak label selectors.
//!
//! ## Time
//!
//! Durations are measured with tokio's monotonic clock at the receipt of an observation; the server's own stamps (1 s
//! resolution) stand beside them. The wall clock is read by the command line alone, for the run's id and the report's head.

pub mod cli;
pub mod cluster;
pub mod detect;
pub mod engine;
pub mod event;
pub mod exit_code;
pub mod fault;
pub mod fidelity;
pub mod heal;
pub mod history;
pub mod json;
pub mod measure;
pub mod notify;
pub mod observe;
pub mod report;
pub mod scenario;
pub mod selector;
pub mod sim;
pub mod web;
