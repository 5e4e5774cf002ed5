import type { ComponentChildren } from "preact";

/** An address of the web in a text, without the punctuation after it. */
const LINK = /\bhttps?:\/\/[^\s<>"]*[^\s<>".,:;!?'()[\]{}]/giu;

/** A text as people wrote it, in which addresses of the web are links. Nothing else in it has a meaning. */
export function Text({ text }: { text: string }) {
  const parts: ComponentChildren[] = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    parts.push(text.slice(end, match.index));
    parts.push(
      <a href={match[0]} target="_blank" rel="noopener noreferrer nofollow">
        {match[0]}
      </a>,
    );
    end = match.index + match[0].length;
  }
  parts.push(text.slice(end));
  return <>{parts}</>;
}
