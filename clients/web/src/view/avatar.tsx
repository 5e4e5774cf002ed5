/** One or two letters for a name. */
function initials(name: string): string {
  const words = name.trim().split(/[\s._-]+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => [...(word ?? "")][0] ?? "").join("").toLocaleUpperCase();
}

/** A colour of its own for each name. */
function hue(name: string): number {
  let sum = 7;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 360;
  return Math.round(sum / 30) * 30;
}

interface Props {
  name: string;
  /** A room of several people has another shape. */
  group?: boolean | undefined;
  online?: boolean | undefined;
}

/** The picture of a user or room: letters on a colour. Its name stands beside it, so it says nothing. */
export function Avatar({ name, group, online }: Props) {
  return (
    <span class={group ? "avatar group" : "avatar"} style={{ "--hue": hue(name) }} aria-hidden="true">
      {initials(name)}
      {online && <span class="dot" />}
    </span>
  );
}
