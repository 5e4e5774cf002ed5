/** The address of the administration: this file is in its folder `/app`. */
const server = new URL("..", import.meta.url);

/** Asks the administration, which wants its token with each request. */
export class Administration {
  readonly #token: string;

  constructor(token: string) {
    this.#token = token;
  }

  async #get(path: string): Promise<Response> {
    const response = await fetch(new URL(path, server), { headers: { authorization: `Bearer ${this.#token}` } });
    if (response.ok) return response;
    const { message } = await response.json().catch(() => ({ message: `the server answers with ${response.status}` }));
    throw new Error(message);
  }

  async json<T>(path: string): Promise<T> {
    return (await this.#get(path)).json();
  }

  /** All metrics that have a name and no label, and the sum of those with labels. */
  async figures(): Promise<Map<string, number>> {
    const sums = new Map<string, number>();
    for (const line of (await (await this.#get("metrics")).text()).split("\n")) {
      const [, name, value] = /^(\w+)(?:\{.*\})? (\S+)$/.exec(line) ?? [];
      if (name !== undefined) sums.set(name, (sums.get(name) ?? 0) + Number(value));
    }
    return sums;
  }

  /** All rows of a log, the newest first. */
  async log<T>(path: string, of: string, number: (row: T) => number): Promise<T[]> {
    const rows: T[] = [];
    for (let more = true; more; ) {
      const after = rows.at(-1);
      const page = await this.json<{ more: boolean } & Record<string, T[]>>(
        `${path}?limit=1000&after=${after === undefined ? 0 : number(after)}`,
      );
      rows.push(...(page[of] ?? []));
      more = page.more;
    }
    return rows.reverse();
  }
}

/** A session that is connected to this node. */
export interface Session {
  readonly id: string;
  readonly user: string;
  readonly via: string;
  readonly address: string | null;
  readonly since: string;
}

/** A ban or mute in force. */
export interface Sanction {
  readonly version: number;
  readonly until: string | null;
}

/** A user, as administrators see them. */
export interface UserReport {
  readonly user: string;
  readonly standing: {
    readonly not_before: string | null;
    readonly bans: readonly Sanction[];
    readonly mutes: readonly Sanction[];
  };
  readonly sessions: readonly Session[];
  readonly rooms: readonly { readonly id: string; readonly name?: string; readonly head: number; readonly unread: number }[];
  readonly more: boolean;
}

/** A row of the record: who did what to whom. */
export interface AuditRow {
  readonly seq: number;
  readonly at: string;
  readonly actor: string;
  readonly via: string;
  readonly address: string | null;
  readonly action: string;
  readonly target: string | null;
  readonly room: string | null;
  readonly outcome: string;
  readonly detail: Readonly<Record<string, unknown>>;
}
