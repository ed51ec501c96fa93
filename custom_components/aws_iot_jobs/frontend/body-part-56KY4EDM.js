/* AWS IoT Jobs, Apache-2.0. Contains Lit, BSD-3-Clause, Google LLC. */
import{c as a,n as b}from"./chunk-7SKDRHUL.js";import"./chunk-EJFRG7IX.js";export{a as JobLog,b as bodyOf};
