//! The models' lives: what they log, when they listen, how they end. Only tests.

use super::{Choice, MODELS, by_name, of_image};
use crate::sim::network::http::{Reader, Request};
use crate::sim::profile::Cgroup;
use crate::sim::program::container::{Container, ContainerSpec, Signal};
use crate::sim::program::trial::{finish, spec};
use rstest::rstest;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

fn modelled(model: &str, arguments: &[&str], options: &[(&str, &str)], environment: &[(&str, &str)]) -> ContainerSpec {
    let known = by_name(model).unwrap();
    let own = arguments.iter().map(|word| (*word).to_owned()).collect();
    let mut spec = spec(&[], Vec::new());
    spec.argv = known.argv(Vec::new(), own);
    spec.image = model.to_owned();
    spec.env = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>();
    spec.model = Some(Choice { model: model.to_owned(), options });
    spec
}

async fn get(spec: &ContainerSpec, port: u16, path: &str) -> Option<(u16, String)> {
    let stream = spec.network.connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).await.ok()?;
    Request::get("pod", path).send(&stream).await.ok()?;
    let response = Reader::new(&stream).response("GET").await.ok()?;
    Some((response.status, String::from_utf8(response.body).unwrap()))
}

async fn exec(container: &Container, command: &str) -> (String, i32) {
    let argv: Vec<String> = command.split(' ').map(str::to_owned).collect();
    let result = container.exec(&argv, b"", None).await.unwrap().unwrap();
    let both = [result.stdout, result.stderr].concat();
    (String::from_utf8(both).unwrap().trim_end().to_owned(), result.code)
}

async fn stopped(container: &Container) -> (i32, Vec<String>) {
    container.signal(Signal::Term);
    let exit = container.exit().wait_for(Option::is_some).await.unwrap().unwrap();
    (exit.code, container.log().since(0).into_iter().map(|line| line.text).collect())
}

#[test]
fn names_are_unique_and_programs_are_there() {
    for model in MODELS {
        assert_eq!(by_name(model.name).unwrap().name, model.name);
        let argv = model.argv(Vec::new(), Vec::new());
        assert!(argv.first().is_some_and(|first| model.has_program(first)), "{}", model.name);
    }
}

#[rstest]
#[case("docker.io/library/nginx", Some("nginx"))]
#[case("registry.k8s.io/pause", Some("pause"))]
#[case("docker.io/polinux/stress", Some("stress"))]
#[case("quay.io/team/stress-ng", Some("stress-ng"))]
#[case("docker.io/shop/nginx", None)]
#[case("docker.io/library/python", None)]
fn images_have_models(#[case] repository: &str, #[case] model: Option<&str>) {
    assert_eq!(of_image(repository).map(|found| found.name), model);
}

#[rstest]
#[case::pause("pause", &[], &[], 0, Some("Shutting down, got signal: Terminated"))]
#[case::echo("http-echo", &["-text=hi"], &[], 2, None)]
#[case::agnhost("agnhost", &["netexec"], &[], 2, None)]
#[case::nginx("nginx", &[], &[], 0, None)]
#[case::redis("redis", &[], &[], 0, None)]
#[case::postgres("postgres", &[], &[("POSTGRES_PASSWORD", "x")], 0, None)]
#[case::java("java", &[], &[], 143, None)]
#[case::echo_server("echo-server", &[], &[], 0, None)]
#[case::httpbin("httpbin", &[], &[], 0, None)]
#[tokio::test(start_paused = true)]
async fn sigterm_ends_each_as_its_image(
    #[case] model: &str,
    #[case] arguments: &[&str],
    #[case] environment: &[(&str, &str)],
    #[case] code: i32,
    #[case] last: Option<&str>,
) {
    let spec = modelled(model, arguments, &[], environment);
    let limits = spec.limits.clone();
    let container = Container::start(spec).unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (ended, lines) = stopped(&container).await;
    assert_eq!(ended, code, "{lines:?}");
    if let Some(last) = last {
        assert_eq!(lines.last().map(String::as_str), Some(last));
    }
    assert!(limits.since(0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn http_servers_answer() {
    for (model, arguments, port, path, status, body) in [
        ("http-echo", vec!["-text=hello"], 5678, "/", 200, "hello\n"),
        ("agnhost", vec!["netexec", "--http-port=8081"], 8081, "/hostname", 200, "pod"),
        ("agnhost", vec!["liveness"], 8080, "/healthz", 500, "error: "),
        ("nginx", vec![], 80, "/", 200, "<!DOCTYPE html>"),
        ("nginx", vec![], 80, "/none", 404, "<html>"),
        ("httpbin", vec![], 80, "/status/503", 503, ""),
        ("echo-server", vec![], 80, "/?echo_code=418", 418, "{"),
        ("java", vec![], 8080, "/actuator/health", 200, "{\"status\":\"UP\"}"),
    ] {
        let spec = modelled(model, &arguments, &[], &[]);
        assert_eq!(get(&spec, port, path).await, None, "{model} listens before it has started");
        let _container = Container::start(spec.clone()).unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        let (code, text) = get(&spec, port, path).await.unwrap();
        assert_eq!(code, status, "{model} {path}");
        assert!(text.starts_with(body), "{model} {path}: {text}");
    }
}

#[rstest]
#[case::exits(&[("heap", "64Mi"), ("growth", "8Mi"), ("onOutOfMemory", "exit")], None, (3, false))]
#[case::flag(&[("growth", "8Mi")], Some("-Xmx64m -XX:+ExitOnOutOfMemoryError"), (3, false))]
#[case::crashes(&[("heap", "64Mi"), ("growth", "8Mi"), ("onOutOfMemory", "crash")], None, (134, false))]
#[case::kernel(&[("heap", "512Mi"), ("growth", "8Mi")], None, (137, true))]
#[tokio::test(start_paused = true)]
async fn a_leaking_service_meets_its_own_limit_or_the_kernels(
    #[case] options: &[(&str, &str)],
    #[case] flags: Option<&str>,
    #[case] end: (i32, bool),
) {
    let environment: Vec<(&str, &str)> = flags.map(|flags| ("JAVA_TOOL_OPTIONS", flags)).into_iter().collect();
    let mut spec = modelled("java", &[], options, &environment);
    (spec.memory_limit, spec.cgroup) = (Some(256 * 1024 * 1024), Cgroup::V2);
    let (lines, code, oom, limits) = finish(spec).await;
    assert_eq!(((code, oom), limits.len()), (end, 0), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leak_by_request_fails_requests_and_nothing_else() {
    let spec = modelled("java", &[], &[("heap", "32Mi"), ("growthPerRequest", "4Mi"), ("startup", "1s")], &[]);
    let container = Container::start(spec.clone()).unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(get(&spec, 8080, "/").await.unwrap().0);
    }
    assert_eq!(statuses, [200, 200, 500, 500]);
    assert_eq!(get(&spec, 8080, "/actuator/health").await.unwrap().0, 200);
    assert!(container.exit().get().is_none());
}

/// The example of the Kubernetes documentation: 250 MiB against a limit of 100 MiB.
#[rstest]
#[case::group(Cgroup::V2, (137, true))]
#[case::one_process(Cgroup::V1, (1, true))]
#[tokio::test(start_paused = true)]
async fn stress_beyond_the_limit(#[case] cgroup: Cgroup, #[case] end: (i32, bool)) {
    let mut spec = modelled("stress", &["stress", "--vm", "1", "--vm-bytes", "250M", "--vm-hang", "1"], &[], &[]);
    (spec.memory_limit, spec.cgroup) = (Some(100 * 1024 * 1024), cgroup);
    let (lines, code, oom, limits) = finish(spec).await;
    assert_eq!(((code, oom), limits.len()), (end, 0), "{lines:?}");
    assert_eq!(lines[0], "stress: info: [1] dispatching hogs: 0 cpu, 0 io, 1 vm, 0 hdd");
}

#[tokio::test(start_paused = true)]
async fn stress_within_the_limit_ends_in_time() {
    for model in ["stress", "stress-ng"] {
        let own: &[&str] = &["--vm", "1", "--vm-bytes", "50M", "--timeout", "10s"];
        let arguments: Vec<&str> = if model == "stress" { [&["stress"], own].concat() } else { own.to_vec() };
        let began = tokio::time::Instant::now();
        let (lines, code, ..) = finish(modelled(model, &arguments, &[], &[])).await;
        assert_eq!((code, began.elapsed().as_secs()), (0, 10), "{lines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn postgres_needs_a_password_and_refuses_before_it_is_ready() {
    let (lines, code, ..) = finish(modelled("postgres", &[], &[], &[])).await;
    assert_eq!((lines[0].as_str(), code), ("Error: Database is uninitialized and superuser password is not specified.", 1));
    let spec = modelled("postgres", &[], &[("initialization", "10s")], &[("POSTGRES_PASSWORD", "x")]);
    let container = Container::start(spec.clone()).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(exec(&container, "pg_isready").await, ("/var/run/postgresql:5432 - no response".to_owned(), 2));
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(exec(&container, "pg_isready -h localhost").await, ("localhost:5432 - accepting connections".to_owned(), 0));
    assert_eq!(exec(&container, "pg_isready -U postgres").await.1, 0);
    // Killed, and started again on the same volume: it recovers.
    container.signal(Signal::Kill);
    container.exit().wait_for(Option::is_some).await.unwrap();
    let again = Container::start(spec).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(exec(&again, "pg_isready").await.1, 1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(exec(&again, "pg_isready").await.1, 0);
    assert!(again.log().since(0).iter().any(|line| line.text.contains("automatic recovery in progress")));
}

#[tokio::test(start_paused = true)]
async fn redis_keeps_data_over_an_orderly_end_and_holds_to_maxmemory() {
    let spec = modelled("redis", &["redis-server", "--maxmemory", "1100kb"], &[], &[]);
    let container = Container::start(spec.clone()).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(exec(&container, "redis-cli ping").await, ("PONG".to_owned(), 0));
    assert_eq!(exec(&container, "redis-cli set name value").await.0, "OK");
    assert_eq!(exec(&container, "redis-cli incr n").await.0, "1");
    let before = container.memory();
    let big = "x".repeat(150_000);
    assert_eq!(exec(&container, &format!("redis-cli set big {big}")).await.0, "OK");
    assert!(container.memory() >= before + 150_000);
    assert_eq!(exec(&container, "redis-cli set more x").await.0, "OOM command not allowed when used memory > 'maxmemory'.");
    assert_eq!(stopped(&container).await.0, 0);
    let again = Container::start(spec).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(exec(&again, "redis-cli get name").await.0, "value");
    assert_eq!(
        exec(&again, "redis-cli -p 6380 ping").await,
        ("Could not connect to Redis at 127.0.0.1:6380: Connection refused".to_owned(), 1)
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_model_cannot_do_is_a_limit() {
    let (_, code, _, limits) = finish(modelled("redis", &["redis-server", "--cluster-enabled", "yes"], &[], &[])).await;
    assert_eq!((code, limits), (127, vec!["redis-server --cluster-enabled yes (model redis)".to_owned()]));
    let spec = modelled("http-echo", &["-text=x"], &[], &[]);
    let container = Container::start(spec).unwrap();
    assert!(container.exec(&["sh".to_owned()], b"", None).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn clients_look_names_up() {
    let redis = Container::start(modelled("redis", &["redis-server", "--port", "6380"], &[], &[])).unwrap();
    let postgres = Container::start(modelled("postgres", &[], &[], &[("POSTGRES_PASSWORD", "x")])).unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    // The container's own /etc/hosts has its name; there is no name server.
    assert_eq!(exec(&redis, "redis-cli -h pod -p 6380 ping").await, ("PONG".to_owned(), 0));
    let unknown = "Temporary failure in name resolution";
    let said = format!("Could not connect to Redis at nosuch:6379: {unknown}");
    assert_eq!(exec(&redis, "redis-cli -h nosuch ping").await, (said, 1));
    assert_eq!(exec(&postgres, "pg_isready -h pod").await, ("pod:5432 - accepting connections".to_owned(), 0));
    assert_eq!(exec(&postgres, "pg_isready -h nosuch").await, ("nosuch:5432 - no response".to_owned(), 2));
    let said = format!("psql: error: could not translate host name \"nosuch\" to address: {unknown}");
    let argv = ["psql", "-h", "nosuch", "-c", "select 1"].map(str::to_owned);
    let lost = postgres.exec(&argv, b"", None).await.unwrap().unwrap();
    assert_eq!((String::from_utf8(lost.stderr).unwrap().trim_end().to_owned(), lost.code), (said, 2));
    let said = "psql: error: connection to server at \"pod\" (10.244.0.5), port 5433 failed: Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?";
    let argv = ["psql", "-h", "pod", "-p", "5433", "-c", "select 1"].map(str::to_owned);
    let refused = postgres.exec(&argv, b"", None).await.unwrap().unwrap();
    assert_eq!((String::from_utf8(refused.stderr).unwrap().trim_end(), refused.code), (said, 2));
}
