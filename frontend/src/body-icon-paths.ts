/** Paths of Material Design Icons (Apache-2.0), written short: those of the body and of dialogs. */

export const mdiAccountOutline =
  "M12 4a4 4 0 0 1 4 4 4 4 0 0 1-4 4 4 4 0 0 1-4-4 4 4 0 0 1 4-4m0 2a2 2 0 0 0-2 2 2 2 0 0 0 2 2 2 2 0 0 0 2-2 2 2 0 0 0-2-2m0 7c2.67 0 8 1.33 8 4v3H4v-3c0-2.67 5.33-4 8-4m0 1.9c-2.97 0-6.1 1.46-6.1 2.1v1.1h12.2V17c0-.64-3.13-2.1-6.1-2.1";
export const mdiAlertOutline =
  "M12 2 1 21h22M12 6l7.53 13H4.47M11 10v4h2v-4m-2 6v2h2v-2";
export const mdiArrowDown =
  "M11 4h2v12l5.5-5.5 1.42 1.42L12 19.84l-7.92-7.92L5.5 10.5 11 16z";
export const mdiCancel =
  "M12 2c5.5 0 10 4.5 10 10s-4.5 10-10 10S2 17.5 2 12 6.5 2 12 2m0 2c-1.9 0-3.6.6-4.9 1.7l11.2 11.2c1-1.4 1.7-3.1 1.7-4.9 0-4.4-3.6-8-8-8m4.9 14.3L5.7 7.1C4.6 8.4 4 10.1 4 12c0 4.4 3.6 8 8 8 1.9 0 3.6-.6 4.9-1.7";
export const mdiCheckCircle =
  "M12 2C6.5 2 2 6.5 2 12s4.5 10 10 10 10-4.5 10-10S17.5 2 12 2m-2 15-5-5 1.41-1.41L10 14.17l7.59-7.59L19 8z";
export const mdiCheck =
  "M21 7 9 19l-5.5-5.5 1.41-1.41L9 16.17 19.59 5.59z";
export const mdiCircleOutline =
  "M12 20a8 8 0 0 1-8-8 8 8 0 0 1 8-8 8 8 0 0 1 8 8 8 8 0 0 1-8 8m0-18A10 10 0 0 0 2 12a10 10 0 0 0 10 10 10 10 0 0 0 10-10A10 10 0 0 0 12 2";
export const mdiCloseCircle =
  "M12 2a10 10 0 1 1 0 20 10 10 0 1 1 0-20m3.59 5L12 10.59 8.41 7 7 8.41 10.59 12 7 15.59 8.41 17 12 13.41 15.59 17 17 15.59 13.41 12 17 8.41z";
export const mdiClose =
  "M19 6.41 17.59 5 12 10.59 6.41 5 5 6.41 10.59 12 5 17.59 6.41 19 12 13.41 17.59 19 19 17.59 13.41 12z";
export const mdiConsole =
  "M20 19V7H4v12zm0-16a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm-7 14v-2h5v2zm-3.42-4L5.57 9H8.4l3.3 3.3a1 1 0 0 1 0 1.42L8.42 17H5.59z";
export const mdiContentCopy =
  "M19 21H8V7h11m0-2H8a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2V7a2 2 0 0 0-2-2m-3-4H4a2 2 0 0 0-2 2v14h2V3h12z";
export const mdiDownload =
  "M5 20h14v-2H5m14-9h-4V3H9v6H5l7 7z";
export const mdiMagnify =
  "M9.5 3A6.5 6.5 0 0 1 16 9.5c0 1.61-.59 3.09-1.56 4.23l.27.27h.79l5 5-1.5 1.5-5-5v-.79l-.27-.27A6.5 6.5 0 0 1 9.5 16 6.5 6.5 0 0 1 3 9.5 6.5 6.5 0 0 1 9.5 3m0 2C7 5 5 7 5 9.5S7 14 9.5 14 14 12 14 9.5 12 5 9.5 5";
export const mdiMinusCircleOutline =
  "M12 20a8.01 8.01 0 0 1 0-16 8.01 8.01 0 0 1 0 16m0-18A10 10 0 0 0 2 12a10 10 0 0 0 10 10 10 10 0 0 0 10-10A10 10 0 0 0 12 2M7 13h10v-2H7";
export const mdiPause =
  "M14 19h4V5h-4M6 19h4V5H6z";
export const mdiPlay =
  "M8 5.14v14l11-7z";
export const mdiPowerPlugOffOutline =
  "M22.11 21.46 2.39 1.73 1.11 3l5.14 5.14q-.24.4-.25.86v5.5L9.5 18v3h5v-3l.81-.8 5.53 5.53zm-9.02-4.87-.42.41h-1.34l-.41-.41L8 13.67V9.89l5.89 5.89zM12.2 9l-2-2H14V3h2v4c1 0 2 1 2 2v5.5l-.15.15L16 12.8V9.09c0-.03-.05-.09-.08-.09zM10 6.8l-2-2V3h2z";
export const mdiStopCircleOutline =
  "M12 2A10 10 0 0 0 2 12a10 10 0 0 0 10 10 10 10 0 0 0 10-10A10 10 0 0 0 12 2m0 2a8.01 8.01 0 0 1 0 16 8.01 8.01 0 0 1 0-16M9 9v6h6V9";
export const mdiTimerAlertOutline =
  "M9 8h2v6H9zm4-7H7v2h6zm4.03 6.39A8.98 8.98 0 0 1 10 22a9 9 0 1 1 5.62-16l1.42-1.44q.75.65 1.41 1.41zM17 13a7 7 0 1 0-13.99-.01A7 7 0 0 0 17 13m4-6v6h2V7zm0 10h2v-2h-2z";
export const mdiTimerOutline =
  "M12 20a7 7 0 0 1-7-7 7 7 0 0 1 7-7 7 7 0 0 1 7 7 7 7 0 0 1-7 7m7.03-12.61 1.42-1.42q-.66-.76-1.41-1.41L17.62 6A9 9 0 0 0 12 4a9 9 0 0 0-9 9 9 9 0 0 0 9 9 8.98 8.98 0 0 0 7.03-14.61M11 14h2V8h-2m4-7H9v2h6z";
export const mdiWrapDisabled =
  "M16 7H3V5h13zM3 19h13v-2H3zm19-7-4-3v2H3v2h15v2z";
export const mdiWrap =
  "M21 5H3v2h18zM3 19h7v-2H3zm0-6h15c1 0 2 .43 2 2s-1 2-2 2h-2v-2l-4 3 4 3v-2h2c2.95 0 4-1.27 4-4s-1-4-4-4H3z";
