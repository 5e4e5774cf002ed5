import { options, render } from "preact";
import { resume } from "./state/session.js";
import "./state/theme.js";
import { App } from "./view/app.js";

/** Languages that are written from right to left. */
const RTL = /^(ar|arc|ckb|dv|fa|he|ku-arab|ps|sd|ug|ur|yi)\b/i;

// Many changes at once are drawn once. In the background there are no frames to wait for.
options.debounceRendering = (draw) => {
  requestAnimationFrame(draw);
  setTimeout(draw, 100);
};

document.documentElement.dir = RTL.test(navigator.language) ? "rtl" : "ltr";
resume();
render(<App />, document.body);
