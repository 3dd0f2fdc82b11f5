//! A kind cluster that a run has created goes with the clean-up of that run alone. A program in `kind`'s place tells of a served
//! cluster, so that no real one is needed.

use crate::world::World;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Answers as `kind` does, of the one cluster that the file `clusters` names.
const KIND: &str = "#!/bin/sh\ncase \"$1 $2\" in\n'get clusters') cat clusters ;;\n'get kubeconfig') cat served ;;\n\
                    'delete cluster') : > clusters; echo deleted >> deletions ;;\n*) echo \"unknown: $*\" >&2; exit 1 ;;\nesac\n";

fn cleanup(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let path = format!("{}:/usr/bin:/bin", folder.join("bin").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
    command.arg("cleanup").args(arguments).args(["--cluster", "kind:try"]).current_dir(folder);
    let output = command.env_clear().env("PATH", path).env("HOME", folder).output().unwrap();
    (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn a_kind_cluster_goes_with_the_run_that_created_it_alone() {
    let world = World::start(20.0);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    for made in ["bin", ".comeback"] {
        std::fs::create_dir(folder.path().join(made)).unwrap();
    }
    write("bin/kind", KIND);
    std::fs::set_permissions(folder.path().join("bin/kind"), std::fs::Permissions::from_mode(0o755)).unwrap();
    write("clusters", "other\ntry\n");
    write(
        "served",
        &world
            .kubeconfig
            .replace("current-context: comeback", "current-context: kind-try")
            .replace("contexts:\n- name: comeback\n", "contexts:\n- name: kind-try\n"),
    );
    write(".comeback/ledger.jsonl", "{\"kindCreated\":{\"name\":\"try\",\"run\":\"r1\"}}\n");
    let left_by = |run: &str| {
        let labels = serde_json::json!({ "comeback.dev/run": run, "comeback.dev/scenario": "x", "comeback.dev/trial": "1" });
        let name = format!("comeback-{run}");
        world.apply(
            &serde_json::json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } }),
        );
    };
    let deletions = || std::fs::read_to_string(folder.path().join("deletions")).unwrap_or_default();

    // Another run worked there too, and somebody cleans up after that one.
    for run in ["r1", "r2"] {
        left_by(run);
    }
    let (code, said) = cleanup(folder.path(), &["--run", "r2"]);
    assert_eq!((code, deletions().as_str()), (Some(0), ""), "{said}");
    assert!(said.contains("removed namespace/comeback-r2"), "{said}");
    let stays =
        "kind cluster try, which run r1 created, is still there; `comeback cleanup --run r1 --cluster kind:try` removes it";
    assert!(said.contains(stays), "{said}");

    // What another run left would go with the cluster.
    left_by("r3");
    let (code, said) = cleanup(folder.path(), &["--run", "r1"]);
    assert_eq!((code, deletions().as_str()), (Some(0), ""), "{said}");
    assert!(said.contains("removed namespace/comeback-r1") && said.contains(stays), "{said}");
    assert_eq!(cleanup(folder.path(), &["--run", "r3"]).0, Some(0));

    let (code, said) = cleanup(folder.path(), &["--run", "r1"]);
    assert_eq!((code, said.as_str(), deletions().as_str()), (Some(0), "removed kind cluster try\n", "deleted\n"));
}
