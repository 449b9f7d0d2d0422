//! XChaCha20-Poly1305: bytes that nobody reads or changes without the key.

use chacha20poly1305::aead::AeadInPlace as _;
use chacha20poly1305::{KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::error::VaultError;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;

/// What stands first in what is sealed: how it was sealed.
const VERSION: u8 = 1;

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// A key, overwritten when dropped.
pub(super) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// A new key from the system's randomness.
pub(super) fn random_key() -> Result<Key, VaultError> {
    let mut key = Key::default();
    random(key.as_mut_slice())?;
    Ok(key)
}

/// Fills `bytes` from the system's randomness.
pub(super) fn random(bytes: &mut [u8]) -> Result<(), VaultError> {
    getrandom::fill(bytes).map_err(|source| VaultError::Random { source })
}

/// Seals `plain`. It opens only with the same key and the same `bound_to`.
///
/// The form: version, nonce, what is encrypted, tag. A nonce of 24 random bytes does not come twice.
pub(super) fn seal(key: &Key, bound_to: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE_BYTES];
    random(&mut nonce)?;
    // As long as it will be, so that no copy of what is plain is left behind where it grew.
    let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + plain.len() + TAG_BYTES);
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let (_, text) = sealed.split_at_mut(1 + NONCE_BYTES);
    let tag = XChaCha20Poly1305::new(key.as_slice().into())
        .encrypt_in_place_detached(XNonce::from_slice(&nonce), bound_to, text)
        .expect("what is sealed is far shorter than the cipher's 256 GiB");
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Opens what was sealed; none where key, `bound_to` or any bit of it is another.
pub(super) fn open(key: &Key, bound_to: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (version, rest) = sealed.split_first()?;
    let (nonce, rest) = rest.split_at_checked(NONCE_BYTES)?;
    let (text, tag) = rest.split_at_checked(rest.len().checked_sub(TAG_BYTES)?)?;
    if *version != VERSION {
        return None;
    }
    let mut plain = Zeroizing::new(text.to_vec());
    XChaCha20Poly1305::new(key.as_slice().into())
        .decrypt_in_place_detached(XNonce::from_slice(nonce), bound_to, &mut plain, Tag::from_slice(tag))
        .ok()?;
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cipher_is_the_one_of_the_standard() {
        // draft-irtf-cfrg-xchacha-03, A.3.1.
        let hex = |text: &str| -> Vec<u8> {
            let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
            let byte = |pair: &[u8]| {
                u8::from_str_radix(std::str::from_utf8(pair).expect("digits are text"), 16).expect("two digits")
            };
            digits.chunks(2).map(byte).collect()
        };
        let key: Key = Zeroizing::new(
            hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f")
                .try_into()
                .expect("32 bytes"),
        );
        let mut sealed = vec![VERSION];
        sealed.extend(hex("404142434445464748494a4b4c4d4e4f5051525354555657"));
        sealed.extend(hex("bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb\
                           731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452\
                           2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9\
                           21f9664c97637da9768812f615c68b13b52e"));
        sealed.extend(hex("c0875924c1c7987947deafd8780acf49"));
        let plain = open(&key, &hex("50515253c0c1c2c3c4c5c6c7"), &sealed).expect("it opens");
        let expected: &[u8] = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
                                future, sunscreen would be it.";
        assert_eq!(plain.as_slice(), expected);
    }

    #[test]
    fn every_bit_counts_and_so_does_every_byte_that_is_missing() {
        let key = random_key().expect("randomness");
        let sealed = seal(&key, b"here", b"hidden-word").expect("it is sealed");
        assert_eq!(
            open(&key, b"here", &sealed).expect("it opens").as_slice(),
            b"hidden-word"
        );
        for place in 0..sealed.len() * 8 {
            let mut other = sealed.clone();
            other[place / 8] ^= 1 << (place % 8);
            assert!(open(&key, b"here", &other).is_none(), "bit {place}");
        }
        for length in 0..sealed.len() {
            assert!(open(&key, b"here", &sealed[..length]).is_none(), "{length} bytes");
        }
        let longer = [sealed.as_slice(), &[0]].concat();
        assert!(open(&key, b"here", &longer).is_none());
        assert!(open(&key, b"there", &sealed).is_none());
        assert!(open(&random_key().expect("randomness"), b"here", &sealed).is_none());
    }

    #[test]
    fn the_same_is_never_sealed_the_same() {
        let key = random_key().expect("randomness");
        let seal = || seal(&key, b"", b"hidden-word").expect("it is sealed");
        assert_ne!(seal(), seal());
    }
}
