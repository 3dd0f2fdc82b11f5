//! The recorded actions as data: command lines split into words, and the words for what no command line does.
//! Carrying them out is `kubectl`'s and `replay`'s.

use super::Error;

/// Something to do to the simulated cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A kubectl command, without `kubectl` itself; [`FIRST_POD`] stands for the first pod by name.
    Kubectl(Vec<String>),
    /// SIGKILL to the first container of the first pod by name, past Kubernetes.
    KillContainer,
    /// The node's processes are frozen.
    Pause(String),
    /// The node's processes go on.
    Unpause(String),
    /// The node loses its power.
    PowerOff(String),
    /// The node is switched on.
    PowerOn(String),
    /// The kubelet is stopped; containers run on.
    StopKubelet(String),
    /// The kubelet is started.
    StartKubelet(String),
    /// The container runtime is stopped; containers run on.
    StopContainerRuntime(String),
    /// The container runtime is started.
    StartContainerRuntime(String),
    /// The node is cut off from the API server.
    Partition(String),
    /// It reaches the API server again.
    Heal(String),
}

/// The word that stands for "the first pod by name" in a kubectl command.
pub const FIRST_POD: &str = "$FIRST_POD";

const FIRST_POD_COMMAND: &str = "$(kubectl -n $NS get pods -o name --sort-by=.metadata.name | head -1)";

impl Act {
    /// Reads a recorded action; `namespace` stands for `$NS`.
    ///
    /// # Errors
    /// What cannot be replayed, by name.
    pub fn parse(command: &str, namespace: &str) -> Result<Self, Error> {
        let unknown = || Error::new(format!("this recorded action cannot be replayed yet: {command}"));
        if command.contains("ctr -n k8s.io tasks kill -s SIGKILL") {
            return Ok(Self::KillContainer);
        }
        if let Some(rest) = command.strip_prefix("kubectl ") {
            let rest = rest.replace(FIRST_POD_COMMAND, FIRST_POD).replace("$NS", namespace);
            let words = words(&rest).ok_or_else(unknown)?;
            let shell = |word: &String| word.contains("$(") || matches!(word.as_str(), "|" | ";" | "&&");
            return if words.iter().any(shell) { Err(unknown()) } else { Ok(Self::Kubectl(words)) };
        }
        let plain: Vec<&str> = command.split_whitespace().collect();
        let node = |name: &str| name.to_owned();
        let kubectl = |words: &[&str]| Self::Kubectl(words.iter().map(|word| (*word).to_owned()).collect());
        Ok(match plain.as_slice() {
            ["pause", name] => Self::Pause(node(name)),
            ["unpause", name] => Self::Unpause(node(name)),
            ["kill", name, "(power", "off)"] => Self::PowerOff(node(name)),
            ["start", name] => Self::PowerOn(node(name)),
            ["stop", "kubelet", "on", name] => Self::StopKubelet(node(name)),
            ["start", "kubelet", "on", name] => Self::StartKubelet(node(name)),
            ["stop", "containerd", "on", name] => Self::StopContainerRuntime(node(name)),
            ["start", "containerd", "on", name] => Self::StartContainerRuntime(node(name)),
            ["partition", name, "from", "the", "API", "server"] => Self::Partition(node(name)),
            ["heal", name] => Self::Heal(node(name)),
            ["cordon" | "uncordon", _] => kubectl(&plain),
            ["drain", name] => kubectl(&["drain", name, "--ignore-daemonsets", "--delete-emptydir-data"]),
            ["drain", name, "(blocked)"] => {
                kubectl(&["drain", name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=17s"])
            }
            ["delete", "pdb", "of", name] => kubectl(&["-n", &format!("t-{name}"), "delete", "pdb", "pdb"]),
            ["apply", name, "again"] => kubectl(&["apply", "-f", &format!("{name}.yaml")]),
            _ => return Err(unknown()),
        })
    }
}

/// Splits a command line into words as a shell does: single and double quotes, and backslashes within double quotes.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"'), '\\') => word.get_or_insert_default().push(characters.next()?),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_none() { Some(words) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn kubectl(words: &[&str]) -> Act {
        Act::Kubectl(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[rstest]
    #[case("kubectl apply -f manifest.yaml", kubectl(&["apply", "-f", "manifest.yaml"]))]
    #[case("kubectl -n $NS patch cm cfg -p '{\"data\":{\"mode\":\"bad\"}}'", kubectl(&["-n", "t-x", "patch", "cm", "cfg", "-p", "{\"data\":{\"mode\":\"bad\"}}"]))]
    #[case("kubectl -n $NS delete --wait=false $(kubectl -n $NS get pods -o name --sort-by=.metadata.name | head -1)", kubectl(&["-n", "t-x", "delete", "--wait=false", FIRST_POD]))]
    #[case("kill comeback-worker (power off)", Act::PowerOff("comeback-worker".to_owned()))]
    #[case("stop kubelet on w2", Act::StopKubelet("w2".to_owned()))]
    #[case("start containerd on w2", Act::StartContainerRuntime("w2".to_owned()))]
    #[case("delete pdb of op-drain-blocked", kubectl(&["-n", "t-op-drain-blocked", "delete", "pdb", "pdb"]))]
    fn recorded_actions_are_read(#[case] command: &str, #[case] act: Act) {
        assert_eq!(Act::parse(command, "t-x"), Ok(act));
    }

    #[rstest]
    #[case("kubectl get pods | xargs rm")]
    #[case("exec pod/app: kill -9 1")]
    #[case("kubectl patch 'open")]
    fn others_are_named_and_refused(#[case] command: &str) {
        assert!(Act::parse(command, "t-x").unwrap_err().0.ends_with(command));
    }
}
