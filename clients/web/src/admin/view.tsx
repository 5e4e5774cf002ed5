import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Failure } from "../view/dialog.js";
import { fullTime } from "../view/time.js";
import { useAction } from "../view/use.js";
import type { Administration, AuditRow, Sanction, Session, UserReport } from "./ask.js";

/** Milliseconds between two looks at the figures. */
const REFRESH = 2_000;

interface Props {
  server: Administration;
}

/** A table, or a sentence if there is nothing in it. */
function Table({ label, head, rows, none }: { label: string; head: string[]; rows: ComponentChildren[][]; none: string }) {
  if (rows.length === 0) return <p class="soft">{none}</p>;
  return (
    <div class="table" role="region" aria-label={label} tabIndex={0}>
      <table>
        <caption class="sr">{label}</caption>
        <thead>
          <tr>
            {head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((cells, row) => (
            <tr key={row}>
              {cells.map((cell, column) => (
                <td key={column}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The figures of the server now. */
export function Figures({ server }: Props) {
  const [now, setNow] = useState<{ at: number; figures: Map<string, number> }>();
  const [before, setBefore] = useState<typeof now>();
  const { error, run } = useAction();
  useEffect(() => {
    let current = true;
    const look = (): Promise<boolean> =>
      run(async () => {
        const figures = await server.figures();
        if (!current) return;
        setNow((last) => {
          setBefore(last);
          return { at: performance.now(), figures };
        });
      });
    void look();
    const timer = setInterval(() => void look(), REFRESH);
    return () => {
      current = false;
      clearInterval(timer);
    };
  }, [server]);
  const value = (name: string): string => now?.figures.get(name)?.toLocaleString() ?? "–";
  const rate = (name: string): string => {
    if (!now || !before) return "–";
    const grown = (now.figures.get(name) ?? 0) - (before.figures.get(name) ?? 0);
    return ((grown * 1000) / (now.at - before.at)).toLocaleString(undefined, { maximumFractionDigits: 1 });
  };
  const fails = (name: string): string => (now?.figures.get(name) ? "failing" : now ? "works" : "–");
  const all = [
    ["Sessions", value("chat_sessions")],
    ["Users online", value("chat_users")],
    ["Rooms in use", value("chat_rooms")],
    ["Connections", value("chat_connections")],
    ["Entries per second", rate("chat_appends_total")],
    ["Refusals per second", rate("chat_refusals_total")],
    ["Store", fails("chat_store_failing")],
    ["Cache", fails("chat_cache_failing")],
  ] as const;
  return (
    <>
      <Failure error={error} />
      <dl class="figures">
        {all.map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <p class="soft">Of this node, every two seconds. Everything else is in its metrics.</p>
    </>
  );
}

function sessionRows(sessions: readonly Session[]): ComponentChildren[][] {
  return sessions.map(({ user, via, address, since }) => [<bdi>{user}</bdi>, via, address ?? "not known", fullTime(since)]);
}

/** The sessions on this node. */
export function Sessions({ server }: Props) {
  const [user, setUser] = useState("");
  const [found, setFound] = useState<{ sessions: readonly Session[]; more: boolean }>();
  const { error, busy, run } = useAction();
  const look = (): Promise<boolean> =>
    run(async () => {
      const of = user.trim() === "" ? "" : `&user=${encodeURIComponent(user.trim())}`;
      setFound(await server.json(`admin/v1/sessions?limit=1000${of}`));
    });
  useEffect(() => void look(), [server]);
  return (
    <>
      <form class="ask" onSubmit={(event) => (event.preventDefault(), void look())}>
        <label>
          Only of the user
          <input type="text" dir="auto" value={user} onInput={(event) => setUser(event.currentTarget.value)} />
        </label>
        <button type="submit" disabled={busy}>
          Look again
        </button>
      </form>
      <Failure error={error} />
      {found && (
        <Table
          label="Sessions"
          head={["User", "Protocol", "Address", "Since"]}
          rows={sessionRows(found.sessions)}
          none="Nobody is connected."
        />
      )}
      {found?.more && <p class="soft">These are the first 1,000.</p>}
    </>
  );
}

function until({ until }: Sanction): string {
  return until === null ? "until it is lifted" : `until ${fullTime(until)}`;
}

/** The report about one user. */
export function Users({ server }: Props) {
  const [name, setName] = useState("");
  const [report, setReport] = useState<UserReport>();
  const { error, busy, run } = useAction();
  const look = (): Promise<boolean> =>
    run(async () => setReport(await server.json(`admin/v1/users/${encodeURIComponent(name.trim())}`)));
  const rulings = report && [
    ...report.standing.bans.map((ban) => `Banned ${until(ban)}`),
    ...report.standing.mutes.map((mute) => `Muted ${until(mute)}`),
    ...(report.standing.not_before ? [`Logins before ${fullTime(report.standing.not_before)} are revoked`] : []),
  ];
  return (
    <>
      <form class="ask" onSubmit={(event) => (event.preventDefault(), void look())}>
        <label>
          Name
          <input type="text" dir="auto" required value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <button type="submit" disabled={busy}>
          Show
        </button>
      </form>
      <Failure error={error} />
      {report && rulings && (
        <section aria-label={report.user}>
          <h2 dir="auto">{report.user}</h2>
          <p>{rulings.length === 0 ? "Nothing is in force against this user." : `${rulings.join(". ")}.`}</p>
          <h3>Sessions on this node</h3>
          <Table
            label="Sessions of the user"
            head={["User", "Protocol", "Address", "Since"]}
            rows={sessionRows(report.sessions)}
            none="Not connected here."
          />
          <h3>Rooms</h3>
          <Table
            label="Rooms of the user"
            head={["Room", "Name", "Entries", "Unread"]}
            rows={report.rooms.map(({ id, name, head, unread }) => [<bdi>{id}</bdi>, <bdi>{name ?? ""}</bdi>, head, unread])}
            none="In no room."
          />
          {report.more && <p class="soft">These are the first 200.</p>}
        </section>
      )}
    </>
  );
}

/** The other fields of a row in one line. */
function detail(fields: AuditRow["detail"]): string {
  const all = Object.entries(fields).filter(([, value]) => value !== null && value !== "");
  return all.map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", ");
}

/** The record of what was decided: all of it, or the bans and mutes that are in force. */
export function Record({ server, inForce = false }: Props & { inForce?: boolean }) {
  const [rows, setRows] = useState<readonly AuditRow[]>();
  const { error, busy, run } = useAction();
  const look = (): Promise<boolean> =>
    run(async () => setRows(await server.log<AuditRow>("admin/v1/audit", "rows", ({ seq }) => seq)));
  useEffect(() => void look(), [server]);
  const shown = inForce ? rows && standing(rows) : rows;
  return (
    <>
      <div class="ask">
        <button type="button" disabled={busy} onClick={() => void look()}>
          Look again
        </button>
      </div>
      <Failure error={error} />
      {shown && (
        <Table
          label={inForce ? "Bans and mutes" : "Record"}
          head={["Number", "When", "Who", "What", "To whom", "Room", "More"]}
          rows={shown.map((row) => [
            row.seq,
            fullTime(row.at),
            <bdi>{row.actor}</bdi>,
            row.action,
            <bdi>{row.target ?? ""}</bdi>,
            <bdi>{row.room ?? ""}</bdi>,
            <bdi>{detail(row.detail)}</bdi>,
          ])}
          none={inForce ? "Nobody is banned or muted." : "Nothing was decided yet."}
        />
      )}
    </>
  );
}

/** The bans and mutes that have not ended and were not lifted. */
export function standing(rows: readonly AuditRow[], now = Date.now()): AuditRow[] {
  const lifted = new Set(rows.filter(({ action }) => action === "lift").map(({ detail }) => detail["version"]));
  return rows.filter(({ seq, action, detail }) => {
    const until = detail["until"];
    const ended = typeof until === "string" && Date.parse(until) <= now;
    return (action === "ban" || action === "mute") && !ended && !lifted.has(seq);
  });
}
