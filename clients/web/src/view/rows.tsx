import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useReducer, useRef } from "preact/hooks";

/** Pixels above and below the visible part in which rows are drawn too. */
const MARGIN = 600;

/** Pixels from the end within which the list stays at the end when it grows. */
const AT_END = 40;

/** The part of a list that stays in place while the list changes: its end, or a row at so many pixels from the top. */
type Anchor = "end" | { readonly key: string; readonly at: number };

interface Props<T> {
  rows: readonly T[];
  keyOf: (row: T) => string;
  /** About how high a row is that was never drawn, in pixels. */
  guess: (row: T) => number;
  draw: (row: T) => ComponentChildren;
  label: string;
  /** The beginning of the list is near. */
  onStart: () => void;
  /** The user has come to the end, or left it. */
  onEnd: (atEnd: boolean) => void;
  /** Each change of it brings the list to its end. */
  toEnd: number;
}

/** The top of each row, and the height of all. */
function stack(heights: readonly number[]): Float64Array {
  const tops = new Float64Array(heights.length + 1);
  for (let n = 0; n < heights.length; n++) tops[n + 1] = (tops[n] ?? 0) + (heights[n] ?? 0);
  return tops;
}

/** The last row whose top is not below a place. */
function rowAt(tops: Float64Array, place: number): number {
  let [low, high] = [0, Math.max(0, tops.length - 2)];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((tops[middle] ?? 0) <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * A list that grows at both ends, of which only what can be seen is in the document. A row keeps its place on
 * the screen while others come, change or get measured; at the end the list stays at the end.
 */
export function Rows<T>({ rows, keyOf, guess, draw, label, onStart, onEnd, toEnd }: Props<T>) {
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const measured = useRef(new Map<string, number>()).current;
  const anchor = useRef<Anchor>("end");
  const active = useRef<string | undefined>(undefined);
  const wanted = useRef<string | undefined>(undefined);
  const width = useRef(0);
  const [version, measure] = useReducer((count: number) => count + 1, 0);
  const [, redraw] = useReducer((count: number) => count + 1, 0);

  const [tops, places] = useMemo(() => {
    const heights = rows.map((row) => measured.get(keyOf(row)) ?? guess(row));
    return [stack(heights), new Map(rows.map((row, index) => [keyOf(row), index]))];
  }, [rows, version]);
  const total = tops[rows.length] ?? 0;
  const height = scroller.current?.clientHeight ?? 800;

  const topOf = (key: string): number => tops[places.get(key) ?? -1] ?? 0;
  const scrollTop = anchor.current === "end" ? total - height : topOf(anchor.current.key) - anchor.current.at;
  const first = rowAt(tops, scrollTop - MARGIN);
  const last = Math.min(rows.length, rowAt(tops, scrollTop + height + MARGIN) + 1);
  const shown = useRef([0, 0]);
  shown.current = [first, last];

  const goToEnd = useRef(toEnd);
  if (goToEnd.current !== toEnd) {
    goToEnd.current = toEnd;
    anchor.current = "end";
  }

  // After each drawing: what was guessed is measured, and the anchor is put back into its place.
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box || !list.current) return;
    const gap = list.current.offsetTop;
    const to = anchor.current === "end" ? box.scrollHeight : topOf(anchor.current.key) - anchor.current.at + gap;
    if (Math.abs(box.scrollTop - to) >= 1) box.scrollTop = to;
    if (scrollTop < MARGIN) onStart();
    for (const row of list.current.children) sizes.current?.observe(row);
    if (wanted.current !== undefined) {
      const row = list.current.querySelector<HTMLElement>(`[data-key="${CSS.escape(wanted.current)}"]`);
      if (row) {
        wanted.current = undefined;
        row.focus({ preventScroll: true });
        row.scrollIntoView({ block: "nearest" });
      }
    }
  });

  const sizes = useRef<ResizeObserver | undefined>(undefined);
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const observer = new ResizeObserver((entries) => {
      let changed = false;
      for (const { target, borderBoxSize } of entries) {
        const size = borderBoxSize[0]?.blockSize ?? 0;
        const key = (target as HTMLElement).dataset["key"];
        if (target === box) {
          // Another width makes other heights.
          if (width.current !== 0 && width.current !== box.clientWidth) measured.clear();
          width.current = box.clientWidth;
          changed = true;
        } else if (!target.isConnected) observer.unobserve(target);
        else if (key !== undefined && measured.get(key) !== size) {
          measured.set(key, size);
          changed = true;
        }
      }
      if (changed) measure(undefined);
    });
    sizes.current = observer;
    observer.observe(box);
    return () => observer.disconnect();
  }, []);

  /** Keeps a row at so many pixels from the top; not the first one, for what comes at the start comes after it. */
  const hold = (index: number, at: number): void => {
    const next = index === 0 ? rows[1] : undefined;
    const row = next ?? rows[index];
    if (row) anchor.current = { key: keyOf(row), at: next ? at + (tops[1] ?? 0) : at };
  };

  const ended = useRef(true);
  const onScroll = (): void => {
    const box = scroller.current;
    if (!box || !list.current) return;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < AT_END;
    const place = box.scrollTop - list.current.offsetTop;
    const index = rowAt(tops, Math.max(0, place));
    const row = rows[index];
    if (atEnd || row === undefined) anchor.current = "end";
    else hold(index, (tops[index] ?? 0) - place);
    if (ended.current !== atEnd) onEnd((ended.current = atEnd));
    const from = rowAt(tops, place - MARGIN);
    const to = Math.min(rows.length, rowAt(tops, place + box.clientHeight + MARGIN) + 1);
    if (from !== shown.current[0] || to !== shown.current[1]) redraw(undefined);
  };

  /** Moves the focus between rows, also to those that are not drawn yet. */
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = places.get((event.target as HTMLElement).dataset["key"] ?? "");
    if (at === undefined) return;
    const steps: Record<string, number> = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: rows.length - 1 };
    const index = steps[event.key];
    const row = index === undefined ? undefined : rows[index];
    if (index === undefined || row === undefined) return;
    event.preventDefault();
    active.current = wanted.current = keyOf(row);
    if (index < first || index >= last) hold(index, 0);
    redraw(undefined);
  };

  const onFocus = (event: FocusEvent): void => {
    const row = (event.target as HTMLElement).closest<HTMLElement>("[data-key]");
    if (row) active.current = row.dataset["key"];
  };

  const isActive = (row: T, index: number): boolean => {
    const known = active.current !== undefined && places.has(active.current);
    return known ? keyOf(row) === active.current : index === rows.length - 1;
  };
  // The row that has the focus is in the document wherever it is, so that the focus stays.
  const shownRows = [...Array(Math.max(0, last - first)).keys()].map((n) => first + n);
  const focused = places.get(active.current ?? "");
  if (focused !== undefined && focused < first) shownRows.unshift(focused);
  if (focused !== undefined && focused >= last) shownRows.push(focused);
  return (
    <div class="scroller" ref={scroller} onScroll={onScroll}>
      <div
        class="rows"
        role="list"
        aria-label={label}
        ref={list}
        style={{ height: `${total}px` }}
        onKeyDown={onKeyDown}
        onFocusIn={onFocus}
      >
        {shownRows.map((index) => {
          const row = rows[index];
          return (
            row !== undefined && (
              <div
                key={keyOf(row)}
                data-key={keyOf(row)}
                role="listitem"
                aria-setsize={rows.length}
                aria-posinset={index + 1}
                tabIndex={isActive(row, index) ? 0 : -1}
                style={{ top: `${tops[index] ?? 0}px` }}
              >
                {draw(row)}
              </div>
            )
          );
        })}
      </div>
    </div>
  );
}
