//! Programs against the real busybox 1.37: every expected text was printed by it (but for `comm`, `split` and `find -delete`, which that build lacks: those follow POSIX).
//! Only tests.

use crate::sim::program::trial::sh;
use rstest::rstest;

/// The files that every case begins with.
const FILES: &str =
    "mkdir /tmp/w; cd /tmp/w; printf 'a\\nb\\nc\\n' >f; printf 'a\\nx\\nc\\nd\\n' >g; printf 'hello world' >h; exec 2>&1; ";

#[rstest]
#[case::md5(
    r#"md5sum f g; echo hi | md5sum; md5sum nope"#,
    r#"40c53c58fdafacc83cfff6ee3d2f6d69  f
25222598f4af2d630f6193e5f3c2315d  g
764efa883dda1e11db47671c4a3bbd9e  -
md5sum: can't open 'nope': No such file or directory"#,
    1
)]
#[case::md5_check(
    r#"md5sum f g > s; md5sum -c s; sed s/^./0/ s > s2; md5sum -c s2; md5sum -sc s2"#,
    r#"f: OK
g: OK
f: FAILED
g: FAILED
md5sum: WARNING: 2 of 2 computed checksums did NOT match"#,
    1
)]
#[case::sums(
    r#"sha1sum f; sha256sum f; sha512sum f; crc32 f; head -c 200 /dev/zero | sha256sum; head -c 200 /dev/zero | sha512sum; head -c 119 /dev/zero | md5sum; head -c 119 /dev/zero | sha512sum"#,
    r#"3ca69e8d6c234a469d16ac28a4a658c92267c423  f
880553fca8fcea94e325ee2cfb48e5a985cc797f39a14cc6d3cedecfeb2ae4d2  f
4f3837549203509f5955d33a79878e00103e067544a0d8ecf32282a9d932b433d3783f54690823a5400e52dc28e04c853c7fa6714f43b1e67912022071bea91a  f
0a670ed9 f
6d9c54dee5660c46886f32d80e57e9dd0ffa57ee0cd2a762b036d9c8e0c3a33a  -
72686058f765941bfda046f7890a4b70d0c7a40a14baa73ebb1fdcd47cddc9072e5452f183b2f419b471c5b0c7d7ce074bf0b8ed004ebf418c7059737e6c093d  -
8271cb2e6a546123b43096a2efce39d2  -
c2e210f2674a648d9b58683e651f8fca5ce4270c0489773d8e4ffaecd46b22b1d5273697f45275a7c441c9e4ca91a39bdb3e3b7eb74cbdb85266eef8f30ac860  -"#,
    0
)]
#[case::base64(
    r#"base64 h; base64 -w 4 h; base64 h | base64 -d; echo; head -c 100 /dev/zero | base64; base64 n"#,
    r#"aGVsbG8gd29ybGQ=
aGVs
bG8g
d29y
bGQ=
hello world
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
base64: n: No such file or directory"#,
    1
)]
#[case::hexdump(
    r#"hexdump h; hexdump -C h; printf '' | hexdump -C; head -c 64 /dev/zero | hexdump -C; hexdump -C -n 3 f; hexdump -v -e '1/1 "%02x"' f; echo; hexdump n"#,
    r#"0000000 6568 6c6c 206f 6f77 6c72 0064          
000000b
00000000  68 65 6c 6c 6f 20 77 6f  72 6c 64                 |hello world|
0000000b
00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
*
00000040
00000000  61 0a 62                                          |a.b|
00000003
610a620a630a
hexdump: n: No such file or directory"#,
    1
)]
#[case::od(
    r#"od h; od -c f; od -An -tx1 h; od -x h; od -t x1 h; od -An -N4 -tu4 h; od -A d -t d1 f; head -c 20 /dev/zero | od -tx1; od n"#,
    r#"0000000 062550 066154 020157 067567 066162 000144
0000013
0000000   a  \n   b  \n   c  \n
0000006
 68 65 6c 6c 6f 20 77 6f 72 6c 64
0000000 6568 6c6c 206f 6f77 6c72 0064
0000013
0000000 68 65 6c 6c 6f 20 77 6f 72 6c 64
0000013
 1819043176
0000000   97   10   98   10   99   10
0000006
0000000 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
0000020 00 00 00 00
0000024
od: n: No such file or directory"#,
    1
)]
#[case::xxd(
    r#"xxd h; xxd -p h; echo 6162 | xxd -r -p; echo; xxd n"#,
    r#"00000000: 6865 6c6c 6f20 776f 726c 64              hello world
68656c6c6f20776f726c64
ab
xxd: n: No such file or directory"#,
    1
)]
#[case::diff(
    r#"diff f g; diff -q f g; diff f f; diff f nope; printf 'a\nb' > h2; diff f h2; seq 20 > q1; seq 20 | sed 's/^3$/x/;18d' > q2; diff q1 q2"#,
    r#"--- f
+++ g
@@ -1,3 +1,4 @@
 a
-b
+x
 c
+d
Files f and g differ
diff: can't stat 'nope': No such file or directory
--- f
+++ h2
@@ -1,3 +1,2 @@
 a
-b
-c
+b
\ No newline at end of file
--- q1
+++ q2
@@ -1,6 +1,6 @@
 1
 2
-3
+x
 4
 5
 6
@@ -15,6 +15,5 @@
 15
 16
 17
-18
 19
 20"#,
    1
)]
#[case::cmp(
    r#"cmp f g; cmp -s f g; echo $?; cmp f n; printf 'a\n' >h3; cmp f h3; cmp f f"#,
    r#"f g differ: char 3, line 2
1
cmp: n: No such file or directory
cmp: EOF on h3"#,
    0
)]
#[case::comm(
    r#"comm f f; comm -12 f f; printf 'a\nc\nd\n' > k; comm f k; comm -3 f k; comm f n"#,
    "\t\ta\n\t\tb\n\t\tc\na\nb\nc\n\t\ta\nb\n\t\tc\n\td\nb\n\td\ncomm: n: No such file or directory",
    1
)]
#[case::paste(
    r#"paste f g | od -c; paste g f | od -c; paste -d, f g; paste -s f; paste -sd+ f; paste n"#,
    r#"0000000   a  \t   a  \n   b  \t   x  \n   c  \t   c  \n   d  \n
0000016
0000000   a  \t   a  \n   x  \t   b  \n   c  \t   c  \n   d  \t
0000016
a,a
b,x
c,c
d
a	b	c
a+b+c
paste: n: No such file or directory"#,
    1
)]
#[case::split(
    r#"seq 3 | split -l 1; ls; cat xab; split -b 3 g zz; ls zz*; split n"#,
    "f\ng\nh\nxaa\nxab\nxac\n2\nzzaa\nzzab\nzzac\nsplit: cannot open 'n' for reading: No such file or directory",
    1
)]
#[case::fold(
    r#"printf 'abcdefghij\n' | fold -w 4; printf 'ab cd ef\n' | fold -sw 4; fold n"#,
    r#"abcd
efgh
ij
ab 
cd 
ef
fold: n: No such file or directory"#,
    1
)]
#[case::small(
    r#"factor 12 97; strings h; printf 'a\tb\n' | expand; shuf -i 3-3; shuf -e a; seq 9 | shuf | sort | head -n 2; more f; less f; clear | od -c; groups"#,
    r#"12: 2 2 3
97: 97
hello world
a       b
3
a
1
2
a
b
c
a
b
c
0000000 033   [   H 033   [   J
0000006
root"#,
    0
)]
#[case::find(
    r#"mkdir -p a/b; echo hi>a/b/c; find a; find a -exec echo {} ';'; find a -type f -exec cat {} +; find a -name c -o -name b; find a ! -name b; find a -path '*b*'; find a -depth; find a -mindepth 1 -maxdepth 1; find zz; find a -size +0 -type f; find a -type f -delete; find a"#,
    "a\na/b\na/b/c\na\na/b\na/b/c\nhi\na/b\na/b/c\na\na/b/c\na/b\na/b/c\na/b/c\na/b\na\na/b\nfind: zz: No such file or directory\na/b/c\na\na/b",
    0
)]
#[case::du(
    r#"mkdir -p a/b; echo hi>a/b/c; du a; du -a a; du -s a; du -sh a; du -c a; du n"#,
    r#"8	a/b
12	a
4	a/b/c
8	a/b
12	a
12	a
12.0K	a
8	a/b
12	a
12	total
du: n: No such file or directory"#,
    1
)]
#[case::stat(
    r#"mkdir a; stat -c '%F %A %a %s' f; stat -c '%F %A' a; stat n"#,
    r#"regular file -rw-r--r-- 644 6
directory drwxr-xr-x
stat: can't stat 'n': No such file or directory"#,
    1
)]
#[case::gzip(
    r#"gzip h; ls; gzip -d h.gz; cat h; echo; gzip -c h | gunzip -c; echo; zcat h; gunzip f; gzip n; gzip -k f; gzip -k f; gunzip f.gz"#,
    r#"f
g
h.gz
hello world
hello world
zcat: no gzip/bzip2/xz magic
gunzip: f: unknown suffix - ignored
gzip: n: No such file or directory
gzip: can't open 'f.gz': File exists
gunzip: can't open 'f': File exists"#,
    1
)]
#[case::tar(
    r#"mkdir -p d; echo hi > d/x; ln -s x d/y; tar cf o.tar d; tar tf o.tar; rm -r d; tar xvf o.tar; cat d/x; readlink d/y; tar czf - d | tar tzf -; tar xOf o.tar d/x; tar -xf o.tar d/none; tar xf nope.tar; tar cf z.tar n; tar -C d -cf - . | tar tf -; echo x | tar x"#,
    r#"d/
d/x
d/y
d/
d/x
d/y
hi
x
d/
d/x
d/y
hi
tar: d/none: not found in archive
tar: can't open 'nope.tar': No such file or directory
tar: n: No such file or directory
tar: error exit delayed from previous errors
./
./x
./y
tar: short read"#,
    1
)]
#[case::su(
    r#"su zz; su nobody -c id; su root -c 'echo as root'; su - root -c 'echo login'"#,
    r#"su: unknown user zz
This account is currently not available.
as root
login"#,
    0
)]
#[case::date(
    r#"date -d '2026-01-02 03:04:05' +%s; date -D %s -d 100; date -u -d @0; date -d nonsense"#,
    r#"1767323045
Thu Jan  1 00:01:40 UTC 1970
Thu Jan  1 00:00:00 UTC 1970
date: invalid date 'nonsense'"#,
    1
)]
#[case::id(
    r#"id -G; id -gn; id -u; id nope; id root"#,
    r#"0
root
0
id: unknown user nope
uid=0(root) gid=0(root) groups=0(root)"#,
    0
)]
#[tokio::test(start_paused = true)]
async fn prints_what_busybox_prints(#[case] script: &str, #[case] expected: &str, #[case] code: i32) {
    let (output, status) = sh(&format!("{FILES}{script}")).await;
    assert_eq!(output, expected, "{script}");
    assert_eq!(status, code, "{script}");
}

#[tokio::test(start_paused = true)]
async fn watch_repeats_a_command_until_it_is_killed() {
    let (output, status) = sh("watch -n 1 -t echo hi & sleep 2.5; kill $!; wait $!").await;
    assert_eq!(output, "\u{1b}[H\u{1b}[Jhi\n\u{1b}[H\u{1b}[Jhi\n\u{1b}[H\u{1b}[Jhi\nTerminated");
    assert_eq!(status, 143);
}
