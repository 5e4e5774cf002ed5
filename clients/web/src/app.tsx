import { render } from "preact";
import { resume } from "./state/session.js";
import "./state/theme.js";
import { App } from "./view/app.js";

/** Languages that are written from right to left. */
const RTL = /^(ar|arc|ckb|dv|fa|he|ku-arab|ps|sd|ug|ur|yi)\b/i;

document.documentElement.dir = RTL.test(navigator.language) ? "rtl" : "ltr";
resume();
render(<App />, document.body);
