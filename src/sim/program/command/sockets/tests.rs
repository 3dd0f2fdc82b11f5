//! What the network programs of busybox print and return, in one container: the texts of a real pod.
//! Services and policies are tested with the network.

use crate::sim::program::ContainerSpec;
use crate::sim::program::trial::{finish, sh};
use rstest::rstest;

const SLOW: &str =
    "(printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 10\\r\\n\\r\\nabc'; sleep 5) | nc -l -p 9001 >/dev/null & sleep 1;";

#[rstest]
#[case::port_in_use("httpd -p 8080; httpd -f -p 8080", "httpd: bind: Address already in use", 1)]
#[case::no_home("httpd -f -h /nosuch", "httpd: can't change directory to '/nosuch': No such file or directory", 1)]
#[case::refused(
    "wget -O - http://127.0.0.1:81/",
    "Connecting to 127.0.0.1:81 (127.0.0.1:81)\nwget: can't connect to remote host (127.0.0.1): Connection refused",
    1
)]
#[case::to_a_file(
    "echo ok >/tmp/health; httpd -p 80 -h /tmp; cd /; wget http://localhost/health; cat health; wget http://localhost/health",
    "Connecting to localhost (127.0.0.1:80)\nsaving to 'health'\nhealth               100% |********************************|     3  0:00:00 ETA\n'health' saved\nok\nConnecting to localhost (127.0.0.1:80)\nwget: can't open 'health': File exists",
    1
)]
#[case::spider(
    "echo ok >/tmp/h; httpd -p 80 -h /tmp; wget --spider http://localhost/h",
    "Connecting to localhost (127.0.0.1:80)\nremote file exists",
    0
)]
#[case::post_is_for_programs(
    "echo ok >/tmp/h; httpd -p 80 -h /tmp; wget -q -O - --post-data=a http://localhost/h",
    "wget: server returned error: HTTP/1.1 501 Not Implemented",
    1
)]
#[case::cgi(
    "mkdir -p /tmp/cgi-bin; printf '#!/bin/sh\\necho; echo $REQUEST_METHOD $QUERY_STRING; cat' >/tmp/cgi-bin/t; chmod +x /tmp/cgi-bin/t; httpd -p 80 -h /tmp; wget -q -O - --post-data=body 'http://localhost/cgi-bin/t?x=1'",
    "POST x=1\nbody",
    0
)]
#[case::headers(
    "cd /tmp; printf 'hi\\n' >index.html; httpd -p 80; printf 'GET / HTTP/1.1\\r\\n\\r\\n' | nc localhost 80 | grep -v -e ^Date -e ^Last -e ^ETag | tr -d '\\r'",
    "HTTP/1.1 200 OK\nConnection: close\nContent-type: text/html\nAccept-Ranges: bytes\nContent-Length: 3\n\nhi",
    0
)]
#[case::nonsense("httpd -p 80; echo nonsense | nc localhost 80 | head -n 1 | tr -d '\\r'", "HTTP/1.1 400 Bad Request", 0)]
#[case::request(
    "nc -l -p 9000 >/tmp/req & sleep 1; wget -q -O - --header 'X: y' --post-data=abc=1 http://u:p@localhost:9000/a; tr -d '\\r' </tmp/req",
    "wget: error getting response\nPOST /a HTTP/1.1\nHost: localhost:9000\nUser-Agent: Wget\nConnection: close\nAuthorization: Basic dTpw\nX: y\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 5\n\nabc=1",
    0
)]
#[case::short(
    "printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 10\\r\\n\\r\\nboo' | nc -l -p 9000 >/dev/null & sleep 1; wget -q -O - http://localhost:9000/",
    "wget: connection closed prematurely\nboo",
    1
)]
#[case::garbage(
    "echo garbage | nc -l -p 9000 >/dev/null & sleep 1; wget -q -O - http://localhost:9000/",
    "wget: error getting response",
    1
)]
#[case::silence(
    "sleep 100 | nc -l -p 9000 >/dev/null & sleep 1; wget -q -T 2 -O - http://localhost:9000/; echo $?; date +%S",
    "wget: download timed out\n1\n03",
    0
)]
#[case::loops(
    "while :; do printf 'HTTP/1.1 200 OK\\r\\n\\r\\nok' | nc -l -p 9000 >/dev/null; done & sleep 1; wget -q -O - http://localhost:9000/; sleep 1; wget -q -O - http://localhost:9000/; kill $!",
    "okok",
    0
)]
#[case::persistent("nc -ll -p 9000 -e echo hi & sleep 1; nc localhost 9000; nc localhost 9000; kill $!", "hi\nhi", 0)]
#[case::conversation("nc -l -p 9000 -e cat & sleep 1; (echo a; sleep 1; echo b) | nc localhost 9000", "a\nb", 0)]
#[case::nobody_comes("nc -l -p 9000 -w 2; echo $?; date +%S", "nc: timed out\n1\n02", 0)]
#[case::listeners(
    "httpd -p 8080; netstat -tln | tail -n 1",
    "tcp        0      0 :::8080                 :::*                    LISTEN",
    0
)]
#[case::killed(
    "httpd -f -p 80 & sleep 1; kill $!; sleep 1; wget -q -O - http://localhost/",
    "wget: can't connect to remote host (127.0.0.1): Connection refused",
    1
)]
#[case::loopback_only(
    "httpd -p 127.0.0.1:80; nc localhost 80 </dev/null && nc pod 80",
    "nc: can't connect to remote host (10.244.0.5): Connection refused",
    1
)]
#[tokio::test(start_paused = true)]
async fn scripts(#[case] script: &str, #[case] output: &str, #[case] code: i32) {
    let (said, ended) = sh(script).await;
    let said: Vec<_> = said.lines().map(str::trim_end).collect();
    assert_eq!((said.join("\n").as_str(), ended), (output, code));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_download_keeps_what_came() {
    let (said, code) = sh(&format!("{SLOW} wget -q -T 2 -O /tmp/y http://localhost:9001/; cat /tmp/y")).await;
    assert_eq!((said.as_str(), code), ("wget: download timed out\nabc", 0));
}

#[rstest]
#[case::body("curl -s http://localhost/h", "ok", 0)]
#[case::code("curl -s -o /dev/null -w '%{http_code}' http://localhost/none", "404", 0)]
#[case::fails("curl -sf http://localhost/none", "", 22)]
#[case::fails_and_says("curl -sSf http://localhost/none", "curl: (22) The requested URL returned error: 404", 22)]
#[case::refused(
    "curl -sS http://localhost:81/",
    "curl: (7) Failed to connect to localhost port 81 after 1 ms: Could not connect to server",
    7
)]
#[case::unknown_host("curl -sS -m 1 http://nosuch/", "curl: (28) Resolving timed out after 1000 milliseconds", 28)]
#[case::other_protocol("curl -sS ftp://localhost/", "", 127)]
#[tokio::test(start_paused = true)]
async fn curl(#[case] command: &str, #[case] output: &str, #[case] code: i32) {
    let script = format!("echo ok >/tmp/h; httpd -p 80 -h /tmp; {command}");
    let spec = ContainerSpec { image: "curlimages/curl:8.8.0".to_owned(), ..ContainerSpec::alone(&["sh", "-c", &script]) };
    let (lines, ended, _, limits) = finish(spec).await;
    assert_eq!((limits.is_empty(), ended), (code != 127, code), "{lines:?} {limits:?}");
    if code != 127 {
        assert_eq!(lines.join("\n"), output);
    }
}
