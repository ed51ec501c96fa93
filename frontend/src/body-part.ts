/** Everything below the head: loaded with the first card that is not a tile. */

import css from "./body.css";
import { addStyles } from "./styles";

// What every page has is one file.
import "./card";

export { JobLog } from "./log/job-log";
export { bodyOf } from "./view/body";

addStyles(css);
