//! What busybox's own `sh` printed for these scripts in the recorded cluster, standard output and error together.
//! A table: each line was run there once (`kubectl exec … sh -c`), and is run here.

use crate::sim::program::trial::{finish, spec};
use rstest::rstest;

#[rstest]
#[case::nf(r"-c", r"nosuch", r"sh: nosuch: not found", 127)]
#[case::nf2(
    r"-c",
    r"echo a
nosuch",
    r"a
sh: nosuch: not found",
    127
)]
#[case::nf3(r"-c", r"/no/such/x", r"sh: /no/such/x: not found", 127)]
#[case::perm(r"-c", r"echo hi > /tmp/f; /tmp/f", r"sh: /tmp/f: Permission denied", 126)]
#[case::dir(r"-c", r"/tmp", r"sh: /tmp: Permission denied", 126)]
#[case::syn1(
    r"-c",
    r"echo hi
fi",
    r#"hi
sh: syntax error: unexpected "fi""#,
    2
)]
#[case::syn2(r"-c", r"if true; then echo b", r#"sh: syntax error: unexpected end of file (expecting "fi")"#, 2)]
#[case::syn3(r"-c", r#"echo "abc"#, r"sh: syntax error: unterminated quoted string", 2)]
#[case::syn4(r"-c", r"a=(1 2)", r#"sh: syntax error: unexpected "(""#, 2)]
#[case::syn5(r"-c", r"while true; do echo", r#"sh: syntax error: unexpected end of file (expecting "done")"#, 2)]
#[case::syn6(r"-c", r"echo )", r#"sh: syntax error: unexpected ")""#, 2)]
#[case::syn7(r"-c", r"echo $(ls", r#"sh: syntax error: unexpected end of file (expecting ")")"#, 2)]
#[case::syn8(r"-c", r"echo ${x", r"sh: syntax error: missing '}'", 2)]
#[case::syn10(r"-c", r"for i in a b; echo $i; done", r#"sh: syntax error: unexpected word (expecting "do")"#, 2)]
#[case::syn11(r"-c", r"echo a && ", r"sh: syntax error: unexpected end of file", 2)]
#[case::syn12(r"-c", r"| cat", r#"sh: syntax error: unexpected "|""#, 2)]
#[case::syn13(r"-c", r"case x in a) echo", r#"sh: syntax error: unexpected end of file (expecting ";;")"#, 2)]
#[case::syn14(r"-c", r"{ echo a", r#"sh: syntax error: unexpected end of file (expecting "}")"#, 2)]
#[case::syn15(r"-c", r"( echo a", r#"sh: syntax error: unexpected end of file (expecting ")")"#, 2)]
#[case::herestr(r"-c", r"cat <<< hi", r"sh: syntax error: unexpected redirection", 2)]
#[case::q_(r"-c", r"echo ${x:?}", r"sh: x: parameter not set or null", 2)]
#[case::q2(r"-c", r"echo ${x:?bad thing}; echo no", r"sh: x: bad thing", 2)]
#[case::u_(r"-c", r"set -u; echo $nope; echo no", r"sh: nope: parameter not set", 2)]
#[case::ar(r"-c", r"echo $((1/0)); echo no", r"sh: divide by zero", 2)]
#[case::ar2(r"-c", r"echo $((1+)); echo no", r"sh: arithmetic syntax error", 2)]
#[case::ar3(
    r"-c",
    r"x=abc; echo $((x+1)); echo $((08))",
    r"1
sh: arithmetic syntax error",
    2
)]
#[case::exit(r"-c", r"exit abc", r"sh: exit: line 0: Illegal number: abc", 2)]
#[case::ret_(r"-c", r"f() { return 3; }; f; echo $?; return 4; echo no", r"3", 4)]
#[case::shift(r"-c", r"shift 3; echo $?", r"1", 0)]
#[case::cd(
    r"-c",
    r"cd /nope; echo $?",
    r"sh: cd: line 0: can't cd to /nope: No such file or directory
2",
    0
)]
#[case::redir(
    r"-c",
    r"echo a > /nope/x; echo $?; cat < /nope; echo $?",
    r"sh: can't create /nope/x: nonexistent directory
1
sh: can't open /nope: no such file
1",
    0
)]
#[case::dot(r"-c", r". /nope; echo no", r"sh: .: line 0: can't open '/nope': No such file or directory", 2)]
#[case::cat(
    r"-c",
    r"cat /nope /tmp; echo $?",
    r"cat: can't open '/nope': No such file or directory
cat: read error: Is a directory
1",
    0
)]
#[case::test_(
    r"-c",
    r"[ 1 -eq a ]; echo $?; [ a = ; echo $?; [ a b c ]; echo $?; [ ; test",
    r"sh: a: bad number
2
sh: missing ]
2
sh: b: unknown operand
2
sh: missing ]",
    1
)]
#[case::local_(r"-c", r"local x=1; echo $?", r"sh: local: line 0: not in a function", 2)]
#[case::ro(r"-c", r"readonly x=1; x=2; echo no", r"sh: x: is read only", 2)]
#[case::badsub(r"-c", r"echo ${x@Q}; echo no", r"sh: syntax error: bad substitution", 2)]
#[case::kill(
    r"-c",
    r"kill -0 99; kill 99; kill abc; kill; kill -BOO 1; kill -l | head -3",
    r"sh: can't kill pid 99: No such process
sh: can't kill pid 99: No such process
sh: invalid number 'abc'
sh: you need to specify whom to kill
sh: bad signal name 'BOO'
 1) HUP
 2) INT
 3) QUIT",
    0
)]
#[case::wait(
    r"-c",
    r"sleep 0.1 & wait $!; echo $?; wait 99; echo $?; (exit 3) & wait $!; echo $?; wait; echo $?",
    r"0
127
3
0",
    0
)]
#[case::killed(
    r"-c",
    r"sleep 5 & kill $!; wait $!; echo $?; sleep 5 & kill -9 $!; wait $!; echo $?",
    r"Terminated
143
Killed
137",
    0
)]
#[case::killedfg(
    r"-c",
    r#"sh -c "kill -9 \$\$"; echo $?; sh -c "kill \$\$"; echo $?;sh -c "kill -SEGV \$\$"; echo $?"#,
    r"Killed
137
Terminated
143
Segmentation fault
139",
    0
)]
#[case::trapexit(r"-c", r#"trap "echo bye" EXIT; exit 3"#, r"bye", 3)]
#[case::traparg(r"-c", r#"trap "echo term; exit 9" TERM; kill $$; echo no"#, r"term", 9)]
#[case::trapl(
    r"-c",
    r#"trap "echo x" TERM INT; trap"#,
    r"trap -- 'echo x' INT
trap -- 'echo x' TERM",
    0
)]
#[case::trapbad(
    r"-c",
    r#"trap "echo x" FOO; echo $?"#,
    r"sh: trap: line 0: FOO: invalid signal specification
1",
    0
)]
#[case::setx(
    r"-xc",
    r#"a=1; echo "b c" $a; for i in 1 2; do echo $i; done; [ 1 = 1 ] && x="a b"; f() { echo f; }; f"#,
    r"+ a=1
+ echo 'b c' 1
b c 1
+ echo 1
1
+ echo 2
2
+ '[' 1 '=' 1 ]
+ x='a b'
+ f
+ echo f
f",
    0
)]
#[case::sete(r"-ec", r"false || true; if false; then :; fi; ! true; echo here; false; echo no", r"here", 1)]
#[case::pipefail(
    r"-c",
    r"set -o pipefail; false | true; echo $?; set +o pipefail; false | true; echo $?",
    r"1
0",
    0
)]
#[case::flags(r"-euc", r"echo $-", r"uce", 0)]
#[case::echo(
    r"-c",
    r#"echo -e "a\tb\x41\0101\c"; echo; echo -n x; echo "a\tb"; echo -ne "x\n"; echo -E "a\tb"; echo -nq"#,
    r"a	bAA
xa\tb
x
a\tb
-nq",
    0
)]
#[case::printf(r"-c", r#"printf "%s-%d-%05.2f-%x-%c-%%-%b\n" abc 42 3.14159 255 hello "a\tb"; printf "%s\n" a b c; printf "%d\n" abc; echo $?; printf "%5s|%-5s|\n" a b; printf; printf "%d %i\n" 0x10 010; printf "%q" x"#, r"abc-42-03.14-ff-h-%-a	b
a
b
c
sh: invalid number 'abc'
0
1
    a|b    |
sh: usage: printf FORMAT [ARGUMENT...]
16 8
sh: %q: invalid format", 1)]
#[case::env_(
    r"-c",
    r"env -i A=1 env; env nope; env -u X true; echo $?",
    r"A=1
env: can't execute 'nope': No such file or directory
0",
    0
)]
#[case::timeout(
    r"-c",
    r"timeout 0.2 sleep 3; echo $?; timeout 1 true; echo $?; timeout -s KILL 0.2 sleep 3; echo $?; timeout 1 nope; echo $?",
    r"Terminated
143
0
Killed
137
timeout: can't execute 'nope': No such file or directory
127",
    0
)]
#[case::script(r"-c", r#"printf "echo \$0 \$1\nnosuch\nexit 7\n" > /tmp/s.sh; sh /tmp/s.sh arg; echo $?; chmod +x /tmp/s.sh; /tmp/s.sh z; echo $?; sh /nope.sh; echo $?"#, r"/tmp/s.sh arg
/tmp/s.sh: line 2: nosuch: not found
7
/tmp/s.sh z
/tmp/s.sh: line 2: nosuch: not found
7
sh: can't open '/nope.sh': No such file or directory
2", 0)]
#[case::dbr(
    r"-c",
    r#"[[ a == a* ]] && echo y; [[ -z "" && 1 -lt 2 ]] && echo y2; [[ abc =~ ^a ]] && echo y3"#,
    r"y
y2
y3",
    0
)]
#[case::bash(r"-c", r"x=hello; echo ${x:1:2} ${x/l/L} ${x//l/L} $'a\tb'; let y=3+4; echo $y; function g { echo g; }; g; echo {1..3} {a,b}; source /dev/null; echo &> /dev/null", r"el heLlo heLLo a	b
7
g
{1..3} {a,b}", 0)]
#[case::read(
    r"-c",
    r#"printf "a b c\nd\\\\e\n" | { read x y; echo "$x|$y"; read z; echo "$z"; read w; echo $?; }"#,
    r"a|b c
de
1",
    0
)]
#[case::ifs(
    r"-c",
    r#"IFS=:; x=a:b::c; for i in $x; do echo "[$i]"; done; set -- $x; echo $#; echo "$*""#,
    r"[a]
[b]
[]
[c]
4
a:b::c",
    0
)]
#[case::at_(r"-c", r#"set -- "a b" c; for i in "$@"; do echo "[$i]"; done; for i in $@; do echo "<$i>"; done; for i in "$*"; do echo "($i)"; done; echo "x$@y""#, r"[a b]
[c]
<a>
<b>
<c>
(a b c)
xa b cy", 0)]
#[case::dollar(
    r"-c",
    r#"echo "$" $; echo a$b"c$"; echo ~ ~root ~nope; echo "\$ \a \\ \" \`""#,
    r#"$ $
ac$
/root /root ~nope
$ \a \ " `"#,
    0
)]
#[case::arith(r"-c", r"echo $((2**10)) $((7%3)) $((-7/2)) $((1<2&&3>2)) $((1?2:3)) $((x=5)) $x $((x++)) $x $((x+=2)) $((0x1f)) $((010)) $((~1)) $((!0)) $((1,2))", r"1024 1 -3 1 2 5 5 5 6 8 31 8 -2 1 2", 0)]
#[case::getopts(
    r"-c",
    r#"while getopts "ab:" o -a -b val rest; do echo "$o $OPTARG"; done; echo $OPTIND"#,
    r"a 
b val
4",
    0
)]
#[case::unsetf(r"-c", r"unset x; f() { echo hi; }; unset -f f; f", r"sh: f: not found", 127)]
#[case::eval(
    r"-c",
    r#"eval "echo a; echo \"b  c\""; x=y; eval "$x=5"; echo $y; eval; echo $?"#,
    r"a
b  c
5
0",
    0
)]
#[case::cmdsub(
    r"-c",
    r#"x=$(echo a; echo b; exit 3); echo "$x" $?; x=$(false); echo $?; echo `echo \`echo nested\``"#,
    r"a
b 3
1
nested",
    0
)]
#[case::cont(r"-c", r"for i in 1 2 3; do for j in 1 2; do [ $j = 2 ] && continue 2; echo $i$j; done; done; while :; do break; done; break; echo after", r"11
21
31
after", 0)]
#[tokio::test(start_paused = true)]
async fn does_what_busybox_does(#[case] flags: &str, #[case] script: &str, #[case] output: &str, #[case] code: i32) {
    let (lines, status, _, limits) = finish(spec(&["sh", flags, script], Vec::new())).await;
    assert_eq!(limits, Vec::<String>::new());
    assert_eq!((lines.join("\n").as_str(), status), (output, code));
}
