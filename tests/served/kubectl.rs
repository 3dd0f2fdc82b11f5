//! kubectl against a served cluster: what people do with it every day. Prints how each command ended.

use crate::server::{Cluster, PATIENCE, program};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

const MANIFEST: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {greeting: hello}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: busybox:1.37
          command: [sh, -c, "trap exit TERM; while true; do echo tick; sleep 1; done"]
          resources: {limits: {memory: 64Mi, cpu: 500m}}
"#;

/// kubectl with a kubeconfig of its own.
pub struct Kubectl {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Kubectl {
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words.split('|').flat_map(|part| match part.strip_prefix('\'') {
            Some(whole) => vec![whole.to_owned()],
            None => part.split_whitespace().map(ToOwned::to_owned).collect(),
        }));
        command.env("KUBECONFIG", self.folder.path().join("config")).env("HOME", self.folder.path());
        command
    }

    async fn output(&self, words: &str, input: Option<&str>) -> Output {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = input.map(ToOwned::to_owned);
        let run = move || {
            let mut child = command.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            if let Some(input) = input {
                stdin.write_all(input.as_bytes()).unwrap();
            }
            drop(stdin);
            child.wait_with_output().unwrap()
        };
        tokio::time::timeout(Duration::from_secs(90), tokio::task::spawn_blocking(run)).await.expect(words).unwrap()
    }

    /// Runs a command (`|'` begins an argument with spaces) that must end well: its standard output.
    pub async fn ok(&self, words: &str) -> String {
        self.with(words, None).await
    }

    async fn with(&self, words: &str, input: Option<&str>) -> String {
        let output = self.output(words, input).await;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "kubectl {words}: {}\n{out}{err}", output.status);
        println!("ok: kubectl {words}");
        out.into_owned()
    }

    /// Runs a command that must fail: its code and standard error.
    async fn fails(&self, words: &str) -> (i32, String) {
        let output = self.output(words, None).await;
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "kubectl {words} succeeded");
        println!("ok: kubectl {words} fails: {}", err.lines().last().unwrap_or_default());
        (output.status.code().unwrap_or(-1), err)
    }

    /// Lets a command that would go on print until a line is `wanted` for the given time; then it is ended.
    async fn watched(&self, words: &str, times: usize, wanted: fn(&str) -> bool) {
        let mut command = tokio::process::Command::from(self.command(words));
        command.stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        let reading = async {
            while seen < times {
                let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("kubectl {words} ended after {seen} lines"));
                seen += usize::from(wanted(&line));
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect(words);
        child.kill().await.unwrap();
        println!("ok: kubectl {words} ({times} lines)");
    }
}

pub async fn start() -> Option<(Cluster, Kubectl)> {
    let program = program("kubectl", &["bin"])?;
    let cluster = Cluster::start(10.0).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config"), cluster.served.kubeconfig()).unwrap();
    std::fs::write(folder.path().join("app.yaml"), MANIFEST).unwrap();
    Some((cluster, Kubectl { program, folder }))
}

#[tokio::test]
async fn a_deployment_is_applied_changed_watched_and_deleted() {
    let Some((cluster, kubectl)) = start().await else { return };
    let file = kubectl.folder.path().join("app.yaml").display().to_string();
    assert!(kubectl.ok(&format!("apply -f {file}")).await.contains("deployment.apps/web created"));
    assert!(kubectl.ok("rollout status deployment/web --timeout=60s").await.contains("successfully rolled out"));
    assert_eq!(kubectl.ok(&format!("diff -f {file}")).await, "");
    assert!(kubectl.ok(&format!("apply -f {file}")).await.contains("deployment.apps/web unchanged"));
    assert!(kubectl.ok(&format!("apply --server-side --force-conflicts -f {file}")).await.contains("serverside-applied"));
    assert_eq!(kubectl.ok("get pods -l app=web -o name").await.lines().count(), 2);
    let table = kubectl.ok("get pods -o wide").await;
    assert!(table.starts_with("NAME") && table.contains("Running") && table.contains("worker"), "{table}");

    kubectl.ok("scale deployment/web --replicas=3").await;
    kubectl.ok("wait --for=jsonpath={.status.readyReplicas}=3 deployment/web --timeout=60s").await;
    kubectl.ok("set image deployment/web web=busybox:1.36").await;
    kubectl.ok("rollout status deployment/web --timeout=60s").await;
    kubectl.ok("rollout undo deployment/web").await;
    kubectl.ok("rollout status deployment/web --timeout=60s").await;
    assert!(kubectl.ok("get deployment web -o yaml").await.contains("busybox:1.37"));
    kubectl.ok("rollout restart deployment/web").await;
    kubectl.ok("rollout status deployment/web --timeout=60s").await;
    assert_eq!(kubectl.ok("rollout history deployment/web").await.lines().filter(|line| line.ends_with("<none>")).count(), 3);
    kubectl.ok("patch configmap settings --type=merge -p|'{\"data\":{\"greeting\":\"hi\"}}").await;
    let mut edit = kubectl.command("edit configmap settings");
    let edited =
        tokio::task::spawn_blocking(move || edit.env("KUBE_EDITOR", "sed -i s/hi/bye/").output().unwrap()).await.unwrap();
    assert!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
    assert!(kubectl.ok("get configmap settings -o jsonpath={.data.greeting}").await == "bye");
    let described = kubectl.ok("describe deployment web").await;
    assert!(described.contains("ScalingReplicaSet"), "{described}");
    kubectl.watched("get pods --watch", 2, |line| line.contains("Running")).await;
    kubectl.ok("delete pod -l app=web --wait=false").await;
    kubectl.ok("wait --for=condition=Available deployment/web --timeout=60s").await;
    kubectl.ok(&format!("delete -f {file} --timeout=60s")).await;
    assert!(kubectl.fails("get deployment web").await.1.contains("deployments.apps \"web\" not found"));
    cluster.served.stop().unwrap();
}

#[tokio::test]
async fn containers_are_read_entered_and_measured() {
    let Some((cluster, kubectl)) = start().await else { return };
    let file = kubectl.folder.path().join("app.yaml").display().to_string();
    kubectl.ok(&format!("apply -f {file}")).await;
    kubectl.ok("rollout status deployment/web --timeout=60s").await;
    assert!(kubectl.ok("logs deployment/web --tail=1").await == "tick\n");
    kubectl.watched("logs -f deployment/web", 20, |line| line == "tick").await;
    assert!(kubectl.with("exec -i deployment/web -- cat", Some("from here\n")).await == "from here\n");
    let (code, said) = kubectl.fails("exec deployment/web -- sh -c|'echo no >&2; exit 3").await;
    assert!(code == 3 && said.contains("no\n"), "{code}: {said}");
    assert!(kubectl.fails("exec deployment/web -- nothing").await.1.contains("executable file not found in $PATH"));
    let token = kubectl.ok("exec deployment/web -- cat /var/run/secrets/kubernetes.io/serviceaccount/token").await;
    assert_eq!(token.split('.').count(), 3);
    kubectl.watched("attach deployment/web", 2, |line| line == "tick").await;
    assert!(kubectl.ok("top pods").await.contains("web-"));
    assert!(kubectl.ok("top nodes").await.contains("worker"));
    assert!(kubectl.ok("events").await.contains("Started"));
    cluster.served.stop().unwrap();
}

#[tokio::test]
async fn nodes_are_drained_and_rights_are_asked_for() {
    let Some((cluster, kubectl)) = start().await else { return };
    let file = kubectl.folder.path().join("app.yaml").display().to_string();
    kubectl.ok(&format!("apply -f {file}")).await;
    kubectl.ok("rollout status deployment/web --timeout=60s").await;
    kubectl.ok("cordon worker").await;
    kubectl.ok("drain worker --ignore-daemonsets --timeout=60s").await;
    assert!(!kubectl.ok("get pods -o wide --field-selector=status.phase=Running").await.contains(" worker "));
    kubectl.ok("uncordon worker").await;

    assert_eq!(kubectl.ok("auth can-i create deployments").await, "yes\n");
    assert!(kubectl.ok("auth whoami").await.contains("kubernetes-admin"));
    kubectl.ok("create serviceaccount bob").await;
    let bob = "--as=system:serviceaccount:default:bob";
    assert!(kubectl.fails(&format!("auth can-i list pods {bob}")).await.0 == 1);
    let refused = kubectl.fails(&format!("get pods {bob}")).await.1;
    let text = "pods is forbidden: User \"system:serviceaccount:default:bob\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"";
    assert!(refused.contains(text), "{refused}");
    kubectl.ok("create rolebinding bob --clusterrole=view --serviceaccount=default:bob").await;
    assert_eq!(kubectl.ok(&format!("auth can-i list pods {bob}")).await, "yes\n");
    assert!(kubectl.ok(&format!("auth can-i --list {bob}")).await.contains("pods"));
    let mine = kubectl.ok("auth can-i --list").await;
    // What two roles allow is listed twice there, too; what a superuser may do is one rule.
    assert_eq!(mine.lines().filter(|row| row.ends_with("[*]")).count(), 2, "{mine}");
    assert_eq!(kubectl.ok("create token bob").await.trim().split('.').count(), 3);
    for words in
        ["version", "cluster-info", "api-resources", "api-versions", "get all -A", "get --raw /metrics", "get clusterroles"]
    {
        kubectl.ok(words).await;
    }
    cluster.served.stop().unwrap();
}

#[tokio::test]
async fn pods_are_debugged() {
    let Some((cluster, kubectl)) = start().await else { return };
    kubectl.ok("run app --image=busybox:1.36 --command -- sleep 100000").await;
    kubectl.ok("wait --for=condition=Ready pod/app --timeout=60s").await;
    // The client keeps its input open, as a terminal does: whether it attaches in time or reads the log, it shows the words.
    let words = "debug -i app --image=busybox:1.36 --container=quick -- sh -c|'echo hi from $(hostname)";
    let mut child = kubectl.command(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let open = child.stdin.take();
    let shown = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    drop(open);
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "hi from app\n");
    assert_eq!(kubectl.ok("logs app -c quick").await, "hi from app\n");
    kubectl.ok("debug app --image=busybox:1.36 --container=stays -- sleep 100000").await;
    kubectl.ok("wait --for=jsonpath={.status.ephemeralContainerStatuses[1].state.running} pod/app --timeout=60s").await;
    assert_eq!(kubectl.ok("exec app -c stays -- echo there").await, "there\n");
    assert!(kubectl.ok("describe pod app").await.contains("Ephemeral Containers:"));
    let said = kubectl.fails("patch pod app --subresource=ephemeralcontainers --type=json -p|'[{\"op\":\"remove\",\"path\":\"/spec/ephemeralContainers/0\"}]").await.1;
    assert!(said.contains("may not be removed"), "{said}");
    kubectl.ok("debug app --copy-to=copy --image=busybox:1.36 --container=other --share-processes=false -- sleep 100000").await;
    kubectl.ok("wait --for=condition=Ready pod/copy --timeout=60s").await;
    assert_eq!(kubectl.ok("exec copy -c other -- echo copied").await, "copied\n");
    kubectl.ok("debug node/worker --image=busybox:1.36 -- sh -c|'ls /host").await;
    let refusal = |line: &str| line.contains("the embedded cluster cannot mount it (hostPath in the node's system)");
    kubectl.watched("get events --watch", 1, refusal).await;
    cluster.served.stop().unwrap();
}
