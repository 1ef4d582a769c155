/**
 * Letters of mathematics as Unicode has them. KaTeX writes an L with `mathvariant="script"`, which browsers of today do not
 * follow: they would print a plain L.
 */

/** Where the capitals, the small letters, the digits and the Greek letters of an alphabet begin. */
const ALPHABETS: Record<string, { A: number; a: number; digits?: number; Alpha?: number; alpha?: number }> = {
  bold: { A: 0x1d400, a: 0x1d41a, digits: 0x1d7ce, Alpha: 0x1d6a8, alpha: 0x1d6c2 },
  italic: { A: 0x1d434, a: 0x1d44e, Alpha: 0x1d6e2, alpha: 0x1d6fc },
  "bold-italic": { A: 0x1d468, a: 0x1d482, Alpha: 0x1d71c, alpha: 0x1d736 },
  script: { A: 0x1d49c, a: 0x1d4b6 },
  "bold-script": { A: 0x1d4d0, a: 0x1d4ea },
  fraktur: { A: 0x1d504, a: 0x1d51e },
  "double-struck": { A: 0x1d538, a: 0x1d552, digits: 0x1d7d8 },
  "bold-fraktur": { A: 0x1d56c, a: 0x1d586 },
  "sans-serif": { A: 0x1d5a0, a: 0x1d5ba, digits: 0x1d7e2 },
  "bold-sans-serif": { A: 0x1d5d4, a: 0x1d5ee, digits: 0x1d7ec },
  "sans-serif-italic": { A: 0x1d608, a: 0x1d622 },
  "sans-serif-bold-italic": { A: 0x1d63c, a: 0x1d656 },
  monospace: { A: 0x1d670, a: 0x1d68a, digits: 0x1d7f6 },
};

/** Letters that had places of their own before the alphabets were added, which have holes there. */
const ELSEWHERE: Record<string, Record<string, string>> = {
  italic: { h: "ℎ" },
  script: { B: "ℬ", E: "ℰ", F: "ℱ", H: "ℋ", I: "ℐ", L: "ℒ", M: "ℳ", R: "ℛ", e: "ℯ", g: "ℊ", o: "ℴ" },
  fraktur: { C: "ℭ", H: "ℌ", I: "ℑ", R: "ℜ", Z: "ℨ" },
  "double-struck": { C: "ℂ", H: "ℍ", N: "ℕ", P: "ℙ", Q: "ℚ", R: "ℝ", Z: "ℤ" },
};

function letterOf(character: string, variant: string): string {
  const elsewhere = ELSEWHERE[variant]?.[character];
  if (elsewhere) return elsewhere;
  const { A, a, digits, Alpha, alpha } = ALPHABETS[variant];
  const from = (start: number | undefined, first: string) =>
    start === undefined
      ? character
      : String.fromCodePoint(start + character.charCodeAt(0) - first.charCodeAt(0));
  if (/[A-Z]/.test(character)) return from(A, "A");
  if (/[a-z]/.test(character)) return from(a, "a");
  if (/[Α-Ω]/.test(character)) return from(Alpha, "Α");
  if (/[α-ω]/.test(character)) return from(alpha, "α");
  return from(digits, "0");
}

/** MathML whose letters are those that its `mathvariant` asks for. */
export const withLetters = (mathml: string): string =>
  mathml.replace(
    /<(mi|mn|mtext|mo)((?: [\w-]+="[^"]*")*?) mathvariant="([\w-]+)"((?: [\w-]+="[^"]*")*)>([^<]*)<\/\1>/g,
    (whole, tag, before, variant, after, text: string) => {
      if (!Object.hasOwn(ALPHABETS, variant)) return whole;
      // Entities such as &amp; are no letters.
      const letters = text.replace(/&[^;]*;|[A-Za-z0-9Α-Ωα-ω]/g, (one) =>
        one.length > 1 ? one : letterOf(one, variant),
      );
      // A letter alone would be slanted.
      return `<${tag}${before}${tag === "mi" ? ' mathvariant="normal"' : ""}${after}>${letters}</${tag}>`;
    },
  );
