//! The key that seals the data key. It is kept apart from the database: one without the other opens nothing.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::cipher::{self, KEY_BYTES, Key};
use super::data_key::{DataKey, DataKeyId};
use super::error::VaultError;

const FINGERPRINT_BYTES: usize = 8;

/// What a fingerprint is derived for, by which no other use of the key gives the same.
const FINGERPRINT_CONTEXT: &str = "autokestra 2026-11-25 fingerprint of the secret store's master key";

/// What a master key is known by. It tells nothing of the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; FINGERPRINT_BYTES]);

/// 16 hex digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Fingerprint {
    /// Of the master key that a data key was sealed by.
    ///
    /// # Errors
    /// [`VaultError::DamagedKey`] where it is no sealed data key.
    pub fn of_sealed(sealed: &[u8]) -> Result<Self, VaultError> {
        let (fingerprint, _) = sealed.split_first_chunk().ok_or(VaultError::DamagedKey)?;
        Ok(Self(*fingerprint))
    }
}

/// Where a master key is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// The variable [`KEY_VARIABLE`](super::KEY_VARIABLE).
    Environment,
    /// A file that only its owner may read.
    File(PathBuf),
    /// The keyring of the desktop.
    Keyring,
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => write!(f, "${}", super::KEY_VARIABLE),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Keyring => f.write_str("the keyring"),
        }
    }
}

/// A master key, and where it is kept.
pub struct MasterKey {
    key: Key,
    place: KeyPlace,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({} in {})", self.fingerprint(), self.place)
    }
}

impl MasterKey {
    /// A new one, which its caller puts into its place.
    pub(super) fn random(place: KeyPlace) -> Result<Self, VaultError> {
        let key = cipher::random_key()?;
        Ok(Self { key, place })
    }

    /// Reads a key's text: 64 hex digits or 44 characters of base64. Lines that begin with `#` say nothing.
    pub(super) fn parse(text: &str, place: KeyPlace) -> Result<Self, VaultError> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let line = lines.find(|line| !line.starts_with('#')).unwrap_or_default();
        let single = lines.all(|line| line.starts_with('#'));
        match bytes(line).filter(|_| single) {
            Some(key) => Ok(Self { key, place }),
            None => Err(VaultError::MalformedKey { place }),
        }
    }

    /// Its text, as [`MasterKey::parse`] reads it.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.key.as_slice()))
    }

    /// Where it is kept.
    #[must_use]
    pub fn place(&self) -> &KeyPlace {
        &self.place
    }

    /// What it is known by.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let derived = Zeroizing::new(blake3::derive_key(FINGERPRINT_CONTEXT, self.key.as_slice()));
        let (fingerprint, _) = derived.split_first_chunk().expect("32 bytes have 8");
        Fingerprint(*fingerprint)
    }

    /// Seals a data key.
    ///
    /// # Errors
    /// [`VaultError::Random`]
    pub fn seal(&self, key: &DataKey) -> Result<Vec<u8>, VaultError> {
        let fingerprint = self.fingerprint();
        let sealed = cipher::seal(&self.key, &key.id().bound_to(&fingerprint.0), key.key().as_slice())?;
        Ok([fingerprint.0.as_slice(), &sealed].concat())
    }

    /// Opens a data key.
    ///
    /// # Errors
    /// [`VaultError::WrongKey`] where another key sealed it, [`VaultError::DamagedKey`] where it was changed.
    pub fn open(&self, id: DataKeyId, sealed: &[u8]) -> Result<DataKey, VaultError> {
        let (expected, found) = (Fingerprint::of_sealed(sealed)?, self.fingerprint());
        if expected != found {
            let place = self.place.clone();
            return Err(VaultError::WrongKey { place, found, expected });
        }
        let (_, sealed) = sealed.split_at(FINGERPRINT_BYTES);
        let plain = cipher::open(&self.key, &id.bound_to(&found.0), sealed).ok_or(VaultError::DamagedKey)?;
        let mut key = Key::default();
        if plain.len() != KEY_BYTES {
            return Err(VaultError::DamagedKey);
        }
        key.copy_from_slice(&plain);
        Ok(DataKey::of(id, key))
    }
}

/// The key that a line writes.
fn bytes(line: &str) -> Option<Key> {
    let mut key = Key::default();
    if line.len() == 2 * KEY_BYTES {
        let (pairs, _) = line.as_bytes().as_chunks::<2>();
        for (byte, [high, low]) in key.iter_mut().zip(pairs) {
            let digit = |digit: u8| {
                char::from(digit)
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            };
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        return Some(key);
    }
    // The length first: what is decoded is then 32 bytes, and fits.
    if line.len() != KEY_BYTES.div_ceil(3) * 4 {
        return None;
    }
    // The decoder wants room for what it estimates.
    let mut room = Zeroizing::new([0; KEY_BYTES + 1]);
    let length = STANDARD.decode_slice(line, room.as_mut_slice()).ok()?;
    key.copy_from_slice(room.get(..length).filter(|bytes| bytes.len() == KEY_BYTES)?);
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master() -> MasterKey {
        MasterKey::random(KeyPlace::Environment).expect("a key")
    }

    #[test]
    fn a_data_key_opens_with_its_master_key_alone() {
        let (master, other) = (master(), master());
        let key = DataKey::random().expect("a key");
        let sealed = master.seal(&key).expect("it is sealed");
        assert_eq!(Fingerprint::of_sealed(&sealed).ok(), Some(master.fingerprint()));
        let opened = master.open(key.id(), &sealed).expect("it opens");
        assert_eq!(opened.key(), key.key());
        let wrong = other.open(key.id(), &sealed);
        assert!(matches!(wrong, Err(VaultError::WrongKey { .. })), "{wrong:?}");
        let renamed = DataKey::random().expect("a key").id();
        assert!(matches!(master.open(renamed, &sealed), Err(VaultError::DamagedKey)));
        for place in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[place / 8] ^= 1 << (place % 8);
            assert!(master.open(key.id(), &changed).is_err(), "bit {place}");
        }
        for length in 0..sealed.len() {
            assert!(master.open(key.id(), &sealed[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_key_is_read_as_it_is_written_in_each_form() {
        let key = master();
        let parse = |text: &str| MasterKey::parse(text, KeyPlace::Environment);
        let hex: String = key.key.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = key.to_text();
        for good in [
            text.as_str(),
            &hex,
            &hex.to_uppercase(),
            &format!("# a comment\n\n  {hex}  \n# another\n"),
        ] {
            let read = parse(good).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(read.key, key.key);
        }
        for wrong in [
            "",
            "# only a comment",
            "correct horse battery staple",
            &hex[1..],
            &text[1..],
            &format!("{hex}\n{hex}"),
            &hex.replace(|_| true, "g"),
            &"=".repeat(44),
            &format!("{}====", &text[..40]),
        ] {
            let error = parse(wrong).expect_err("it is no key");
            assert!(matches!(error, VaultError::MalformedKey { .. }));
            assert!(wrong.len() < 10 || !error.to_string().contains(wrong), "{error}");
        }
    }

    #[test]
    fn nothing_prints_a_key() {
        let key = master();
        let shown = format!("{key:?} {:?}", DataKey::random().expect("a key"));
        assert!(
            !shown.contains(key.to_text().as_str()) && shown.contains("MasterKey("),
            "{shown}"
        );
    }
}
