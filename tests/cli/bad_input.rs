//! Files that nobody meant as a scenario: each is refused with a message, soon, whatever is in it.

use super::{comeback, folder, output};
use rstest::rstest;
use std::time::{Duration, Instant};

const HEAD: &str = "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: { name: x }\n";

/// `spec` of a scenario with one good object.
fn with(rest: &str) -> Vec<u8> {
    let pod = "{ metadata: { labels: { app: a } }, spec: { containers: [ { name: a, image: busybox } ] } }";
    let spec = format!("{{ selector: {{ matchLabels: {{ app: a }} }}, template: {pod} }}");
    let object = format!("{{ apiVersion: apps/v1, kind: Deployment, metadata: {{ name: a }}, spec: {spec} }}");
    format!("{HEAD}spec:\n  summary: x\n  workload: {{ inline: [ {object} ] }}\n{rest}").into_bytes()
}

fn after_head(rest: &str) -> Vec<u8> {
    format!("{HEAD}{rest}").into_bytes()
}

/// Ten levels of nine aliases each: 3 GB if expanded.
fn aliases() -> Vec<u8> {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let all = vec![format!("*a{}", level - 1); 9].join(", ");
        text += &format!("a{level}: &a{level} [{all}]\n");
    }
    text.into_bytes()
}

fn repeated(line: impl Fn(usize) -> String, n: usize) -> String {
    (0..n).map(line).collect()
}

#[rstest]
#[case::empty(Vec::new())]
#[case::blank(b" \n\n  \n".to_vec())]
#[case::only_a_comment(b"# nothing\n".to_vec())]
#[case::only_separators(b"---\n---\n---\n".to_vec())]
#[case::null(b"null\n".to_vec())]
#[case::a_number(b"42\n".to_vec())]
#[case::a_list(b"- a\n- b\n".to_vec())]
#[case::binary((0..=255).cycle().take(5000).collect())]
#[case::zeros(vec![0; 100_000])]
#[case::not_utf8(b"kind: \xff\xfe\xff".to_vec())]
#[case::utf16("\u{feff}kind: Scenario\n".encode_utf16().flat_map(u16::to_le_bytes).collect())]
#[case::elf(std::fs::read("/proc/self/exe").map_or(vec![0x7f, b'E', b'L', b'F', 2, 1], |bytes| bytes.into_iter().take(1_000_000).collect()))]
#[case::raw_escape(b"# \x1b[2J\x1b[31m\nkind: Scenario\n".to_vec())]
#[case::escapes(b"kind: \"\\e[2J\\0\"\n".to_vec())]
#[case::c1_control("kind: \u{9b}31m\n".as_bytes().to_vec())]
#[case::deep(b"[".repeat(20_000))]
#[case::deep_maps(b"{a: ".repeat(20_000))]
#[case::deep_blocks(repeated(|level| format!("{}a:\n", " ".repeat(level)), 2000).into_bytes())]
#[case::deep_lists(b"- ".repeat(50_000))]
#[case::aliases(aliases())]
#[case::alias_to_itself(b"a: &a [*a]\n".to_vec())]
#[case::unknown_alias(b"a: *nowhere\n".to_vec())]
#[case::unclosed(b"kind: \"Scenario\n".to_vec())]
#[case::tab(b"kind:\n\t- a\n".to_vec())]
#[case::tag(b"!!python/object/apply:os.system [\"true\"]\n".to_vec())]
#[case::duplicate(b"apiVersion: comeback.dev/v1alpha1\napiVersion: comeback.dev/v1alpha1\nkind: Scenario\n".to_vec())]
#[case::large(b"a: b\n# ".iter().copied().chain(std::iter::repeat_n(b'x', 10_000_000)).collect())]
#[case::long_line(b"a: ".iter().copied().chain(std::iter::repeat_n(b'x', 3_000_000)).collect())]
#[case::many_keys(repeated(|n| format!("k{n}: 1\n"), 200_000).into_bytes())]
#[case::many_documents(repeated(|_| "a: 1\n---\n".to_owned(), 20_000).into_bytes())]
#[case::many_mistakes(with(&repeated(|n| format!("  k{n}: 1\n"), 5_000)))]
#[case::json_of_a_pod(br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}"#.to_vec())]
#[case::helm_template(b"{{- if .Values.x }}\nkind: {{ .Values.kind }}\n{{- end }}\n".to_vec())]
#[case::html(b"<!DOCTYPE html><html><body>404: Not Found</body></html>\n".to_vec())]
#[case::no_spec(after_head(""))]
#[case::spec_is_text(after_head("spec: yes please\n"))]
#[case::no_workload(after_head("spec: {}\n"))]
#[case::huge_number(with("  trials: 99999999999999999999999\n"))]
#[case::endless_duration(with("  recover: { within: 99999999999999h }\n"))]
#[case::hungry_pattern(with("  effect: { until: [ { log: { deployment: a, pattern: '((a{1000}){1000}){1000}' } } ] }\n"))]
#[case::manifest_elsewhere(after_head("spec: { summary: x, workload: { manifests: [/dev/zero] } }\n"))]
#[case::manifest_is_itself(after_head("spec: { summary: x, workload: { manifests: [nonsense.yaml] } }\n"))]
fn nonsense_is_exit_code_2_with_a_message_soon(#[case] bytes: Vec<u8>) {
    let folder = folder();
    std::fs::write(folder.path().join("nonsense.yaml"), bytes).unwrap();
    let began = Instant::now();
    let (code, stdout, stderr) = output(comeback(folder.path()).args(["run", "nonsense.yaml"]));
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains("nonsense.yaml"), "{stderr}");
    assert!(stderr.contains("error"), "{stderr}");
    assert!(stderr.chars().all(|c| !c.is_control() || c == '\n'), "{stderr:?}");
    assert!(!stderr.contains("bug in comeback"), "{stderr}");
    assert!(!folder.path().join(".comeback").exists(), "nothing was run");
    // A second in a release build on an idle machine.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn an_alias_bomb_is_refused_as_defaults_too() {
    let folder = folder();
    std::fs::write(folder.path().join("comeback.yaml"), aliases()).unwrap();
    let (code, _, stderr) = output(comeback(folder.path()).arg("run"));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("comeback.yaml"), "{stderr}");
}

#[test]
fn json_diagnostics_have_a_position_and_leave_stderr_alone() {
    let folder = folder();
    std::fs::write(folder.path().join("wrong.yaml"), with("  trails: 3\n")).unwrap();
    let (code, stdout, stderr) = output(comeback(folder.path()).args(["validate", "wrong.yaml", "--format", "json"]));
    assert_eq!((code, stderr.as_str()), (2, ""));
    let answer: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(answer["valid"], false);
    let found = &answer["diagnostics"][0];
    assert_eq!((&found["code"], &found["file"]), (&"unknown-key".into(), &"wrong.yaml".into()));
    assert_eq!((&found["line"], &found["column"], &found["text"]), (&7.into(), &3.into(), &"trails".into()));
    assert!(found["help"].as_str().unwrap().contains("Did you mean `trials`?"));
}
