//! The wire format of protobuf: numbered entries of numbers and bytes.
//! What they mean is not known here.

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct WireError(pub(super) &'static str);

/// The value of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire<'a> {
    /// A varint, or a fixed number of 4 or 8 bytes.
    Number(u64),
    /// A text, bytes, or a message.
    Bytes(&'a [u8]),
}

const SHORT: WireError = WireError("it ends too early");

/// The entries of a message: field number and value. Ends after the first error.
pub(super) fn entries(bytes: &[u8]) -> impl Iterator<Item = Result<(u32, Wire<'_>), WireError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = entry(&mut rest);
        if entry.is_err() {
            rest = &[];
        }
        Some(entry)
    })
}

/// The numbers of a packed list.
pub(super) fn varints(bytes: &[u8]) -> impl Iterator<Item = Result<u64, WireError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let number = varint(&mut rest);
        if number.is_err() {
            rest = &[];
        }
        Some(number)
    })
}

fn entry<'a>(rest: &mut &'a [u8]) -> Result<(u32, Wire<'a>), WireError> {
    let key = varint(rest)?;
    let number = u32::try_from(key >> 3).map_err(|_| WireError("a field has too large a number"))?;
    let value = match key & 7 {
        0 => Wire::Number(varint(rest)?),
        1 => Wire::Number(u64::from_le_bytes(taken(rest, 8)?.try_into().map_err(|_| SHORT)?)),
        2 => {
            let length = usize::try_from(varint(rest)?).map_err(|_| SHORT)?;
            Wire::Bytes(taken(rest, length)?)
        }
        5 => Wire::Number(u64::from(u32::from_le_bytes(taken(rest, 4)?.try_into().map_err(|_| SHORT)?))),
        _ => return Err(WireError("a field has an unknown wire type")),
    };
    Ok((number, value))
}

fn varint(rest: &mut &[u8]) -> Result<u64, WireError> {
    let mut number = 0;
    for shift in (0..70).step_by(7) {
        let byte = taken(rest, 1)?[0];
        if shift == 63 && byte > 1 {
            break;
        }
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(WireError("a number is longer than 64 bits"))
}

fn taken<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], WireError> {
    let (taken, left) = rest.split_at_checked(length).ok_or(SHORT)?;
    *rest = left;
    Ok(taken)
}
