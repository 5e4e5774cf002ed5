import type { Room, RoomInfo } from "@chat-engine/client";
import { useState } from "preact/hooks";
import { Failure } from "./dialog.js";
import { useAction } from "./use.js";

const WAITS: readonly (readonly [number, string])[] = [
  [0, "Off"],
  [10, "10 seconds"],
  [60, "1 minute"],
  [600, "10 minutes"],
  [3600, "1 hour"],
];

/** The form of what owners change: the name, the topic and the settings of a room. */
export function RoomForm({ room, info }: { room: Room; info: RoomInfo }) {
  const { busy, error, run } = useAction();
  const [name, setName] = useState(info.name ?? "");
  const [topic, setTopic] = useState(info.topic ?? "");
  const { post = "everyone", add = "everyone", history = "joined", slow_mode = 0 } = info.settings ?? {};
  const waits = WAITS.some(([wait]) => wait === slow_mode) ? WAITS : [...WAITS, [slow_mode, `${slow_mode} seconds`] as const];
  const open = [
    ["everyone", "Everyone"],
    ["moderators", "Moderators"],
  ] as const;
  return (
    <section aria-label="Settings">
      <h3>Settings</h3>
      <Failure error={error} />
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run(() => room.update({ name: name.trim(), topic: topic.trim() }));
        }}
      >
        <label>
          Name
          <input type="text" dir="auto" maxLength={100} value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <label>
          Topic
          <textarea dir="auto" rows={2} maxLength={500} value={topic} onInput={(event) => setTopic(event.currentTarget.value)} />
        </label>
        {(name.trim() !== (info.name ?? "") || topic.trim() !== (info.topic ?? "")) && (
          <div class="buttons">
            <button type="submit" class="main" disabled={busy}>
              Save
            </button>
          </div>
        )}
      </form>
      <Choice label="Who writes" value={post} all={open} busy={busy} onPick={(post) => void run(() => room.update({ settings: { post } }))} />
      <Choice label="Who adds and invites" value={add} all={open} busy={busy} onPick={(add) => void run(() => room.update({ settings: { add } }))} />
      <Choice
        label="New members read"
        value={history}
        all={[
          ["joined", "What comes then"],
          ["all", "Everything"],
        ]}
        busy={busy}
        onPick={(history) => void run(() => room.update({ settings: { history } }))}
      />
      <Choice
        label="Slow mode"
        value={String(slow_mode)}
        all={waits.map(([wait, label]) => [String(wait), label] as const)}
        busy={busy}
        onPick={(wait) => void run(() => room.update({ settings: { slow_mode: Number(wait) } }))}
      />
      <label class="switch">
        <span>Archived: read only</span>
        <input
          type="checkbox"
          role="switch"
          checked={info.archived ?? false}
          disabled={busy}
          onChange={() => void run(() => room.update({ archived: !info.archived }))}
        />
      </label>
    </section>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  all: readonly (readonly [T, string])[];
  busy: boolean;
  onPick: (value: T) => void;
}

function Choice<T extends string>({ label, value, all, busy, onPick }: ChoiceProps<T>) {
  return (
    <label class="switch">
      <span>{label}</span>
      <select value={value} disabled={busy} onChange={(event) => onPick(event.currentTarget.value as T)}>
        {all.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </select>
    </label>
  );
}
