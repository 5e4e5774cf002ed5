// node run.mjs SCENARIO [tokens:]TRANSPORT[@VERSION]=URL...: plays one scenario over each transport at once,
// each on its own server, with that version of the library; with `tokens:` on a server on which the strings of
// `set-username` are tokens. Exit code 0 when all went well.

import * as scenarios from "./scenarios.mjs";
import { World, library, token } from "./client.mjs";

const [name, ...places] = process.argv.slice(2);

async function play(place) {
  const [kind, url] = place.split("=");
  const [login, way] = kind.includes(":") ? kind.split(":") : ["names", kind];
  const [transport, version] = way.split("@");
  const world = new World(await library(version), url, transport);
  if (login === "tokens") world.login = token;
  try {
    await scenarios[name](world);
    await world.close();
    return true;
  } catch (error) {
    console.error(`${name} over ${kind}: ${error.stack}`);
    return false;
  }
}

const played = await Promise.all(places.map(play));
process.exit(played.length > 0 && played.every(Boolean) ? 0 : 1);
