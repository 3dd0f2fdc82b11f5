//! What is run on the machine of a node by its own shell, one script for each act and each way back; `$1` is the mark or the service.
//! Who starts them, by docker or by a pod, stands beside this file.

/// Drops every packet that comes in at the node's network cards or leaves by them, of the node itself and of its pods; each rule
/// carries the mark. Cards are those of the default routes and those that are hardware.
pub const CUT: &str = r#"set -e
cards=$({ ip -4 route show default; ip -6 route show default 2>/dev/null || true; } | sed -n 's/.* dev \([^ ]*\).*/\1/p')
for card in /sys/class/net/*; do [ ! -e "$card/device" ] || cards="$cards ${card##*/}"; done
[ -n "$cards" ] || { echo "the node has no network card with a default route" >&2; exit 1; }
rules() {
  for card in $(printf '%s\n' $cards | sort -u); do
    "$1" -w 10 -t mangle -I PREROUTING -i "$card" -m comment --comment "$2" -j DROP
    "$1" -w 10 -t mangle -I POSTROUTING -o "$card" -m comment --comment "$2" -j DROP
  done
}
if ip -6 addr show scope global 2>/dev/null | grep -q inet6; then rules ip6tables "$1"; fi
rules iptables "$1"
"#;

/// Removes the rules with the mark, and says whether there were any.
pub const MEND: &str = r#"found=no
for tables in iptables ip6tables; do
  for rule in "PREROUTING -i" "POSTROUTING -o"; do
    cards=$("$tables" -w 10 -t mangle -S "${rule% *}" 2>/dev/null | grep -F -- "\"$1\"" | sed -n 's/.* -[io] \([^ ]*\) .*/\1/p')
    for card in $cards; do
      while "$tables" -w 10 -t mangle -D $rule "$card" -m comment --comment "$1" -j DROP 2>/dev/null; do found=yes; done
    done
  done
done
for tables in iptables ip6tables; do
  if "$tables" -w 10 -t mangle -S 2>/dev/null | grep -qF -- "$1"; then echo "rules of $tables are left" >&2; exit 1; fi
done
echo $found
"#;

/// Whether the node can be cut off.
pub const CAN_CUT: &str = r#"for program in ip iptables; do
  command -v $program >/dev/null || { echo "the node has no $program" >&2; exit 1; }
done
"#;

/// Lays a configuration over that of the container runtime, by which it looks for every registry where nobody listens. containerd reads
/// it at each pull.
pub const BLOCK: &str = r#"set -e
over=/etc/containerd/certs.d; own=/run/comeback-registry
grep -q "$over" /etc/containerd/config.toml && [ -d "$over" ] || { echo "containerd does not read $over here" >&2; exit 1; }
[ ! -e "$over/comeback" ] || { echo "its registries are blocked already: $(cat "$over/comeback")" >&2; exit 1; }
mkdir -p "$own/_default"
printf '%s' "$1" >"$own/comeback"
printf 'server = "http://127.0.0.1:1"\n\n[host."http://127.0.0.1:1"]\n  capabilities = ["pull", "resolve"]\n' >"$own/_default/hosts.toml"
mount --bind "$own" "$over"
"#;

/// Takes it away, and says whether it was there.
pub const UNBLOCK: &str = r#"set -e
over=/etc/containerd/certs.d; own=/run/comeback-registry
[ "$(cat "$own/comeback" 2>/dev/null)" = "$1" ] || { echo no; exit 0; }
found=no
while [ "$(cat "$over/comeback" 2>/dev/null)" = "$1" ]; do umount "$over"; found=yes; done
rm -rf "$own"
echo $found
"#;

/// Stops the API server's process, after a timer was started that lets it go on whatever becomes of us.
pub const STOP_SERVER: &str = r#"set -e
pids=$(pidof kube-apiserver) || { echo "no process kube-apiserver runs on this node" >&2; exit 1; }
setsid sh -c 'sleep "$1"; shift; for pid; do [ "$(cat /proc/$pid/comm)" = kube-apiserver ] && kill -CONT $pid; done'   "timer-$1" "$2" $pids </dev/null >/dev/null 2>&1 &
for n in 1 2 3 4 5 6 7 8 9 10; do pgrep -f "timer-$1" >/dev/null && break; sleep 0.1; done
pgrep -f "timer-$1" >/dev/null || { echo "the timer that would let it go on did not start" >&2; exit 1; }
kill -STOP $pids
"#;

/// Lets it go on, ends the timer, and says whether it was stopped.
pub const RESUME_SERVER: &str = r#"found=no
for pid in $(pidof kube-apiserver); do
  case "$(sed 's/.*) //' /proc/$pid/stat | cut -c1)" in T) kill -CONT $pid; found=yes;; esac
done
for pid in $(pgrep -f "timer-$1"); do kill -- -$pid 2>/dev/null; done
echo $found
"#;

/// Whether the API server's process runs here.
pub const HAS_SERVER: &str = r#"command -v pidof >/dev/null || { echo "the node has no pidof" >&2; exit 1; }
pidof kube-apiserver >/dev/null || { echo "no process kube-apiserver runs on this node" >&2; exit 1; }
"#;

/// Stops the API server's process; who lets it go on was arranged before.
pub const FREEZE_SERVER: &str = "kill -STOP $(pidof kube-apiserver)\n";

/// Whether a service of systemd runs.
pub const RUNS: &str = r#"systemctl is-active --quiet "$1" || { echo "no service $1 runs on this node" >&2; exit 1; }
"#;

/// Stops a service.
pub const STOP: &str = "systemctl stop \"$1\"\n";

/// Starts a service, and says whether it was stopped.
pub const START: &str = r#"if systemctl is-active --quiet "$1"; then echo no; exit 0; fi
systemctl start "$1" && echo yes
"#;

/// Cuts the power of the machine and gives it back: no service is stopped and no file is written before.
pub const REBOOT: &str = "systemctl reboot --force --force\n";

/// Whether the machine can reboot itself.
pub const CAN_REBOOT: &str = "command -v systemctl >/dev/null || { echo \"the node has no systemctl\" >&2; exit 1; }\n";

/// There is nothing to take back.
pub const NOTHING: &str = "echo no\n";

/// Arms an act on a machine that cannot be reached any more once it is carried out: `ARM UNIT MACHINE DELAY SECONDS CHECK ACT UNDO WHAT`. A
/// timer of systemd that takes the act back stands before the timer that carries it out, DELAY seconds later; with DELAY 0 it is carried
/// out at once. Scripts go through files: systemd would replace words of theirs.
pub const ARM: &str = r#"set -e
[ "$(cat /etc/machine-id)" = "$2" ] || { echo "this is another machine than that of the node" >&2; exit 1; }
command -v systemd-run >/dev/null || { echo "the node has no systemd-run, by which it would mend itself" >&2; exit 1; }
sh -c "$5" sh "$8"
place="/run/$1"
rm -rf "$place"
mkdir "$place"
printf '%s' "$6" >"$place/act"
printf '%s' "$7" >"$place/undo"
printf '%s' 'sh "$1/undo" "$2"; rm -rf "$1"' >"$place/last"
timer() {
  name="$1"; in="$2"; shift 2
  systemctl reset-failed "$name.timer" "$name.service" 2>/dev/null || true
  systemd-run --quiet --collect --unit="$name" --on-active="$in" --timer-property=AccuracySec=100ms "$@"
}
[ "$4" = 0 ] || timer "$1-undo" "$(($3 + $4))" sh "$place/last" "$place" "$8"
if [ "$3" = 0 ]; then sh "$place/act" "$8"; else timer "$1-act" "$3" sh "$place/act" "$8"; fi
echo acting
"#;

/// Ends the timers of an act, takes it back, and says whether it still was: `SETTLE UNIT MACHINE UNDO WHAT`. Fails if anything of it is left.
pub const SETTLE: &str = r#"[ "$(cat /etc/machine-id)" = "$2" ] || { echo "this is another machine than that of the node" >&2; exit 1; }
systemctl stop "$1-act.timer" "$1-act.service" "$1-undo.timer" 2>/dev/null
told=$(sh -c "$3" sh "$4") || exit 1
rm -rf "/run/$1"
if systemctl list-units --all --plain --no-legend "$1-*.timer" | grep -q .; then echo "a timer of $1 is left" >&2; exit 1; fi
echo "$told"
"#;
