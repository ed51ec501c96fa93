/** Dialogs: loaded when one is wanted. */

import css from "./dialogs.css";
import { addStyles } from "./styles";

// What every page has is one file, and so is what every whole card has.
import "./body-part";
import "./card";

export { copyText, saveText } from "./clipboard";
export { formOf } from "./form";
export { textOf, WholeLog } from "./log/whole-log";
export { dialogTemplate } from "./view/dialogs";
export { DocumentDraft } from "./view/document-dialog";
export { plainMenu } from "./view/plain-menu";

addStyles(css);
