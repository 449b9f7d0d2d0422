// What Unicode takes apart by itself is no letter of its own: é is e with an accent. These are.
const LETTERS = { ß: "ss", æ: "ae", œ: "oe", ø: "o", ł: "l", đ: "d", þ: "th" };

/** A title in lower case, its words joined by `-`, as many as fit. */
export function slugOf(text, length) {
  const plain = text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const words = plain.replace(/[ßæœøłđþ]/g, (letter) => LETTERS[letter]).match(/[\p{L}\p{N}]+/gu) ?? [];
  let slug = "";
  for (const word of words) {
    const next = slug ? `${slug}-${word}` : word;
    if ([...next].length > length) {
      break;
    }
    slug = next;
  }
  // A first word that is too long is cut.
  return slug || [...(words[0] ?? "")].slice(0, length).join("");
}
