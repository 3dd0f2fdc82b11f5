//! What a terminal does with typed characters: echo, a line to edit, end of input, interruption. And its line ends.
//! The program behind it is the container's.

/// The largest line; what is typed beyond it is lost, as in the kernel.
const LONGEST: usize = 4_096;

/// A line that is being typed.
#[derive(Debug, Default)]
pub(super) struct Line {
    typed: Vec<u8>,
}

/// What becomes of typed bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// What the program reads now.
    pub(super) input: Vec<u8>,
    /// What is shown.
    pub(super) echo: Vec<u8>,
    /// Ctrl-C came.
    pub(super) interrupted: bool,
    /// Ctrl-D came on an empty line: the end of the input.
    pub(super) ended: bool,
}

impl Line {
    /// Takes what was typed.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Typed {
        let mut typed = Typed::default();
        for byte in bytes {
            match byte {
                b'\r' | b'\n' => {
                    typed.input.append(&mut self.typed);
                    typed.input.push(b'\n');
                    typed.echo.push(b'\n');
                }
                0x03 => {
                    self.typed.clear();
                    typed.echo.extend(b"^C\n");
                    typed.interrupted = true;
                }
                0x04 if self.typed.is_empty() => typed.ended = true,
                0x04 => typed.input.append(&mut self.typed),
                0x08 | 0x7f if self.typed.pop().is_some() => typed.echo.extend(b"\x08 \x08"),
                0x08 | 0x7f => {}
                0x15 => {
                    typed.echo.extend(b"\x08 \x08".repeat(self.typed.len()));
                    self.typed.clear();
                }
                other if self.typed.len() < LONGEST => {
                    self.typed.push(*other);
                    typed.echo.push(*other);
                }
                _ => {}
            }
        }
        typed
    }
}

/// A terminal shows a new line at its beginning.
pub(super) fn shown(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_edited_before_the_program_sees_them() {
        let mut line = Line::default();
        assert_eq!(line.take(b"lx"), Typed { echo: b"lx".to_vec(), ..Typed::default() });
        let typed = line.take(b"\x7fs\r");
        assert_eq!((typed.input.as_slice(), typed.echo.as_slice()), (&b"ls\n"[..], &b"\x08 \x08s\n"[..]));
        assert!(line.take(b"abc\x03").interrupted);
        assert!(line.take(b"\x04").ended);
        assert_eq!(line.take(b"ab\x04").input, b"ab");
        assert_eq!(line.take(&[b'x'; 5_000]).echo.len(), LONGEST);
        assert_eq!(shown(b"a\nb"), b"a\r\nb");
    }
}
