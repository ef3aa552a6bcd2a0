//! Numbers, texts and lists as bytes, little endian, every length checked before anything is reserved.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Why bytes are not the message that their header promised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They end too early.
    #[error("a message ends within its {0}")]
    Truncated(&'static str),
    /// More than the message has.
    #[error("a message goes on for {0} bytes after its end")]
    TooLong(usize),
    /// A value that the field cannot have.
    #[error("{field} is {found}")]
    Value {
        /// The field.
        field: &'static str,
        /// What stands there.
        found: u64,
    },
    /// A kind of message that does not exist.
    #[error("there is no message of kind {0}")]
    Kind(u8),
}

/// Reads fields one by one.
pub(super) struct Fields(Bytes);

impl Fields {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    fn need(&self, bytes: usize, field: &'static str) -> Result<(), DecodeError> {
        if self.0.len() < bytes { Err(DecodeError::Truncated(field)) } else { Ok(()) }
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.need(1, field)?;
        Ok(self.0.get_u8())
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(DecodeError::Value { field, found: found.into() }),
        }
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.need(4, field)?;
        Ok(self.0.get_u32_le())
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.need(8, field)?;
        Ok(self.0.get_u64_le())
    }

    pub(super) fn f32(&mut self, field: &'static str) -> Result<f32, DecodeError> {
        self.need(4, field)?;
        Ok(self.0.get_f32_le())
    }

    /// A list whose length stands before it; no more is reserved than the bytes that are there can fill.
    pub(super) fn list<T>(
        &mut self,
        field: &'static str,
        item_bytes: usize,
        item: impl Fn(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.u32(field)? as usize;
        self.need(count.saturating_mul(item_bytes), field)?;
        (0..count).map(|_| item(self)).collect()
    }

    /// `count` numbers; the bytes are those of the message, not a copy.
    pub(super) fn floats(&mut self, field: &'static str, count: u64) -> Result<Bytes, DecodeError> {
        let bytes = usize::try_from(count.saturating_mul(4)).map_err(|_| DecodeError::Truncated(field))?;
        self.need(bytes, field)?;
        Ok(self.0.split_to(bytes))
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<String, DecodeError> {
        let bytes = self.list(field, 1, |fields| fields.u8(field))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(super) fn end(self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::TooLong(self.0.len())) }
    }
}

/// Writes a list with its length before it.
pub(super) fn put_list<T>(out: &mut BytesMut, items: &[T], mut item: impl FnMut(&mut BytesMut, &T)) {
    out.put_u32_le(u32::try_from(items.len()).expect("lists are far shorter than messages may be"));
    for value in items {
        item(out, value);
    }
}

pub(super) fn put_text(out: &mut BytesMut, text: &str) {
    put_list(out, text.as_bytes(), |out, byte| out.put_u8(*byte));
}

/// Writes numbers of a known count.
pub(super) fn put_numbers(out: &mut BytesMut, numbers: &[u32]) {
    for number in numbers {
        out.put_u32_le(*number);
    }
}
