// node run.mjs SCENARIO TRANSPORT[@VERSION]=URL...: plays one scenario over each transport at once, each
// on its own server, with that version of the library. Exit code 0 when all went well.

import * as scenarios from "./scenarios.mjs";
import { World, library } from "./client.mjs";

const [name, ...places] = process.argv.slice(2);

async function play(place) {
  const [kind, url] = place.split("=");
  const [transport, version] = kind.split("@");
  const world = new World(await library(version), url, transport);
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
